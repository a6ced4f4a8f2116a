using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;

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

    /// <summary>Connecting has ended. True when the connection lives.</summary>
    internal bool OnOpened(UpstreamConnection connection, ConnectResult opened, bool timedOut)
    {
        Deferred deferred = default;
        int failed = 0;
        bool wasCancelled;
        UpstreamOutcome outcome = timedOut ? UpstreamOutcome.ConnectTimeout : UpstreamOutcome.ConnectFailure;
        lock (_gate)
        {
            wasCancelled = connection.State == ConnectionState.Closing;
            if (opened.Connection is not null)
            {
                connection.Attach(opened.Connection);
            }

            if (wasCancelled)
            {
                // Nobody wants it any more; closed below.
            }
            else if (opened.Connection is not null)
            {
                connection.Endpoint.Pool.OpenedLocked(connection, ref deferred);
            }
            else
            {
                failed = connection.Endpoint.Pool.OpenFailedLocked(connection, Failure(connection.Endpoint, opened.FailureText, timedOut), ref deferred);
            }
        }

        if (opened.Connection is null)
        {
            if (!wasCancelled)
            {
                CountConnectFailure(connection.Endpoint, timedOut);
            }

            for (int i = 0; i < failed; i++)
            {
                Record(connection.Endpoint, outcome, 0); // one for each request that failed with it (as Envoy)
            }

            OnClosed(connection);
        }
        else if (wasCancelled)
        {
            Services.Background.Start("upstream close", static c => c.CloseAsync(), connection);
        }
        else if (Config.Outlier is { SplitLocalOrigin: true })
        {
            connection.Endpoint.Outlier.AddLocalSuccess();
        }

        deferred.Run(this);
        return opened.Connection is not null && !wasCancelled;
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
                next = Math.Min(next, endpoint.Pool.CheckLocked(now, ref deferred)); // of one removed, all connections drain anyway
            }

            CheckConnectionsLocked(next, ref deferred);
        }

        deferred.Run(this);
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
