using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Mesh.ControlPlane.Kubernetes;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Access;

/// <summary>
/// Lets the API server judge the tokens of service accounts. A sidecar calls each second, so verdicts are remembered, by a hash of the token: good ones up to a minute, for so
/// long may a deleted pod still speak; bad ones for seconds. A good one is asked about again before its time is over, while it still holds. A token is asked about once however many
/// requests bear it, and few at a time: when all sidecars come back at once, the API server sees a queue. While it cannot judge, whoever was let in stays so for ten minutes at most
/// and never past the token's end, and others are asked to come again; a refusal holds at once.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Nobody waits for the semaphore by a handle, so it holds nothing to dispose.")]
internal sealed partial class TokenReviews : ICallerCheck
{
    /// <summary>Longest that a good verdict holds; the shortest is three quarters of it, so that those of one moment do not end in one moment.</summary>
    public static readonly TimeSpan LongestLife = TimeSpan.FromSeconds(60);

    /// <summary>Longest that a good verdict holds while nobody can judge.</summary>
    public static readonly TimeSpan LongestOutage = TimeSpan.FromMinutes(10);

    /// <summary>How long a bad verdict holds.</summary>
    public static readonly TimeSpan RefusalLife = TimeSpan.FromSeconds(5);

    /// <summary>Longest that a token waits for its turn, and then for its verdict.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Pause in which nobody is asked, after the API server could not judge.</summary>
    public static readonly TimeSpan Rest = TimeSpan.FromSeconds(1);

    /// <summary>Most tokens that wait for a verdict; whoever comes with yet another is asked to come again.</summary>
    public const int MostWaiting = 4_096;

    private const int MostGood = 16_384;
    private const int MostBad = 1_024;
    private const int MostAtOnce = 32;
    private static readonly TimeSpan Grace = 2 * Patience; // a caller of each second does not wait for a server that does not answer
    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(30);

    private readonly KubernetesClient _client;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly DoorStats _stats;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly Verdicts _good;
    private readonly Verdicts _bad;
    private readonly Dictionary<string, Task<CallerAnswer>> _underWay = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _turns = new(MostAtOnce);
    private (long Since, TimeSpan Length, string Problem)? _rest;
    private string _trouble = "";

    /// <summary>Nothing is asked yet.</summary>
    /// <param name="client">The cluster.</param>
    /// <param name="stats">Counters.</param>
    /// <param name="runtime">Clock, chance and log.</param>
    public TokenReviews(KubernetesClient client, DoorStats stats, (TimeProvider Time, Random Random, ILogger Log) runtime)
    {
        (_client, _stats) = (client, stats);
        (_time, _random, _log) = runtime;
        (_good, _bad) = (new Verdicts(MostGood, _time), new Verdicts(MostBad, _time));
    }

    /// <inheritdoc/>
    public string Wanted => $"the token of a service account for the audience {TokenReview.Audience}";

    /// <inheritdoc/>
    public async ValueTask<CallerAnswer> CheckAsync(string token, CancellationToken cancellationToken)
    {
        (string? problem, DateTimeOffset end) = TokenClaims.Read(token, TokenReview.Audience, _time.GetUtcNow());
        if (problem is not null)
        {
            return CallerAnswer.Unknown(problem);
        }

        string key = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        Task<CallerAnswer>? review;
        lock (_gate)
        {
            Verdict? good = _good.Find(key);
            TimeSpan age = good is null ? TimeSpan.Zero : _time.GetElapsedTime(good.Since);
            if ((good is not null && age < good.ReviewAt ? good : _bad.Find(key)) is { } known)
            {
                return known.Answer;
            }

            (review, CallerAnswer later) = ReviewLocked(key, token, end);
            if (good is not null && (age < good.FreshUntil || review is null))
            {
                return good.Answer; // the next one hears what comes of the review
            }

            if (review is null)
            {
                return later;
            }
        }

        return await review.WaitAsync(cancellationToken); // others may wait for the same verdict: who goes away does not end the question
    }

    /// <summary>The review that is under way, or a new one; or when to come again.</summary>
    private (Task<CallerAnswer>? Review, CallerAnswer Later) ReviewLocked(string key, string token, DateTimeOffset end)
    {
        if (_underWay.TryGetValue(key, out Task<CallerAnswer>? review))
        {
            return (review, default);
        }

        if (RestLocked() is { } rest)
        {
            return (null, rest);
        }

        if (_underWay.Count >= MostWaiting)
        {
            return (null, CallerAnswer.Later("too many tokens wait to be judged; come again", Rest));
        }

        return (_underWay[key] = ReviewAsync(key, token, end), default);
    }

    private CallerAnswer? RestLocked() =>
        _rest is { } rest && rest.Length - _time.GetElapsedTime(rest.Since) is { Ticks: > 0 } left ? CallerAnswer.Later(rest.Problem, left) : null;

    private async Task<CallerAnswer> ReviewAsync(string key, string token, DateTimeOffset end)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding); // out of the caller's lock
        CallerAnswer? answer = null;
        try
        {
            answer = await InTurnAsync(token);
        }
        finally
        {
            lock (_gate)
            {
                _underWay.Remove(key);
                answer = answer is { } found ? RememberLocked(key, found, end) : null;
            }
        }

        return answer!.Value;
    }

    /// <summary>Takes the answer to heart. When there is no judgement, who was let in before stays so.</summary>
    private CallerAnswer RememberLocked(string key, CallerAnswer answer, DateTimeOffset end)
    {
        if (answer.RetryAfter is { } pause)
        {
            if (_good.Find(key) is not { } kept)
            {
                return answer;
            }

            TimeSpan age = _time.GetElapsedTime(kept.Since);
            (kept.ReviewAt, kept.FreshUntil) = (age + pause, age + pause + Grace);
            return kept.Answer;
        }

        _good.Remove(key);
        if (answer.Caller is null)
        {
            _bad.Add(key, answer, RefusalLife);
            return answer;
        }

        TimeSpan left = end - _time.GetUtcNow();
        if (_good.Add(key, answer, left < LongestOutage ? left : LongestOutage) is { } verdict)
        {
            verdict.FreshUntil = LongestLife * (1 - (_random.NextDouble() / 4));
            verdict.ReviewAt = verdict.FreshUntil * 0.75;
        }

        return answer;
    }

    /// <summary>Asks when it is the token's turn. That the queue is long says nothing of the API server.</summary>
    private async Task<CallerAnswer> InTurnAsync(string token)
    {
        using CancellationTokenSource late = new(Patience, _time);
        try
        {
            await _turns.WaitAsync(late.Token);
        }
        catch (OperationCanceledException)
        {
            return CallerAnswer.Later("many tokens wait to be judged; come again", Rest);
        }

        try
        {
            CallerAnswer? rest;
            lock (_gate)
            {
                rest = RestLocked();
            }

            return rest ?? await AskAsync(token);
        }
        finally
        {
            _turns.Release();
        }
    }

    private async Task<CallerAnswer> AskAsync(string token)
    {
        using CancellationTokenSource late = new(Patience, _time);
        CallerAnswer verdict;
        try
        {
            using ApiAnswer answer = await _client.SendAsync(HttpMethod.Post, TokenReview.Path, TokenReview.Of(token), "application/json", late.Token);
            verdict = answer.Failure is { } failure ? Failed(failure) : Judged(TokenReview.Read(answer.Object));
        }
        catch (OperationCanceledException)
        {
            verdict = Failed(ApiFailure.Unreachable($"no verdict within {Patience.TotalSeconds:0} s"));
        }

        _stats.CountReview(isJudged: verdict.RetryAfter is null);
        return verdict;
    }

    private CallerAnswer Judged(CallerAnswer answer)
    {
        lock (_gate)
        {
            _rest = null;
            _trouble = "";
        }

        return answer;
    }

    private CallerAnswer Failed(ApiFailure failure)
    {
        if (failure.Kind == FailureKind.Refused)
        {
            return CallerAnswer.Unknown($"the API server does not look at the token: {failure.Message}");
        }

        string problem = $"the API server cannot judge the token now: {failure.Message}; come again";
        TimeSpan pause = failure.RetryAfter is { } asked && asked > Rest ? asked < LongestRest ? asked : LongestRest : Rest;
        bool isNew;
        lock (_gate)
        {
            _rest = (_time.GetTimestamp(), pause, problem);
            isNew = _trouble != failure.Message;
            _trouble = failure.Message;
        }

        if (isNew)
        {
            LogTrouble(failure.Message);
        }

        return CallerAnswer.Later(problem, pause);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Tokens of sidecars cannot be judged: {Problem}; who was let in stays so for ten minutes at most, and it is tried again")]
    private partial void LogTrouble(string problem);
}
