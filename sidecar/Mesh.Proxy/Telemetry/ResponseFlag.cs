namespace Mesh.Proxy.Telemetry;

/// <summary>Why a request ended as it did, in Envoy's letters; the access log and metrics print them.</summary>
public enum ResponseFlag : byte
{
    /// <summary>Nothing to report (<c>-</c>).</summary>
    None,

    /// <summary>No healthy upstream.</summary>
    UH,

    /// <summary>Upstream request timeout.</summary>
    UT,

    /// <summary>Local reset.</summary>
    LR,

    /// <summary>Upstream remote reset.</summary>
    UR,

    /// <summary>Upstream connection failure.</summary>
    UF,

    /// <summary>Upstream connection termination.</summary>
    UC,

    /// <summary>Upstream overflow: a circuit-breaker limit.</summary>
    UO,

    /// <summary>No route found.</summary>
    NR,

    /// <summary>Downstream connection termination.</summary>
    DC,

    /// <summary>Upstream retry limit exceeded; also TCP connect attempts.</summary>
    URX,

    /// <summary>Stream idle timeout.</summary>
    SI,

    /// <summary>Downstream protocol error.</summary>
    DPE,

    /// <summary>Upstream protocol error.</summary>
    UPE,

    /// <summary>No cluster found.</summary>
    NC,

    /// <summary>Overload manager.</summary>
    OM,

    /// <summary>Max duration reached.</summary>
    DT,

    /// <summary>Delay injected by a rule.</summary>
    DI,

    /// <summary>Fault injected by a rule.</summary>
    FI,

    /// <summary>DNS resolution failed.</summary>
    DF,

    /// <summary>Rate limited.</summary>
    RL,
}
