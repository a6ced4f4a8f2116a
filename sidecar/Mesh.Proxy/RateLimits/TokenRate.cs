using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.RateLimits;

/// <summary>
/// What the buckets of one limit have in common. Times are counted in parts of a timestamp so small that a token takes a whole number of them: sums are exact however long
/// they run. Immutable.
/// </summary>
internal sealed class TokenRate
{
    private readonly Int128 _perTimestamp;

    /// <summary>Rate and size of a limit.</summary>
    /// <param name="tokens">Tokens that come in each <paramref name="interval"/>.</param>
    /// <param name="interval">Time in which they come.</param>
    /// <param name="burst">Most tokens that a bucket holds.</param>
    /// <param name="frequency">Timestamps a second.</param>
    public TokenRate(int tokens, TimeSpan interval, int burst, long frequency)
        : this((Int128)tokens * TimeSpan.TicksPerSecond, tokens, interval, burst, frequency)
    {
    }

    private TokenRate(Int128 perTimestamp, int tokens, TimeSpan interval, int burst, long frequency)
    {
        _perTimestamp = perTimestamp;
        PerToken = (Int128)interval.Ticks * frequency;
        Full = PerToken * burst;
        (Tokens, Burst) = (tokens, burst);
    }

    /// <summary>The same of a rule.</summary>
    public TokenRate(RateLimitConfig config, long frequency)
        : this(config.Tokens, config.Interval, config.Burst, frequency)
    {
    }

    /// <summary>The same of a share of a rule's tokens; of its burst the same part, and one token at least.</summary>
    public static TokenRate OfShare(RateLimitConfig config, int share, long frequency) =>
        new(share, config.Interval, (int)Math.Max(1, (long)config.Burst * share / config.Tokens), frequency);

    /// <summary>The rate of a plan of which so much is left: the slower of that and the rule's own. Parts are always those of the plan's window, so that one can take the place of another.</summary>
    /// <param name="config">The rule.</param>
    /// <param name="left">Tokens that are left.</param>
    /// <param name="time">Time that is left.</param>
    /// <param name="frequency">Timestamps a second.</param>
    public static TokenRate OfPlan(RateLimitConfig config, int left, TimeSpan time, long frequency)
    {
        PlanConfig plan = config.Plan!;
        Int128 perTick = (Int128)plan.Window.Ticks * TimeSpan.TicksPerSecond;
        Int128 rate = Int128.Min(Math.Max(1, left) * perTick / time.Ticks, config.Tokens * perTick / config.Interval.Ticks);
        return new TokenRate(rate, plan.Total, plan.Window, config.Burst, frequency);
    }

    /// <summary>Tokens of an interval, at the even rate of a plan.</summary>
    public int Tokens { get; }

    /// <summary>Most that a bucket holds.</summary>
    public int Burst { get; }

    /// <summary>Time in which a token comes.</summary>
    public Int128 PerToken { get; }

    /// <summary>Time in which an empty bucket fills.</summary>
    public Int128 Full { get; }

    /// <summary>A timestamp in parts.</summary>
    public Int128 Parts(long timestamp) => timestamp * _perTimestamp;

    /// <summary>The first timestamp that is not before <paramref name="parts"/>.</summary>
    public long Timestamp(Int128 parts) => (long)((parts + _perTimestamp - 1) / _perTimestamp);
}
