using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Shadows;

/// <summary>What became of a call under the limits in shadow mode.</summary>
internal enum VirtualState
{
    /// <summary>It waits for a connection.</summary>
    Waiting,

    /// <summary>It has one.</summary>
    Running,

    /// <summary>It would have been refused, or was not judged; it takes no place.</summary>
    Out,
}

/// <summary>A real call as it would have gone under limits in shadow mode. Used again by its owner. Guarded by the lock of the cluster.</summary>
internal sealed class VirtualCall
{
    public VirtualCall() => Node = new LinkedListNode<VirtualCall>(this);

    /// <summary>The evaluation that it belongs to: another one may be in force when it ends.</summary>
    public ShadowLimits Owner { get; private set; } = null!;

    /// <summary>Connections of its endpoint.</summary>
    public VirtualPool Pool { get; private set; } = null!;

    public LinkedListNode<VirtualCall> Node { get; }

    public VirtualState State { get; set; }

    /// <summary>The limit that would have refused it; None for none. Whoever has the real connection may look without the lock.</summary>
    public DecisionReason Refused { get; set; }

    public bool IsTcp { get; private set; }

    /// <summary>The real one has not ended yet.</summary>
    public bool IsLive { get; set; }

    /// <summary>When the real one got its connection; null while it waits.</summary>
    public long? AttachedAt { get; set; }

    /// <summary>When this one got its connection.</summary>
    public long StartedAt { get; set; }

    /// <summary>How long the real one had its connection, once it has ended.</summary>
    public long ServiceTime { get; set; }

    /// <summary>The real one left its connection so that another call could have it.</summary>
    public bool LeavesConnection { get; set; }

    /// <summary>The connection that it has.</summary>
    public VirtualConnection? Connection { get; set; }

    /// <summary>A connection that has to be made for it: whoever began the call knows when it is there.</summary>
    public VirtualConnection? Opens { get; set; }

    public void Begin(ShadowLimits owner, VirtualPool pool, bool isTcp)
    {
        (Owner, Pool, IsTcp, IsLive, State) = (owner, pool, isTcp, true, VirtualState.Out);
        (AttachedAt, Connection, Opens, Refused) = (null, null, null, DecisionReason.None);
    }
}

/// <summary>A connection that would be there under limits in shadow mode.</summary>
internal sealed class VirtualConnection(VirtualPool pool)
{
    public VirtualPool Pool => pool;

    public bool IsConnecting { get; set; } = true;

    /// <summary>It ends with its stream.</summary>
    public bool IsDraining { get; set; }

    public uint Streams { get; set; }

    /// <summary>Since when nobody has it.</summary>
    public long IdleSince { get; set; }
}

/// <summary>Connections of one endpoint under limits in shadow mode, and the calls that would wait for one.</summary>
internal sealed class VirtualPool(ShadowLimits owner)
{
    public ShadowLimits Owner => owner;

    /// <summary>Whatever counts against maxConnections; the newest last.</summary>
    public List<VirtualConnection> All { get; } = [];

    /// <summary>Those that nobody has; the last is the warmest.</summary>
    public List<VirtualConnection> Idle { get; } = [];

    public LinkedList<VirtualCall> Waiting { get; } = new();

    public int Connecting { get; set; }

    /// <summary>Its endpoint has left: what becomes idle is closed.</summary>
    public bool IsRemoved { get; set; }
}
