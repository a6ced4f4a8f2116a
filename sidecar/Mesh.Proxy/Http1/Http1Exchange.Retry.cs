using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Retry;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// Attempts after the first: whether there is one, what it needs, and what it leaves behind. A request without retries and limits of time passes by here with two checks for null.
internal sealed partial class Http1Exchange
{
    private RetryState? _retry; // while this request may be tried again
    private RequestTimer? _timer; // while its time is limited
    private RetryState? _spareRetry;
    private RequestTimer? _spareTimer;
    private KeptBody? _kept;
    private Pause? _pause;
    private List<Endpoint>? _tried;
    private List<Endpoint>? _attempted; // while retries may leave their priority: every endpoint so far
    private RequestPolicy? _policy; // of the route, while something of it is in use
    private Again _again;
    private bool _hasReplayed;
    private bool _holdsPlace;
    private bool _keepsBody;
    private bool _isQuietTimeout;

    /// <summary>What follows an attempt.</summary>
    private enum Again : byte
    {
        /// <summary>Nothing: the request is over.</summary>
        No,

        /// <summary>The same at once on another connection: this one had died in the pool.</summary>
        Replay,

        /// <summary>A retry by policy.</summary>
        Retry,

        /// <summary>The same at once at another endpoint: the breaker of the one chosen takes no call any more. Nothing has gone out.</summary>
        Beside,

        /// <summary>Another host gets it, by a Fallback.</summary>
        Elsewhere,
    }

    // Whose fields count: those of the own application; from elsewhere they are only taken away.
    private ReadOnlySpan<byte> RetriableNames => Side.IsInbound ? default : RetryHeaders.RetriableNames(_request.Headers);

    private bool IsRouteOver => _timer is { HasPassed: true, Passed: TimeLimit.Route };

    private void BeginPolicy(RequestPolicy? policy, long now)
    {
        ClusterConfig config = _cluster!.Config;
        RetryConfig? route = Side.IsInbound ? config.InboundRetry : policy?.Retry;
        RetryConfig? retry = route is { IsOff: true } ? null : route;
        bool hasWish = _request.Headers.HasControl && !Side.IsInbound;
        bool hasDeadline = _request.Headers.HasDeadline;
        bool hasTrials = HasTrials;
        if (!hasTrials && route is null && !hasWish && !hasDeadline && (policy?.Timeout ?? TimeSpan.Zero) == TimeSpan.Zero && config.WriteTimeout == TimeSpan.Zero
            && config.Shadow is not { WriteTimeout.Ticks: > 0 })
        {
            return;
        }

        if (hasDeadline)
        {
            ReadCallerDeadline();
        }

        _policy = policy;
        RetryWish wish = hasWish ? RetryHeaders.ReadWish(_request.Headers) : default;
        _isQuietTimeout = wish.HasQuietTimeout;
        BeginRetries(retry, wish);
        PlayRetries(route, wish);
        TimeSpan limit = CapByCaller(wish.Timeout ?? policy?.Timeout ?? TimeSpan.Zero, now);
        TimeSpan perTry = wish.PerTryTimeout ?? retry?.PerTryTimeout ?? TimeSpan.Zero;
        perTry = limit > TimeSpan.Zero && perTry >= limit ? TimeSpan.Zero : perTry; // as Envoy: a longer one can never pass
        TimeSpan shadowWrite = config.Shadow?.WriteTimeout ?? TimeSpan.Zero;
        if (limit > TimeSpan.Zero || perTry > TimeSpan.Zero || config.WriteTimeout > TimeSpan.Zero || shadowWrite > TimeSpan.Zero || hasTrials)
        {
            BeginTimer(limit, perTry, config.WriteTimeout, _request.Framing.Kind == BodyKind.None, now);
            _timer!.Watch(shadowWrite, shadowWrite > TimeSpan.Zero ? _cluster.Stats.NeededShadow : null);
        }
    }

    private void BeginRetries(RetryConfig? route, in RetryWish wish)
    {
        bool isAsked = ((route?.Conditions ?? RetryConditions.None) | wish.Conditions) != RetryConditions.None && (wish.MaxRetries ?? route?.Attempts ?? 1) > 0;
        if (!isAsked || (route is { LeavesToCaller: true } && RetryHeaders.IsMadeForAnother(_request.Headers)))
        {
            return;
        }

        _retry = _spareRetry ??= new RetryState(context.Runtime.Random);
        _retry.Begin(route, wish);
        _keepsBody = _request.Framing.Kind != BodyKind.None && RetryTable.NeedsBody(_retry.Conditions);
        if (_keepsBody)
        {
            _requestBody.Keep(_kept ??= new KeptBody(context.RetryMemory));
        }
    }

    private void BeginTimer(TimeSpan route, TimeSpan perTry, TimeSpan write, bool isComplete, long now)
    {
        _timer = _spareTimer?.Serves(_stop) == true ? _spareTimer : NewTimer();
        _timer.Begin(route, perTry, write, isComplete, now);
        _requestBody.Timer = _timer;
    }

    private RequestTimer NewTimer()
    {
        _spareTimer?.Dispose();
        return _spareTimer = new RequestTimer(context.Runtime.Time, _stop);
    }

    /// <summary>The request is over: gives back what retries and limits have taken.</summary>
    private void EndPolicy()
    {
        EndRetry();
        _requestBody.Keep(null);
        _responseBody.Keep(null);
        _requestBody.Timer = null;
        _tried?.Clear();
        if (_timer?.End() == false)
        {
            _stop = new CancellationTokenSource(); // the old one may be cancelled only now, when another request is served
        }

        _retry = null;
        _timer = null;
        _keepsBody = _isQuietTimeout = _hasReplayed = _isRouteTimeTheCallers = false;
        _callerDueAt = 0;
        _attempted = null;
    }

    /// <summary>No connection could be had: whether to try again.</summary>
    private Again AfterRent(in RentResult rent)
    {
        ResetReason reason = rent.Status switch
        {
            RentStatus.ConnectFailure => ResetReason.ConnectFailure,
            RentStatus.ConnectTimeout => ResetReason.ConnectTimeout,
            _ => ResetReason.Overflow,
        };
        bool mayRetry = _retry is not null && rent.Status is RentStatus.ConnectFailure or RentStatus.ConnectTimeout;
        if (!mayRetry || !TryAgain(_retry!.OnReset(reason, _outcome != RequestOutcome.NotSent)))
        {
            return Again.No;
        }

        Decided(rent.Decision with { Verdict = DecisionVerdict.Retried });
        return Again.Retry;
    }

    /// <summary>An attempt has brought no usable answer: counts what has happened, unless it was the client's fault, and decides whether to try again.</summary>
    private Again AfterFailure(UpstreamConnection upstream, CopyStatus request, ResponseFlag failure)
    {
        if (IsReplayable(upstream, request))
        {
            return Again.Replay;
        }

        if (_clientIsGone || IsTooLate || request is CopyStatus.Malformed or CopyStatus.SourceEnded)
        {
            if (IsTooLate && !_clientIsGone && request == CopyStatus.Done)
            {
                TellBreaker(BreakerFailures.Timeout, context.Limits.StreamIdle); // it has everything, and says nothing
            }

            return Again.No;
        }

        TimeLimit? limit = _timer is { HasPassed: true } ? _timer.Passed : null;
        CountFailure(upstream.Endpoint, failure, limit);
        ResetReason reason = limit is not null ? ResetReason.LocalReset
            : failure == ResponseFlag.UPE ? ResetReason.ProtocolError : ResetReason.ConnectionTermination;
        if (limit == TimeLimit.Route || _retry is null || !TryAgain(_retry.OnReset(reason, _outcome != RequestOutcome.NotSent)))
        {
            return Again.No;
        }

        Decided(FailureOf(upstream, failure).Decision with { Verdict = DecisionVerdict.Retried });
        return Again.Retry;
    }

    private void CountFailure(Endpoint endpoint, ResponseFlag failure, TimeLimit? limit)
    {
        ClusterStats stats = _cluster!.Stats;
        TellBreaker(limit is null ? BreakerFailures.Reset : BreakerFailures.Timeout, _record.UpstreamServiceTime ?? TimeSpan.Zero);
        if (limit is null)
        {
            _cluster.Record(endpoint, UpstreamOutcome.Reset, 0);
            stats.RqRxReset.Add();
            if (failure == ResponseFlag.UPE)
            {
                stats.CxProtocolError.Add();
            }

            return;
        }

        _cluster.Record(endpoint, UpstreamOutcome.Timeout, 0);
        stats.RqTxReset.Add();
        (limit switch
        {
            TimeLimit.Route => stats.RqTimeout,
            TimeLimit.PerTry => stats.RqPerTryTimeout,
            _ => stats.RqWriteTimeout,
        }).Add();
    }

    /// <summary>The head of an answer is there: whether to throw it away and try again.</summary>
    private bool RetriesAnswer()
    {
        RetryState retry = _retry!;
        int status = _response.Status;
        RetryConditions matched = status != 101 && retry.LooksInto(status)
            ? RetryHeaders.Decide(retry, _response, RetriableNames) : RetryConditions.None;
        if (matched == RetryConditions.None)
        {
            if (retry.Count > 0)
            {
                _cluster!.Stats.RqRetrySuccess.Add();
            }

            SettleRetries();
            return false;
        }

        TimeSpan? asked = retry.Config.MaxRetryAfter > TimeSpan.Zero ? RetryHeaders.RetryAfter(_response.Headers, context.Runtime.Time.GetUtcNow()) : null;
        bool isTooLong = asked > retry.Config.MaxRetryAfter; // coming back before it is wanted helps nobody: the caller is told instead
        if (isTooLong || !TryAgain(matched, asked, isAtOnce: status == 425))
        {
            SettleRetries();
            return false;
        }

        _cluster!.Stats.RetryRqByCode.Add(status);
        Decided(new DecisionRecord(DecisionReason.None) { Verdict = DecisionVerdict.Retried }, status);
        return true;
    }

    // The order of the gates is Envoy's (semantics 4.4), after those of our own.
    private bool TryAgain(RetryConditions condition, TimeSpan? asked = null, bool isAtOnce = false)
    {
        if (condition == RetryConditions.None || _clientIsGone || IsTooLate || IsRouteOver || !_requestBody.CanStartOver || IsShutOut)
        {
            return false;
        }

        if (_retry!.Config.IsOff)
        {
            CountShadowRetry(_retry.Config.Shadow!, 0, isRetried: false);
            return false;
        }

        int before = _retry.Count;
        bool isRetried = MayBeSentTwice(_retry.Config) && TakesRetry(condition, asked, isAtOnce);
        if (_retry.Config.Shadow is { } shadow)
        {
            CountShadowRetry(shadow, before, isRetried);
        }

        return isRetried;
    }

    private bool TakesRetry(RetryConditions condition, TimeSpan? asked, bool isAtOnce)
    {
        EndRetry(); // the place of the one before
        ClusterStats stats = _cluster!.Stats;
        if (!_retry!.TryTake())
        {
            stats.RqRetryLimitExceeded.Add();
            _record.AddFlag(ResponseFlag.URX);
            return false;
        }

        if (!_cluster.TryBeginRetry())
        {
            stats.RqRetryOverflow.Add();
            _record.AddFlag(ResponseFlag.UO);
            return false;
        }

        if (!HasTokenForRetry())
        {
            _cluster.EndRetry();
            return false;
        }

        _holdsPlace = true;
        _playsPlace = _cluster.EntersShadowRetry();
        stats.RqRetry.Add();
        stats.RetriesOn.Add(condition);
        _retry.Start(condition, asked, isAtOnce);
        _record.RetriedOn = _retry.Matched;
        return true;
    }

    // This answer is the one: it may take long, and nothing of the request is needed any more.
    private void SettleRetries()
    {
        EndRetry();
        if (_sent is not null || _sending.IsCompleted)
        {
            _keepsBody = false;
            _requestBody.Keep(null);
        }
    }

    private void EndRetry()
    {
        if (_holdsPlace)
        {
            _holdsPlace = false;
            _cluster!.EndRetry();
        }

        EndShadowRetry();
    }

    /// <summary>Readies the exchange for its next attempt; returns the pause before it.</summary>
    private TimeSpan PrepareNext()
    {
        _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
        if (_again == Again.Beside)
        {
            return TimeSpan.Zero;
        }

        if (_again == Again.Replay)
        {
            _hasReplayed = true;
            _cluster!.Stats.RqReplayed.Add();
            _requestBody.Reset();
            return TimeSpan.Zero;
        }

        if (_lastEndpoint is { } tried && _retry!.Config.AvoidsTriedHosts && _cluster!.Config.Hash is null) // a hash always leads to the same one
        {
            (_tried ??= []).Add(tried);
            _pick = _pick with { Tried = _tried };
        }

        if (_lastEndpoint is { } last && _retry!.Config.ReachesRemoteLocalities)
        {
            LeavePriorities(last);
        }

        _pick = _pick.Luck > 0 ? _pick with { Luck = 0 } : _pick; // who was let through before needs no more of it
        RenewTimer();
        _outcome = _outcome == RequestOutcome.Answered ? RequestOutcome.Unknown : _outcome; // of the next attempt nobody knows yet
        _pause ??= new Pause(context.Runtime.Time);
        return _retry!.Pause;
    }

    private void RenewTimer()
    {
        if (_timer is { HasPassed: true } passed && passed.Passed != TimeLimit.Route)
        {
            _spareTimer = null;
            _requestBody.Timer = _timer = NewTimer();
            _timer.ContinueAfter(passed);
            passed.Dispose();
        }
    }

    // Envoy's previous_priorities with Istio's update_frequency 2: after every second attempt those that were tried are left.
    private void LeavePriorities(Endpoint tried)
    {
        (_attempted ??= []).Add(tried);
        if (_attempted.Count % 2 == 0)
        {
            _pick = _pick with { LeftPriorities = [.. _attempted.Select(static e => e.Config.Priority).Distinct()] };
        }
    }

    // Ours: a rule may name the methods that do no harm when they come twice. What no upstream has seen does none.
    private bool MayBeSentTwice(RetryConfig config)
    {
        if (config.Methods.IsEmpty || _outcome == RequestOutcome.NotSent || _request.Headers.Find("idempotency-key"u8) >= 0)
        {
            return true;
        }

        foreach (string method in config.Methods)
        {
            if (Ascii.Equals(_request.Method, method))
            {
                return true;
            }
        }

        return false;
    }
}
