using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Upstream;

// What connections and waiters report: each takes the lock, lets the pool decide, and carries the decision out after it.
public sealed partial class Cluster
{
    private const int MaxIdleWaiters = 256;

    private readonly TickEntry _connectionCheck;
    private long _nextConnectionCheck = long.MaxValue;

    internal void Release(UpstreamConnection connection, bool reusable)
    {
        Deferred deferred = default;
        lock (_gate)
        {
            if (connection.State != ConnectionState.Busy)
            {
                throw new InvalidOperationException("The connection was released twice.");
            }

            if (connection.IsDead)
            {
                Stats.CxDestroyWithActiveRq.Add();
            }

            connection.Endpoint.Pool.ReleaseLocked(connection, reusable, ref deferred);
        }

        deferred.Run(this);
    }

    /// <summary>Connecting has succeeded. False when nobody wants the connection any more: it is being closed.</summary>
    internal bool OnOpened(UpstreamConnection connection, ConnectionContext context)
    {
        Deferred deferred = default;
        bool isWanted;
        lock (_gate)
        {
            connection.Attach(context);
            isWanted = connection.State != ConnectionState.Closing;
            EndShadowOpeningLocked(connection, isWanted, hasFailed: false);
            if (isWanted)
            {
                connection.Endpoint.Pool.OpenedLocked(connection, ref deferred);
            }
        }

        if (!isWanted)
        {
            Services.Background.Start("upstream close", static c => c.CloseAsync(), connection);
        }
        else
        {
            AddLocalSuccess(connection.Endpoint);
        }

        deferred.Run(this);
        return isWanted;
    }

    /// <summary>Connecting has failed, was given up, or took too long.</summary>
    internal void OnOpenFailed(UpstreamConnection connection, string? text, bool timedOut)
    {
        Deferred deferred = default;
        Endpoint endpoint = connection.Endpoint;
        int failed = 0;
        bool wasWanted;
        lock (_gate)
        {
            wasWanted = connection.State != ConnectionState.Closing;
            if (wasWanted)
            {
                failed = endpoint.Pool.OpenFailedLocked(connection, Failure(endpoint, text, timedOut), ref deferred);
            }

            EndShadowOpeningLocked(connection, wasWanted, hasFailed: true);
        }

        if (wasWanted)
        {
            CountConnectFailure(endpoint, timedOut);
        }

        for (int i = 0; i < failed; i++)
        {
            Record(endpoint, timedOut ? UpstreamOutcome.ConnectTimeout : UpstreamOutcome.ConnectFailure, 0); // for each request (as Envoy)
        }

        OnClosed(connection);
        deferred.Run(this);
    }

    internal void OnTransportClosed(UpstreamConnection connection)
    {
        Deferred deferred = default;
        lock (_gate)
        {
            if (connection.State != ConnectionState.Closing) // our own close comes by here too
            {
                connection.Endpoint.Pool.DiedLocked(connection, ref deferred);
            }
        }

        deferred.Run(this);
    }

    internal void OnClosed(UpstreamConnection connection)
    {
        Deferred deferred = default;
        lock (_gate)
        {
            connection.Endpoint.Pool.ClosedLocked(connection, ref deferred);
            ForgetIfDrainedLocked(connection.Endpoint);
        }

        Stats.CxDestroy.Add();
        (connection.IsDead ? Stats.CxDestroyRemote : Stats.CxDestroyLocal).Add();
        deferred.Run(this);
    }

    internal void CancelPending(PendingRequest request)
    {
        Deferred deferred = default;
        lock (_gate)
        {
            request.Endpoint.Pool.CancelLocked(request, ref deferred);
        }

        deferred.Run(this);
    }

    internal PendingRequest TakeWaiterLocked() => _idleWaiters.TryPop(out PendingRequest? waiter) ? waiter : new PendingRequest(this);

    internal void Recycle(PendingRequest request)
    {
        lock (_gate)
        {
            if (_idleWaiters.Count < MaxIdleWaiters)
            {
                _idleWaiters.Push(request);
            }
        }
    }

    /// <summary>Asks for a look at the connections at <paramref name="dueAt"/>, unless an earlier one is already due.</summary>
    internal void CheckConnectionsLocked(long dueAt, ref Deferred deferred)
    {
        if (dueAt < _nextConnectionCheck)
        {
            _nextConnectionCheck = dueAt;
            deferred.CheckConnectionsAt(dueAt);
        }
    }

    internal void ScheduleConnectionCheck(long dueAt) => Services.Ticker.ScheduleNoLaterThan(_connectionCheck, dueAt);

    private void CheckConnections()
    {
        Deferred deferred = default;
        lock (_gate)
        {
            _nextConnectionCheck = long.MaxValue;
            long now = Now;
            long next = long.MaxValue;
            foreach (Endpoint endpoint in _hosts.All)
            {
                next = Math.Min(next, endpoint.Pool.CheckLocked(now, ref deferred));
            }

            foreach (Endpoint endpoint in _draining.Values) // their connections go by themselves, but requests may wait there
            {
                next = Math.Min(next, endpoint.Pool.CheckLocked(now, ref deferred));
            }

            CheckConnectionsLocked(next, ref deferred);
        }

        deferred.Run(this);
    }

    private void AddLocalSuccess(Endpoint endpoint)
    {
        ClusterConfig config = _config;
        if (config.Outlier is { SplitLocalOrigin: true })
        {
            endpoint.Outlier.AddLocalSuccess();
        }

        if (config.Shadow is { Outlier.SplitLocalOrigin: true })
        {
            endpoint.ShadowOutlier.AddLocalSuccess();
        }
    }

    private RentResult Failure(Endpoint endpoint, string? text, bool timedOut) => timedOut
        ? new(RentStatus.ConnectTimeout, null, endpoint,
            new DecisionRecord(DecisionReason.ConnectTimeout, Config.ConnectionPoolSource, "tcp.connectTimeout",
                (long)Config.Connection.ConnectTimeout.TotalMilliseconds), null, TimeSpan.Zero)
        : new(RentStatus.ConnectFailure, null, endpoint, new DecisionRecord(DecisionReason.ConnectFailure), text, TimeSpan.Zero);

    private void CountConnectFailure(Endpoint endpoint, bool timedOut)
    {
        Stats.CxConnectFail.Add();
        endpoint.CxConnectFail.Add();
        if (timedOut)
        {
            Stats.CxConnectTimeout.Add();
        }
    }
}
