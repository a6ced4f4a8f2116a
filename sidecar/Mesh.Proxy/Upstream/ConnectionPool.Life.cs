using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Upstream;

/// <summary>Why a pool lets go of its connections.</summary>
internal enum DrainCause
{
    /// <summary>The endpoint was ejected: connections being made stay, the pool remains usable (panic, return).</summary>
    Ejected,

    /// <summary>What decides the look of the wire changed: nothing old may be used twice.</summary>
    TransportChanged,

    /// <summary>The endpoint left the cluster.</summary>
    Removed,
}

// How connections leave: death, drain, age, idleness, and the close itself.
internal sealed partial class ConnectionPool
{
    /// <summary>The transport reported the end of a connection: an idle one leaves at once, a busy one after its stream.</summary>
    public void DiedLocked(UpstreamConnection connection, ref Deferred deferred)
    {
        connection.IsDead = true;
        if (connection.State == ConnectionState.Ready)
        {
            CloseLocked(connection, ref deferred);
        }
    }

    /// <summary>The socket is closed: from now on it does not count.</summary>
    public void ClosedLocked(UpstreamConnection connection, ref Deferred deferred)
    {
        _all.Remove(connection);
        cluster.CloseInShadowLocked(connection);
        Stats.CxActive.Add(-1);
        endpoint.CxActive.Add(-1);
        cluster.Closing--;
        cluster.ServeWaitersLocked(this, ref deferred);
    }

    /// <summary>Closes the connection that has been idle for longest, if there is one.</summary>
    public bool TryCloseIdleLocked(ref Deferred deferred)
    {
        if (_ready.Count == 0)
        {
            return false;
        }

        CloseLocked(_ready[0], ref deferred);
        return true;
    }

    /// <summary>Lets connections go: idle ones now, busy ones after their stream.</summary>
    public void DrainLocked(DrainCause cause, ref Deferred deferred)
    {
        foreach (UpstreamConnection connection in _all)
        {
            if (connection.State == ConnectionState.Ready)
            {
                CloseLocked(connection, ref deferred);
            }
            else if (connection.State == ConnectionState.Busy || cause == DrainCause.TransportChanged)
            {
                connection.IsDraining = true; // one still connecting serves the request that waits for it, once
            }
        }

        while (cause == DrainCause.Removed && _connecting > _pending.Count)
        {
            CloseOneConnectingLocked(null, ref deferred);
        }
    }

    /// <summary>Closes what was idle or has lived too long, refuses who has waited too long; returns when to look again.</summary>
    public long CheckLocked(long now, ref Deferred deferred)
    {
        long next = CheckPendingLocked(now, ref deferred);
        foreach (UpstreamConnection connection in _all)
        {
            if (connection.State == ConnectionState.Ready && connection.IdleDeadline <= now)
            {
                Stats.CxIdleTimeout.Add();
                CloseLocked(connection, ref deferred);
            }
            else if (connection.State is ConnectionState.Ready or ConnectionState.Busy && connection.AgeDeadline <= now)
            {
                AgedLocked(connection, ref deferred);
            }
            else if (connection.State == ConnectionState.Ready)
            {
                next = Math.Min(next, Math.Min(connection.IdleDeadline, connection.AgeDeadline));
            }
            else if (connection.State == ConnectionState.Busy)
            {
                next = Math.Min(next, connection.AgeDeadline);
            }
        }

        return next;
    }

    /// <summary>The oldest wait first in line, so one look at the front tells all; the limit in force now counts, for those too who came before it.</summary>
    private long CheckPendingLocked(long now, ref Deferred deferred)
    {
        TimeSpan longest = cluster.Config.PendingTimeout;
        while (longest > TimeSpan.Zero && _pending.First is { } oldest)
        {
            long dueAt = cluster.After(longest, oldest.Value.EnqueuedAt);
            if (dueAt > now)
            {
                return dueAt;
            }

            PendingRequest request = UnlinkLocked(oldest);
            GiveUpShadowLocked(request);
            Stats.RqPendingTimeout.Add();
            deferred.Complete(request, new RentResult(
                RentStatus.PendingTimeout, null, endpoint,
                new DecisionRecord(DecisionReason.PendingTimeout, cluster.Config.ResilienceSource, "pendingTimeout", (long)longest.TotalMilliseconds),
                null, cluster.Since(request.EnqueuedAt)));
            if (_connecting - 1 >= _pending.Count)
            {
                CloseOneConnectingLocked(request.Client, ref deferred);
            }
        }

        return long.MaxValue;
    }

    private void AgedLocked(UpstreamConnection connection, ref Deferred deferred)
    {
        connection.AgeDeadline = long.MaxValue;
        Stats.CxMaxDurationReached.Add();
        if (connection.State == ConnectionState.Ready)
        {
            CloseLocked(connection, ref deferred);
        }
        else
        {
            connection.IsDraining = true;
        }
    }

    private void CloseOneConnectingLocked(ClientAddresses? client, ref Deferred deferred)
    {
        UpstreamConnection? newest = _all.FindLast(c => c.State == ConnectionState.Connecting && c.Client == client)
            ?? _all.FindLast(static c => c.State == ConnectionState.Connecting);
        if (newest is not null)
        {
            CloseLocked(newest, ref deferred);
        }
    }

    private void CloseLocked(UpstreamConnection connection, ref Deferred deferred)
    {
        if (connection.State == ConnectionState.Ready)
        {
            _ready.Remove(connection);
        }
        else if (connection.State == ConnectionState.Connecting)
        {
            _connecting--;
            connection.CancelOpening();
        }

        CountLocked();

        connection.State = ConnectionState.Closing;
        cluster.Closing++;
        deferred.Close(connection);
    }
}
