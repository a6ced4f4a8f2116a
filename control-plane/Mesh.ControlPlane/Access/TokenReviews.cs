using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Mesh.ControlPlane.Kubernetes;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Access;

/// <summary>
/// Lets the API server judge the tokens of service accounts. A sidecar calls each second, so verdicts are remembered, by a hash of the token: good ones up to a minute, for so
/// long may a deleted pod still speak; bad ones for seconds. A token is asked about once however many requests bear it, and few at a time: when all
/// sidecars come back at once, the API server sees a queue. While it is away, whoever was let in stays so until the minute is over, and others are asked to come again.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "Nobody waits for the semaphore by a handle, so it holds nothing to dispose.")]
internal sealed partial class TokenReviews : ICallerCheck
{
    /// <summary>Longest that a good verdict holds; the shortest is three quarters of it, so that those of one moment do not end in one moment.</summary>
    public static readonly TimeSpan LongestLife = TimeSpan.FromSeconds(60);

    /// <summary>How long a bad verdict holds.</summary>
    public static readonly TimeSpan RefusalLife = TimeSpan.FromSeconds(5);

    /// <summary>Longest that a request waits for a verdict.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Pause in which nobody is asked, after the API server could not judge.</summary>
    public static readonly TimeSpan Rest = TimeSpan.FromSeconds(1);

    /// <summary>Most tokens that wait for a verdict; whoever comes with yet another is asked to come again.</summary>
    public const int MostWaiting = 4_096;

    private const int MostGood = 16_384;
    private const int MostBad = 1_024;
    private const int MostAtOnce = 32;
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
        if (!TokenClaims.IsWellFormed(token))
        {
            return CallerAnswer.Unknown("the token is none of a service account");
        }

        string key = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        Task<CallerAnswer>? review;
        lock (_gate)
        {
            if ((_good.Find(key) ?? _bad.Find(key)) is { } known)
            {
                return known;
            }

            if (!_underWay.TryGetValue(key, out review))
            {
                if (_rest is { } rest && rest.Length - _time.GetElapsedTime(rest.Since) is { Ticks: > 0 } left)
                {
                    return CallerAnswer.Later(rest.Problem, left);
                }

                if (_underWay.Count >= MostWaiting)
                {
                    return CallerAnswer.Later("too many tokens wait to be judged; come again", Rest);
                }

                review = ReviewAsync(key, token);
                _underWay[key] = review;
            }
        }

        return await review.WaitAsync(cancellationToken); // others may wait for the same verdict: who goes away does not end the question
    }

    private async Task<CallerAnswer> ReviewAsync(string key, string token)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding); // out of the caller's lock
        CallerAnswer? answer = null;
        try
        {
            answer = await AskAsync(token);
            _stats.CountReview(isJudged: answer.Value.RetryAfter is null);
            return answer.Value;
        }
        finally
        {
            lock (_gate)
            {
                _underWay.Remove(key);
                RememberLocked(key, token, answer);
            }
        }
    }

    private void RememberLocked(string key, string token, CallerAnswer? answer)
    {
        if (answer is { Caller: not null })
        {
            TimeSpan life = LongestLife * (1 - (_random.NextDouble() / 4));
            TimeSpan left = TokenClaims.End(token) is { } end ? end - _time.GetUtcNow() : life;
            _good.Add(key, answer.Value, left < life ? left : life);
        }
        else if (answer is { RetryAfter: null })
        {
            _bad.Add(key, answer.Value, RefusalLife);
        }
    }

    private async Task<CallerAnswer> AskAsync(string token)
    {
        using CancellationTokenSource late = new(Patience, _time);
        try
        {
            await _turns.WaitAsync(late.Token);
            try
            {
                using ApiAnswer answer = await _client.SendAsync(HttpMethod.Post, TokenReview.Path, TokenReview.Of(token), "application/json", late.Token);
                return answer.Failure is { } failure ? Failed(failure) : Judged(TokenReview.Read(answer.Object));
            }
            finally
            {
                _turns.Release();
            }
        }
        catch (OperationCanceledException)
        {
            return Failed(ApiFailure.Unreachable($"no verdict within {Patience.TotalSeconds:0} s"));
        }
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "Tokens of sidecars cannot be judged: {Problem}; who was let in stays so for at most a minute, and it is tried again")]
    private partial void LogTrouble(string problem);
}
