using System.IO.Pipelines;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.RateLimits;

/// <summary>
/// One rate limit of one upstream: a bucket, or one for each key, and the requests that wait. Time is an argument. Thread-safe by one short lock, under which nobody is called
/// but timers.
/// </summary>
internal sealed partial class RateLimiter
{
    private const string MaxWaitField = "whenExceeded.wait.maxWait";

    private readonly Lock _gate = new();
    private readonly long _frequency;
    private readonly RateLimitStats _stats;
    private volatile RateLimitConfig _config;
    private volatile NamedMatcher[] _headers;
    private readonly TimeProvider _time;
    private OpeningTimes? _hours;
    private PlanWindow? _plan;
    private TokenLine? _only; // without a key
    private KeyedLines? _keyed;

    /// <summary>A limiter whose buckets are full.</summary>
    /// <param name="config">Its rule.</param>
    /// <param name="frequency">Timestamps a second.</param>
    /// <param name="stats">Where it counts.</param>
    /// <param name="time">Clock on the wall, for allowed hours.</param>
    /// <param name="isAlone">There is no control plane, and so nobody to share with.</param>
    public RateLimiter(RateLimitConfig config, long frequency, RateLimitStats stats, TimeProvider time, bool isAlone = false)
    {
        (_config, _frequency, _stats, _time, _isAlone) = (config, frequency, stats, time, isAlone);
        _hours = HoursOf(config);
        _headers = MatchersOf(config);
        FillLocked(config);
    }

    /// <summary>Rule in force.</summary>
    public RateLimitConfig Config => _config;

    /// <summary>Whether a request without a token may wait for one.</summary>
    public bool LetsWait => _config is { MaxQueue: > 0, IsShadow: false };

    /// <summary>What the plan still lets through in its window; null without a plan.</summary>
    public int? PlanLeft(long now)
    {
        lock (_gate)
        {
            return _plan?.LeftAt(now);
        }
    }

    /// <summary>Whether requests with these header fields count.</summary>
    public bool Counts(IHeaderFields headers)
    {
        foreach (NamedMatcher matcher in _headers)
        {
            if (!matcher.FitsHeader(headers))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Puts another rule in force. Buckets stay unless rate, burst or key changed, and what is left of a plan unless the plan did; who waits keeps its place.</summary>
    public void Update(RateLimitConfig next)
    {
        lock (_gate)
        {
            RateLimitConfig former = _config;
            _config = next;
            _headers = MatchersOf(next);
            _hours = next.AllowedHours == _hours?.Hours ? _hours : HoursOf(next);
            if (!next.HasBucketsOf(former))
            {
                FillLocked(next);
            }
        }
    }

    /// <summary>Takes a token for a request.</summary>
    /// <param name="key">What it is told apart by; does not count for a limit without keys.</param>
    /// <param name="now">Timestamp.</param>
    /// <param name="place">Where it may wait; null when it may not. After <see cref="LimitAnswer.Waits"/> its owner leaves it, once.</param>
    public LimitVerdict Take(ReadOnlySpan<byte> key, long now, LinePlace? place)
    {
        RateLimitConfig config;
        LimitVerdict verdict;
        lock (_gate)
        {
            config = _config;
            TokenLine line = LineLocked(key, now);
            verdict = TakeLocked(config, line, now, config.IsShadow ? null : place);
            if (!verdict.IsClosed)
            {
                _sharedKeys?.Note(key, line, verdict.Answer == LimitAnswer.Passes, now);
            }
        }

        if (verdict.Answer != LimitAnswer.Refused)
        {
            (verdict.Answer == LimitAnswer.Waits ? _stats.Waited : _stats.Ok).Add();
            return verdict;
        }

        (config.IsShadow ? _stats.ShadowLimited : _stats.Limited).Add();
        return config.IsShadow ? verdict with { Answer = LimitAnswer.Passes } : verdict;
    }

    /// <summary>Gives a token back that a request took at once and has no use for: another limit has refused it. Who waits moves up.</summary>
    /// <param name="key">As it was for <see cref="Take"/>.</param>
    /// <param name="now">Timestamp.</param>
    public void GiveBack(ReadOnlySpan<byte> key, long now)
    {
        lock (_gate)
        {
            LineLocked(key, now).Return(now);
            _plan?.GiveBack();
        }

        _stats.Returned.Add();
    }

    /// <summary>Its rule is gone: what it shows in gauges goes. Who waits does so to the end.</summary>
    public void Retire()
    {
        lock (_gate)
        {
            _stats.Keys.Add(-(_keyed?.Count ?? 0));
        }
    }

    /// <summary>Waits in <paramref name="place"/>, on an event loop, until its token is there, <paramref name="stop"/> or somebody ends it.</summary>
    public ValueTask WaitAsync(LinePlace place, long now, PipeScheduler? loop, CancellationToken stop)
    {
        lock (_gate) // who moves it up must find the wait begun, or not yet
        {
            return place.Pause.WaitAsync(Time(place.EndsAt - now), loop, stop);
        }
    }

    /// <summary>When the token of a place is there, as a timestamp.</summary>
    public long DueAt(LinePlace place)
    {
        lock (_gate)
        {
            return place.GoesAt;
        }
    }

    /// <summary>The refusal of who has waited for as long as one may: its token was due in time, and then a smaller share put it off.</summary>
    public LimitVerdict PutOff(LinePlace place, long now)
    {
        lock (_gate)
        {
            long longest = (long)Time(place.LeavesAt - place.JoinedAt).TotalMilliseconds;
            long wait = (long)Math.Ceiling(Time(place.GoesAt - place.JoinedAt).TotalMilliseconds);
            return new LimitVerdict(LimitAnswer.Refused, MaxWaitField, longest, wait, Time(place.GoesAt - now), _share is not null);
        }
    }

    /// <summary>The wait is over.</summary>
    /// <param name="place">The place.</param>
    /// <param name="hasToken">The token was there and is used; else those behind move up.</param>
    public void Leave(LinePlace place, bool hasToken)
    {
        lock (_gate)
        {
            place.Line!.Leave(place, hasToken);
            if (!hasToken)
            {
                _plan?.GiveBack();
            }
        }

        _stats.Waiting.Add(-1);
        if (hasToken)
        {
            _stats.Ok.Add();
        }
    }

    private static NamedMatcher[] MatchersOf(RateLimitConfig config) => [.. config.Headers.Select(static h => new NamedMatcher(h))];

    private OpeningTimes? HoursOf(RateLimitConfig config) => config.AllowedHours is { } hours ? new OpeningTimes(hours, _time) : null;

    // Outside the allowed hours tokens are taken of the time at which they begin.
    private LimitVerdict TakeLocked(RateLimitConfig config, TokenLine line, long now, LinePlace? place)
    {
        long from = _hours?.OpensAt(now) ?? now;
        bool hasRoom = place is not null && line.Length < config.MaxQueue;
        long longest = hasRoom ? Timestamps(config.MaxWait) : 0;
        if (from - now > longest)
        {
            return new LimitVerdict(LimitAnswer.Refused, "allowedHours", RetryAfter: Time(from - now)) { IsClosed = true };
        }

        _asked.Count();
        if (_plan?.Advance(from, now) == true)
        {
            ChangeLocked(line, _plan.Rate, now);
        }

        if (_plan?.Left == 0)
        {
            return PlanRefusal(_plan, Time(_plan.EndsAt - now));
        }

        if (line.Bucket.TryTake(from, longest - (from - now), out long dueAt))
        {
            _plan?.Take();
            if (dueAt <= now)
            {
                return default;
            }

            (place!.NotBefore, place.JoinedAt, place.LeavesAt) = (from, now, now + longest);
            line.Join(place, dueAt);
            _stats.Waiting.Add();
            return new LimitVerdict(LimitAnswer.Waits);
        }

        TimeSpan wait = Time(dueAt - now);
        return place is null && _plan is not null ? PlanRefusal(_plan, wait)
            : place is null ? new LimitVerdict(LimitAnswer.Refused, RateLimitConfig.TokensField, line.Bucket.Rate.Tokens, line.Bucket.Count(now), wait, _share is not null)
            : hasRoom ? new LimitVerdict(LimitAnswer.Refused, MaxWaitField, (long)config.MaxWait.TotalMilliseconds, (long)Math.Ceiling(wait.TotalMilliseconds), wait, _share is not null)
            : new LimitVerdict(LimitAnswer.Refused, "whenExceeded.wait.maxQueue", config.MaxQueue, line.Length, wait, _share is not null);
    }

    private static LimitVerdict PlanRefusal(PlanWindow plan, TimeSpan wait) => new(LimitAnswer.Refused, PlanConfig.TotalField, plan.Total, plan.Total - plan.Left, wait);

    private TokenLine LineLocked(ReadOnlySpan<byte> key, long now)
    {
        if (_keyed is not { } keyed)
        {
            return _only!;
        }

        int before = keyed.Count;
        TokenLine line = keyed.Get(key, out TokenLine? evicted);
        if (evicted is not null)
        {
            _stats.Evicted.Add();
            ForgetLocked(evicted);
        }

        if (line.Shared is null && line.Bucket.Rate != keyed.Rate)
        {
            ChangeLocked(line, keyed.Rate, line.Length > 0 ? now : keyed.RateSince); // the part has changed since the key was last seen
        }

        if (keyed.Count != before)
        {
            _stats.Keys.Add(keyed.Count - before);
        }

        return line;
    }

    private void FillLocked(RateLimitConfig config)
    {
        TokenRate tokens = ShareLocked(config);
        _plan = config.Plan is null ? null : new PlanWindow(config, _time, _frequency, _plan);
        TokenRate rate = _plan?.Rate ?? tokens;
        bool hasKey = config.KeySource != RateLimitKeySource.None;
        _stats.Keys.Add(-(_keyed?.Count ?? 0));
        _only = hasKey ? null : new TokenLine(rate);
        _keyed = hasKey ? new KeyedLines(rate, config.MaxKeys) : null;
        _sharedKeys = hasKey && config.IsMesh && !_isAlone ? new SharedKeys(config, _frequency, _sharedKeys?.LastEpoch ?? 0) : null;
    }

    private long Timestamps(TimeSpan time) => (long)((Int128)time.Ticks * _frequency / TimeSpan.TicksPerSecond);

    // Rounded up: who comes back then finds a token.
    private TimeSpan Time(long timestamps) => new((long)((((Int128)timestamps * TimeSpan.TicksPerSecond) + _frequency - 1) / _frequency));
}
