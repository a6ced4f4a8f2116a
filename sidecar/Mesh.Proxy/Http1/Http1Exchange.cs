using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Upstream;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Http1;

/// <summary>
/// One request's life, read from top to bottom: head, route, connection, request out, answer back, record. Borrowed from an <see cref="ExchangePool"/> for
/// one request at a time. Only <see cref="OnDeadline"/> and the end of the client's connection come from other threads.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The source has no timer and no handle; it lives as long as the exchange, or until it was cancelled.")]
internal sealed partial class Http1Exchange(ProxyContext context, MirrorSender mirrorSender)
{
    /// <summary>Bodies up to this are read and dropped after a refusal, so that the connection can go on.</summary>
    private const long MaxSwallowedBytes = 64 * 1024;

    private readonly HeadReader _head = new(context.Http1Limits, isRequest: true);
    private readonly RequestHead _request = new(context.Http1Limits);
    private readonly ResponseHead _response = new(context.Http1Limits);
    private readonly HeadReader _answer = new(context.Http1Limits, isRequest: false);
    private readonly BodyCopier _requestBody = new(context.Http1Limits);
    private readonly BodyCopier _responseBody = new(context.Http1Limits);
    private readonly ExchangeRecord _record = new(context);
    private CancellationTokenSource _stop = new();
    private CancellationTokenRegistration _gone; // set while the end of the client's connection ends the exchange
    private Http1ServerConnection _client = null!; // from Attach to Detach
    private Cluster? _cluster;
    private UpstreamConnection? _upstream;
    private Endpoint? _lastEndpoint; // of the last attempt
    private RentResult _lastRent; // of the last attempt that got no connection
    private PickContext _pick;
    private ValueTask<CopyStatus> _sending;
    private CopyStatus? _sent;
    private BodyFraming _answerFraming;
    private RequestOutcome _outcome;
    private int _attempt;
    private bool _isInterimPassed;
    private bool _isServing;
    private volatile bool _isAnswering;
    private volatile bool _clientIsGone;

    private ConnectionContext Down => _client.Connection;

    private ListenerSide Side => _client.Side;

    private bool IsTooLate => _client.Deadline.HasPassed;

    /// <summary>Takes the next request of <paramref name="client"/>.</summary>
    public void Attach(Http1ServerConnection client)
    {
        _client = client;
        _cluster = null;
        _upstream = null;
        _sent = null;
        _newCookie = null;
        _requestEdits = null;
        _responseEdits = null;
        _mirrors = null;
        _failed = null;
        _outcome = RequestOutcome.NotSent;
        _attempt = _transactionLength = 0;
        _again = Again.No;
        _isInterimPassed = _isAnswering = _clientIsGone = _isServedAside = false;
        _requestBody.Reset();
        _responseBody.Reset();
        _requestBody.Activity = _responseBody.Activity = client.Deadline;
        if (_stop.IsCancellationRequested)
        {
            _stop = new CancellationTokenSource();
        }
    }

    /// <summary>Forgets the client: an exchange that waits keeps nothing alive.</summary>
    public void Detach()
    {
        _client = null!;
        _cluster = null;
        _lastEndpoint = null;
        _lastRent = default;
        _pick = default;
        _failed = _elsewhere = null;
        _elsewhereEdits = null;
        _keeper = null;
        _instead = default;
        _requestBody.Activity = _responseBody.Activity = null;
    }

    /// <summary>Serves the request whose first byte is there. True when the client connection can carry another.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    public async ValueTask<bool> RunAsync()
    {
        _record.Begin(_client);
        try
        {
            HeadStatus status;
            do
            {
                status = await _head.ReadAsync(Down.Transport.Input);
            }
            while (status == HeadStatus.Cancelled && !IsTooLate); // woken by a drain: what has begun is served

            if (status is HeadStatus.Ended or HeadStatus.Truncated)
            {
                Side.Stats.CxProtocolError.Add();
                return false;
            }

            BeginServing();
            bool goesOn = await (status == HeadStatus.Ok ? ServeAsync() : RefuseHeadAsync(status));
            return _client.Deadline.Clear() && goesOn;
        }
        finally
        {
            _head.Release();
            EndServing();
        }
    }

    /// <summary>
    /// Nothing has moved for too long: wakes whatever waits. Called at most once, when the deadline has passed for ever, so that what is aborted here is
    /// nobody else's yet.
    /// </summary>
    public void OnDeadline()
    {
        _requestBody.Stop(Down.Transport.Input);
        _stop.Cancel();
        _upstream?.Abort();
        if (_isAnswering)
        {
            Down.Abort(new ConnectionAbortedException("The request stood still for too long."));
        }
    }

    // What is decided at once stands in plain methods: a request carries little through its waits.
    private ValueTask<bool> ServeAsync()
    {
        _record.WireBytesReceived = _head.Length;
        HeadError parsed = _request.TryParse(_head.Bytes, _head.Length);
        if (parsed != HeadError.None)
        {
            return RefuseAsync(ProxyErrors.BadRequest(HeadErrors.StatusCode(parsed), HeadErrors.Details(parsed)), goesOn: false);
        }

        _record.Describe(_request);
        if (context.AsyncReplies.IsInUse && !Side.IsInbound && GoesAside(out ValueTask<bool> answered))
        {
            return answered;
        }

        RouteChoice? choice = Router.Choose(context, Side, _request, out RouteMatch? match);
        if (choice is null)
        {
            ProxyError error = Router.Refusal(context, Side, _request, out string? routeName);
            _record.RouteName = routeName;
            return RefuseAsync(error, goesOn: true);
        }

        (_record.RouteName, _record.Route) = match is null ? (choice.RouteName, null) : (match.Name, match.Stats);
        return match is { Route.IsPlain: false } ? ActAndForwardAsync(choice, match) : BeginAttemptsAsync(choice);
    }

    private ValueTask<bool> BeginAttemptsAsync(RouteChoice choice)
    {
        _cluster = choice.Cluster is null ? null : context.Clusters.Find(choice.Cluster);
        if (_cluster is null)
        {
            return RefuseAsync(ProxyErrors.NoCluster(), goesOn: true);
        }

        _routeName = choice.RouteName;
        long now = context.Now;
        _client.Deadline.Set(context.Limits.StreamIdle, now);
        BeginPolicy(choice.Policy, now);
        if (_mirrors is not null)
        {
            KeepForMirrors();
        }

        _pick = WithLuck(PickFor(_cluster.Config));
        return _cluster.RateLimiters is { } limiters ? LimitAndAttemptAsync(limiters, 0, 0, now) : AttemptAsync(now);
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<bool> AttemptAsync(long now)
    {
        while (true)
        {
            _attempt += _again == Again.Beside ? 0 : 1;
            if (IsCallerGone)
            {
                return await RefuseLateAsync(null);
            }

            bool goesOn;
            bool isAtOnce = false;
            if (!EntersBreaker(_attempt == 1 ? now : context.Now))
            {
                goesOn = await RefuseByBreakerAsync(null);
            }
            else if (!(isAtOnce = TakesPlace()) && !await WaitForPlaceAsync())
            {
                goesOn = await RefuseForPlaceAsync();
            }
            else
            {
                ValueTask<RentResult> renting = _request.IsConnect
                    ? _cluster!.RentTcpAsync(_stop.Token, _client.Loop, _pick) : _cluster!.RentHttpAsync(_stop.Token, _client.Loop, _pick);
                isAtOnce &= renting.IsCompleted && _attempt == 1 && _again != Again.Beside;
                UpstreamConnection? upstream = Take(await renting);
                goesOn = await (upstream is null ? EndWithoutConnectionAsync()
                    : !IsStillWelcome(upstream) ? RefuseByBreakerAsync(upstream)
                    : IsCallerGone ? RefuseLateAsync(upstream) : ForwardAsync(upstream, isAtOnce ? now : context.Now));
            }

            if (_again == Again.No)
            {
                return goesOn;
            }

            if (_again == Again.Elsewhere)
            {
                GoElsewhere();
            }
            else if (PrepareNext() is { Ticks: > 0 } length)
            {
                await _pause!.WaitAsync(length, _client.Loop, _stop.Token);
            }

            if (IsOver)
            {
                return await FailWithoutConnectionAsync(_lastRent);
            }
        }
    }

    // Of a connection that was had nothing is kept but where it leads.
    private UpstreamConnection? Take(in RentResult rent)
    {
        _record.SetUpstream(_cluster!, rent);
        _lastEndpoint = rent.Endpoint;
        if (rent.Connection is null)
        {
            _lastRent = rent;
        }
        else if (rent.Connection.Shadow is not null && _cluster!.ShadowRefusalOf(rent.Connection) is { IsSet: true } decision)
        {
            Decided(decision);
        }

        return rent.Connection;
    }

    private ValueTask<bool> EndWithoutConnectionAsync()
    {
        if (_lastRent.Status == RentStatus.CircuitOpen)
        {
            return RefuseByEndpointsAsync(_lastRent.Endpoint);
        }

        TellBreaker(_lastRent);
        _again = AfterRent(_lastRent);
        return _again == Again.No ? FailWithoutConnectionAsync(_lastRent) : new(false);
    }

    private void BeginServing()
    {
        Side.Stats.RqTotal.Add();
        Side.Stats.RqActive.Add();
        _isServing = true;
        WatchClientEnd();
    }

    private void EndServing()
    {
        if (_isServing)
        {
            _isServing = false;
            LeavePlace();
            IgnoreClientEnd();
            EndPolicy();
            _record.Attempts = _attempt;
            _record.Finish(_requestBody, _responseBody, isToldElsewhere: _isServedAside);
            Side.Stats.RqActive.Add(-1);
        }
    }

    private void WatchClientEnd() => _gone = Down.ConnectionClosed.UnsafeRegister(static e => ((Http1Exchange)e!).OnClientGone(), this);

    /// <summary>From here on the end of the client's connection ends nothing else. Waits for a callback that runs.</summary>
    private void IgnoreClientEnd()
    {
        _gone.Dispose();
        _gone = default;
    }

    private void OnClientGone()
    {
        _clientIsGone = true;
        _stop.Cancel();
        _upstream?.Abort();
        _aside?.Abort();
    }
}
