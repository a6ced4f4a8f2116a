using Mesh.Proxy.Retry;
using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// What a route says of retries and of time, from its beginning to its end. A request without either passes by here with a few checks for null.
internal sealed partial class Http1Exchange
{
    private RequestPolicy? _policy; // of the route, while something of it is in use
    private RequestTimer? _timer; // while its time is limited
    private RequestTimer? _spareTimer;
    private KeptBody? _kept;
    private bool _keepsBody;
    private bool _isQuietTimeout;

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
}
