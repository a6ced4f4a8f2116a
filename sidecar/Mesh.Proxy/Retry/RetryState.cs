using System.Collections.Immutable;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Retry;

/// <summary>
/// Retries of one request: what may be tried again, how often still, and how long the next pause is. Decides; sends nothing. Reused from request to request, used by one.
/// </summary>
internal sealed class RetryState(Random random)
{
    private static readonly RetryConfig FromHeaders = new() { Attempts = 1 }; // as Envoy: with retry_on and no count there is one
    private Backoff _backoff;
    private ImmutableArray<int> _codes = [];

    /// <summary>Policy of the route; the defaults when only the request asks for retries.</summary>
    public RetryConfig Config { get; private set; } = FromHeaders;

    /// <summary>What may be tried again: of the route and of the request.</summary>
    public RetryConditions Conditions { get; private set; }

    /// <summary>Retries left.</summary>
    public int Left { get; private set; }

    /// <summary>Retries that the request itself asks for, in place of any rule's; null when it does not say.</summary>
    public int? Asked { get; private set; }

    /// <summary>Retries made or waited for.</summary>
    public int Count { get; private set; }

    /// <summary>Every condition that led to a retry so far.</summary>
    public RetryConditions Matched { get; private set; }

    /// <summary>Pause before the retry that was begun last.</summary>
    public TimeSpan Pause { get; private set; }

    /// <summary>Whether the head of an answer with this status must be looked into.</summary>
    public bool LooksInto(int status) => status >= 400 || (Conditions & RetryTable.OnHeaders) != 0 ||
        ((Conditions & RetryConditions.StatusCodes) != 0 && _codes.Contains(status));

    /// <summary>A new request.</summary>
    /// <param name="route">Policy of its route; null for none.</param>
    /// <param name="wish">What the request itself asks for.</param>
    public void Begin(RetryConfig? route, in RetryWish wish)
    {
        Config = route ?? FromHeaders;
        Conditions = Config.Conditions | wish.Conditions;
        Asked = wish.MaxRetries;
        Left = Asked ?? Config.Attempts;
        _codes = wish.StatusCodes.IsDefaultOrEmpty ? Config.StatusCodes : Config.StatusCodes.AddRange(wish.StatusCodes);
        _backoff = new Backoff(Config.Backoff);
        Count = 0;
        Matched = RetryConditions.None;
        Pause = TimeSpan.Zero;
    }

    /// <summary>The condition by which an answer is to be tried again, or none.</summary>
    public RetryConditions OnAnswer(in AnswerFacts answer) => RetryTable.OnAnswer(Conditions, _codes, answer);

    /// <summary>The condition by which a request without an answer is to be tried again, or none.</summary>
    public RetryConditions OnReset(ResetReason reason, bool wasSent) => RetryTable.OnReset(Conditions, reason, wasSent);

    /// <summary>Uses one of the retries up, whether or not the cluster has room for it (semantics 4.4); false when none is left.</summary>
    public bool TryTake()
    {
        if (Left == 0)
        {
            return false;
        }

        Left--;
        return true;
    }

    /// <summary>A retry begins: draws its pause.</summary>
    /// <param name="condition">Why.</param>
    /// <param name="asked">What a Retry-After asks for; null for none.</param>
    /// <param name="isAtOnce">Without a pause.</param>
    public void Start(RetryConditions condition, TimeSpan? asked, bool isAtOnce)
    {
        Count++;
        Matched |= condition;
        Pause = isAtOnce ? TimeSpan.Zero : asked is { } time ? Backoff.After(time, random) : _backoff.Next(random);
    }
}
