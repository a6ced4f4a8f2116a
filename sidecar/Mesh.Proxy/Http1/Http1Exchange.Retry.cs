using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Retry;
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
    private RequestPolicy _policy;
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
    }

    private bool IsRouteOver => _timer is { HasPassed: true, Passed: TimeLimit.Route };

    private void BeginPolicy(in RequestPolicy policy, long now)
    {
        // The wishes of a request count when they come from the own application; from elsewhere they are only taken away.
        bool hasWish = _request.Headers.HasControl && !Side.IsInbound;
        TimeSpan write = _cluster!.Config.WriteTimeout;
        if (policy.Retry is null && policy.Timeout == TimeSpan.Zero && write == TimeSpan.Zero && !hasWish)
        {
            return;
        }

        _policy = policy;
        RetryWish wish = hasWish ? ReadWish() : default;
        _isQuietTimeout = wish.HasQuietTimeout;
        BeginRetries(policy.Retry, wish);
        TimeSpan route = wish.Timeout ?? policy.Timeout;
        TimeSpan perTry = wish.PerTryTimeout ?? policy.Retry?.PerTryTimeout ?? TimeSpan.Zero;
        perTry = route > TimeSpan.Zero && perTry >= route ? TimeSpan.Zero : perTry; // as Envoy: a longer one can never pass
        if (route > TimeSpan.Zero || perTry > TimeSpan.Zero || write > TimeSpan.Zero)
        {
            _timer = _spareTimer?.Serves(_stop) == true ? _spareTimer : NewTimer();
            _timer.Begin(route, perTry, write, _request.Framing.Kind == BodyKind.None, now);
            _requestBody.Timer = _timer;
        }
    }

    private void BeginRetries(RetryConfig? route, in RetryWish wish)
    {
        bool isAsked = ((route?.Conditions ?? RetryConditions.None) | wish.Conditions) != RetryConditions.None && (wish.MaxRetries ?? route?.Attempts ?? 1) > 0;
        if (!isAsked || (route is { LeavesToCaller: true } && IsRetryOfCaller()))
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

    private RetryWish ReadWish()
    {
        RetryWish wish = default;
        HeaderBlock headers = _request.Headers;
        for (int i = headers.Find(KnownHeader.EnvoyControl); i >= 0; i = headers.Find(KnownHeader.EnvoyControl, i + 1))
        {
            wish = wish.With(headers.Name(i)["x-envoy-".Length..], headers.Value(i));
        }

        return wish;
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
        _requestBody.Timer = null;
        _tried?.Clear();
        if (_timer?.End() == false)
        {
            _stop = new CancellationTokenSource(); // the old one may be cancelled only now, when another request is served
        }

        _retry = null;
        _timer = null;
        _keepsBody = _isQuietTimeout = _hasReplayed = false;
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
        return mayRetry && TryAgain(_retry!.OnReset(reason, _outcome != RequestOutcome.NotSent)) ? Again.Retry : Again.No;
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
            return Again.No;
        }

        TimeLimit? limit = _timer is { HasPassed: true } ? _timer.Passed : null;
        CountFailure(upstream.Endpoint, failure, limit);
        ResetReason reason = limit is not null ? ResetReason.LocalReset
            : failure == ResponseFlag.UPE ? ResetReason.ProtocolError : ResetReason.ConnectionTermination;
        return limit != TimeLimit.Route && _retry is not null && TryAgain(_retry.OnReset(reason, _outcome != RequestOutcome.NotSent)) ? Again.Retry : Again.No;
    }

    private void CountFailure(Endpoint endpoint, ResponseFlag failure, TimeLimit? limit)
    {
        ClusterStats stats = _cluster!.Stats;
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
        RetryConditions matched = status != 101 && retry.LooksInto(status) ? retry.OnAnswer(FactsOf(status)) : RetryConditions.None;
        if (matched == RetryConditions.None)
        {
            if (retry.Count > 0)
            {
                _cluster!.Stats.RqRetrySuccess.Add();
            }

            EndRetry();
            return false;
        }

        TimeSpan? asked = retry.Config.MaxRetryAfter > TimeSpan.Zero ? RetryAfter() : null;
        bool isTooLong = asked > retry.Config.MaxRetryAfter; // coming back before it is wanted helps nobody: the caller is told instead
        if (isTooLong || !TryAgain(matched, asked, isAtOnce: status == 425))
        {
            EndRetry();
            return false;
        }

        _cluster!.Stats.RetryRqByCode.Add(status);
        return true;
    }

    // The order of the gates is Envoy's (semantics 4.4), after those of our own.
    private bool TryAgain(RetryConditions condition, TimeSpan? asked = null, bool isAtOnce = false)
    {
        if (condition == RetryConditions.None || _clientIsGone || IsTooLate || IsRouteOver || !_requestBody.CanStartOver || !MayBeSentTwice())
        {
            return false;
        }

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

        _holdsPlace = true;
        stats.RqRetry.Add();
        stats.RetriesOn.Add(condition);
        _retry.Start(condition, asked, isAtOnce);
        _record.RetriedOn = _retry.Matched;
        return true;
    }

    private void EndRetry()
    {
        if (_holdsPlace)
        {
            _holdsPlace = false;
            _cluster!.EndRetry();
        }
    }

    /// <summary>Readies the exchange for its next attempt; returns the pause before it.</summary>
    private TimeSpan PrepareNext(Endpoint? tried)
    {
        _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
        if (_again == Again.Replay)
        {
            _hasReplayed = true;
            _cluster!.Stats.RqReplayed.Add();
            _requestBody.Reset();
            return TimeSpan.Zero;
        }

        if (tried is not null && _retry!.Config.AvoidsTriedHosts)
        {
            (_tried ??= []).Add(tried);
        }

        if (_timer is { HasPassed: true } passed && passed.Passed != TimeLimit.Route)
        {
            _spareTimer = null;
            _requestBody.Timer = _timer = NewTimer();
            _timer.ContinueAfter(passed);
            passed.Dispose();
        }

        _outcome = _outcome == RequestOutcome.Answered ? RequestOutcome.Unknown : _outcome; // of the next attempt nobody knows yet
        _pause ??= new Pause(context.Runtime.Time);
        return _retry!.Pause;
    }

    // Ours: a rule may name the methods that do no harm when they come twice. What no upstream has seen does none.
    private bool MayBeSentTwice()
    {
        RetryConfig config = _retry!.Config;
        if (config.Methods.IsEmpty || _outcome == RequestOutcome.NotSent || HasField(_request.Headers, "idempotency-key"u8))
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

    private bool IsRetryOfCaller()
    {
        int at = _request.Headers.Find(KnownHeader.EnvoyAttemptCount);
        return at >= 0 && Utf8Parser.TryParse(_request.Headers.Value(at), out int attempt, out _) && attempt > 1;
    }

    private AnswerFacts FactsOf(int status)
    {
        HeaderBlock headers = _response.Headers;
        RetryConditions conditions = _retry!.Conditions;
        int grpc = (conditions & RetryTable.Grpc) != 0 ? FindField(headers, "grpc-status"u8) : -1;
        return new AnswerFacts(
            status,
            HasField(headers, "x-envoy-ratelimited"u8),
            (conditions & RetryConditions.RetriableHeaders) != 0 && HasRetriableHeader(headers),
            grpc >= 0 && Utf8Parser.TryParse(headers.Value(grpc), out int code, out _) ? code : -1);
    }

    private bool HasRetriableHeader(HeaderBlock answer)
    {
        int at = FindField(_request.Headers, "x-envoy-retriable-header-names"u8);
        ReadOnlySpan<byte> names = at < 0 || Side.IsInbound ? default : _request.Headers.Value(at);
        foreach (Range part in names.Split((byte)','))
        {
            if (HasField(answer, names[part].Trim(" \t"u8)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>What Retry-After says: seconds, or a date. Null when there is none that can be read.</summary>
    private TimeSpan? RetryAfter()
    {
        int at = FindField(_response.Headers, "retry-after"u8);
        ReadOnlySpan<byte> text = at < 0 ? default : _response.Headers.Value(at);
        if (Utf8Parser.TryParse(text, out uint seconds, out int used) && used == text.Length)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        if (!DateTimeOffset.TryParseExact(
            Encoding.ASCII.GetString(text), "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset until))
        {
            return null;
        }

        TimeSpan left = until - context.Runtime.Time.GetUtcNow();
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private static bool HasField(HeaderBlock headers, ReadOnlySpan<byte> name) => FindField(headers, name) >= 0;

    private static int FindField(HeaderBlock headers, ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < headers.Count; i++)
        {
            if (KnownHeaders.Is(headers.Name(i), name))
            {
                return i;
            }
        }

        return -1;
    }
}
