using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Shadows;

/// <summary>
/// The connectionPool block of a rule in shadow mode: the algorithm of the real pools (semantics 2.3 to 2.7) played with the real calls, their arrivals and their service times.
/// A call that would have waited gets its place when one falls free and holds it for as long as the real one did, so this runs behind the real cluster; what it owes is done at
/// the next call (sidecar/adr/0043). Every member runs under the cluster's lock; nothing is awaited, no timer is set.
/// </summary>
internal sealed partial class ShadowLimits(ShadowConfig config, TimeProvider time, ShadowStats stats)
{
    private const int MaxOpensPerCall = 3; // as the real pools
    private const int MaxWaiting = 4096;   // calls that are over and wait all the same; real callers would have left
    private const int MaxSpare = 256;

    private readonly PriorityQueue<(VirtualCall? Ends, VirtualConnection? Opens), (long At, long Order)> _due = new();
    private readonly List<VirtualPool> _pools = [];
    private readonly Stack<VirtualCall> _spare = new();
    private ShadowConfig _config = config;
    private long _order;
    private long _connectTime; // of the last connection that was really made
    private int _connections;
    private int _waiting;
    private int _active;

    /// <summary>Connections, waiting and active calls that there would be at <paramref name="now"/>.</summary>
    public (int Connections, int Waiting, int Active) Figures(long now)
    {
        Advance(now);
        return (_connections, _waiting, _active);
    }

    /// <summary>Puts other limits in force; what runs stays.</summary>
    public void Update(ShadowConfig next, long now)
    {
        Advance(now);
        _config = next;
        foreach (VirtualPool pool in _pools)
        {
            Open(pool, now);
        }
    }

    /// <summary>Connections of an endpoint that is new here.</summary>
    public VirtualPool NewPool()
    {
        VirtualPool pool = new(this);
        _pools.Add(pool);
        return pool;
    }

    /// <summary>The endpoint of <paramref name="pool"/> has left.</summary>
    public void Remove(VirtualPool pool, long now)
    {
        Advance(now);
        pool.IsRemoved = true;
        _pools.Remove(pool);
        while (pool.Idle.Count > 0)
        {
            Close(pool.Idle[^1], now);
        }
    }

    /// <summary>A connection was really made, in so many ticks: what is made here without a twin takes as long.</summary>
    /// <param name="ticks">How long it took.</param>
    /// <param name="twin">The one that is made here at the same time, or null.</param>
    /// <param name="now">Timestamp.</param>
    public void ConnectTook(long ticks, VirtualConnection? twin, long now)
    {
        Advance(now);
        _connectTime = ticks;
        if (twin is { IsConnecting: true })
        {
            Opened(twin, now);
        }
    }

    /// <summary>The real connection will not be made, or nobody knows of one: <paramref name="made"/> takes as long as the last that was.</summary>
    public void OpenLater(VirtualConnection made, long now)
    {
        if (made.IsConnecting)
        {
            Schedule(now + _connectTime, null, made);
        }
    }

    /// <summary>The real connection could not be made, and neither could <paramref name="twin"/>.</summary>
    public void ConnectFailed(VirtualConnection twin, long now)
    {
        Advance(now);
        if (twin.IsConnecting)
        {
            Close(twin, now);
        }
    }

    /// <summary>A call has come, and the rule in force let it pass: it has a connection, or waits for one.</summary>
    /// <param name="pool">Connections of its endpoint.</param>
    /// <param name="isTcp">A TCP stream.</param>
    /// <param name="isAttached">It has its connection already.</param>
    /// <param name="now">Timestamp.</param>
    /// <returns>The call; with a connection in <see cref="VirtualCall.Opens"/>, for which the caller names a twin or calls <see cref="OpenLater"/>.</returns>
    public VirtualCall Begin(VirtualPool pool, bool isTcp, bool isAttached, long now)
    {
        Advance(now);
        VirtualCall call = _spare.TryPop(out VirtualCall? spare) ? spare : new VirtualCall();
        call.Begin(this, pool, isTcp);
        call.AttachedAt = isAttached ? now : null;
        stats.Evaluated.Add(time.GetUtcNow());
        if (isTcp && _connections >= _config.Limits.MaxConnections)
        {
            call.Refused = DecisionReason.ConnectionOverflow;
            stats.StreamOverflow.Add(time.GetUtcNow());
            stats.ConnectionOverflow.Add(time.GetUtcNow());
        }
        else if (!isTcp && WarmestOf(pool, now) is { } idle)
        {
            if (!Refuses(call))
            {
                pool.Idle.RemoveAt(pool.Idle.Count - 1);
                Start(call, idle, now);
            }
        }
        else if (_waiting >= _config.Limits.MaxPendingRequests)
        {
            call.Refused = DecisionReason.PendingOverflow;
            stats.PendingOverflow.Add(time.GetUtcNow());
        }
        else if (_waiting >= MaxWaiting)
        {
            stats.Skipped.Add(time.GetUtcNow());
        }
        else
        {
            call.State = VirtualState.Waiting;
            pool.Waiting.AddLast(call.Node);
            _waiting++;
            Open(pool, now, begins: call);
            Advance(now); // where connecting takes no time
            CountDelay(call);
        }

        return call;
    }

    /// <summary>A call that waited has its connection.</summary>
    public void Attached(VirtualCall call, long now)
    {
        Advance(now);
        call.AttachedAt = now;
        CountDelay(call);
    }

    /// <summary>A call that had a connection has ended.</summary>
    public void Ended(VirtualCall call, bool leavesConnection, long now)
    {
        Advance(now);
        call.IsLive = false;
        call.ServiceTime = now - call.AttachedAt!.Value;
        call.LeavesConnection = leavesConnection;
        if (call.State == VirtualState.Out)
        {
            Recycle(call);
        }
        else if (call.State == VirtualState.Running)
        {
            EndWhenServed(call, now);
        }
    }

    /// <summary>A call that waited has left without a connection: its client went, its time was over, or no connection could be made.</summary>
    public void GivenUp(VirtualCall call, long now)
    {
        Advance(now);
        call.IsLive = false;
        switch (call.State)
        {
            case VirtualState.Waiting:
                Unlink(call);
                DropConnecting(call.Pool, now);
                Recycle(call);
                break;
            case VirtualState.Running:
                call.LeavesConnection = false; // it had more luck here; nobody knows how it would have gone
                End(call, now);
                break;
            default:
                Recycle(call);
                break;
        }
    }
}
