using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Shadows;

// The pools: as ConnectionPool does it, in the same order, at the time at which it would have happened.
internal sealed partial class ShadowLimits
{
    /// <summary>Does what is due until <paramref name="now"/>, each thing at its own time.</summary>
    private void Advance(long now)
    {
        while (_due.TryPeek(out (VirtualCall? Ends, VirtualConnection? Opens) next, out (long At, long Order) due) && due.At <= now)
        {
            _due.Dequeue();
            if (next.Ends is { } call)
            {
                End(call, due.At);
            }
            else if (next.Opens is { IsConnecting: true } made)
            {
                Opened(made, due.At);
            }
        }
    }

    private void Schedule(long at, VirtualCall? ends, VirtualConnection? opens) => _due.Enqueue((ends, opens), (at, _order++));

    /// <summary>The warmest idle connection; it stays in the list. If that one has been idle for too long, all have.</summary>
    private VirtualConnection? WarmestOf(VirtualPool pool, long now)
    {
        if (pool.Idle.Count > 0 && _config.HttpIdleTimeout > TimeSpan.Zero && time.GetElapsedTime(pool.Idle[^1].IdleSince, now) >= _config.HttpIdleTimeout)
        {
            while (pool.Idle.Count > 0)
            {
                Close(pool.Idle[^1], now);
            }
        }

        return pool.Idle.Count > 0 ? pool.Idle[^1] : null;
    }

    /// <summary>Opens connections while calls wait that no connecting one will serve; of one that is made for <paramref name="begins"/> its caller knows when it is there.</summary>
    private void Open(VirtualPool pool, long at, VirtualCall? begins = null)
    {
        for (int i = 0; i < MaxOpensPerCall && pool.Waiting.Count > pool.Connecting; i++)
        {
            if (_connections >= _config.Limits.MaxConnections)
            {
                stats.ConnectionOverflow.Add(time.GetUtcNow());
                if (pool.All.Count > 0)
                {
                    return;
                }
            }

            VirtualConnection made = new(pool);
            pool.All.Add(made);
            pool.Connecting++;
            _connections++;
            if (begins is { AttachedAt: null, Opens: null })
            {
                begins.Opens = made; // the real one waits too, perhaps for a connection that is made for it
            }
            else
            {
                Schedule(at + _connectTime, null, made);
            }
        }
    }

    private void Opened(VirtualConnection made, long at)
    {
        made.IsConnecting = false;
        made.Pool.Connecting--;
        ServeOrKeep(made, at);
    }

    private void ServeOrKeep(VirtualConnection connection, long at)
    {
        VirtualPool pool = connection.Pool;
        while (pool.Waiting.First is { } first && !(first.Value.IsTcp && connection.Streams > 0))
        {
            VirtualCall call = first.Value;
            Unlink(call);
            if (Refuses(call))
            {
                if (!call.IsLive)
                {
                    Recycle(call);
                }

                continue;
            }

            Start(call, connection, at);
            Open(pool, at);
            return;
        }

        if (connection.IsDraining || pool.IsRemoved || pool.Waiting.Count > pool.Connecting)
        {
            Close(connection, at);
            return;
        }

        connection.IdleSince = at;
        pool.Idle.Add(connection);
    }

    private void Start(VirtualCall call, VirtualConnection connection, long at)
    {
        call.State = VirtualState.Running;
        call.Connection = connection;
        call.StartedAt = at;
        connection.Streams++;
        connection.IsDraining |= call.IsTcp || (_config.MaxRequestsPerConnection > 0 && connection.Streams >= _config.MaxRequestsPerConnection);
        _active++;
        if (!call.IsLive)
        {
            EndWhenServed(call, at);
        }
    }

    // Its time here is that of the real one, from whenever it began.
    private void EndWhenServed(VirtualCall call, long now)
    {
        long at = call.StartedAt + call.ServiceTime;
        if (at <= now)
        {
            End(call, now);
        }
        else
        {
            Schedule(at, call, null);
        }
    }

    private void End(VirtualCall call, long at)
    {
        VirtualConnection connection = call.Connection!;
        bool isKept = call.LeavesConnection && !connection.IsDraining;
        _active--;
        Recycle(call);
        if (isKept)
        {
            ServeOrKeep(connection, at);
        }
        else
        {
            Close(connection, at);
        }
    }

    private void Close(VirtualConnection connection, long at)
    {
        VirtualPool pool = connection.Pool;
        pool.All.Remove(connection);
        pool.Idle.Remove(connection);
        if (connection.IsConnecting)
        {
            connection.IsConnecting = false;
            pool.Connecting--;
        }

        _connections--;
        Open(pool, at);
    }

    /// <summary>One who waited is gone: so is the newest connection that is being made, if the others do without it.</summary>
    private void DropConnecting(VirtualPool pool, long now)
    {
        if (pool.Connecting > 0 && pool.Connecting - 1 >= pool.Waiting.Count && pool.All.FindLast(static c => c.IsConnecting) is { } newest)
        {
            Close(newest, now);
        }
    }

    // The request limit has no queue (as the real pools). TCP ignores it.
    private bool Refuses(VirtualCall call)
    {
        if (call.IsTcp || _active < _config.Limits.MaxRequests)
        {
            return false;
        }

        call.State = VirtualState.Out;
        call.Refused = DecisionReason.RequestOverflow;
        stats.RequestOverflow.Add(time.GetUtcNow());
        return true;
    }

    private void CountDelay(VirtualCall call)
    {
        if (call is { State: VirtualState.Waiting, AttachedAt: not null })
        {
            stats.Delayed.Add(time.GetUtcNow());
        }
    }

    private void Unlink(VirtualCall call)
    {
        call.Pool.Waiting.Remove(call.Node);
        _waiting--;
    }

    private void Recycle(VirtualCall call)
    {
        call.Connection = call.Opens = null;
        if (_spare.Count < MaxSpare)
        {
            _spare.Push(call);
        }
    }
}
