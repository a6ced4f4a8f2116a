namespace Mesh.Proxy.Telemetry;

/// <summary>Counters of a circuit breaker; a cluster without one has none of them.</summary>
public sealed class BreakerStats
{
    /// <summary>breaker_rejected: calls that were refused.</summary>
    public StripedCounter Rejected { get; } = new();

    /// <summary>breaker_shadow_rejected: calls that would have been refused, but for shadow mode.</summary>
    public StripedCounter ShadowRejected { get; } = new();

    /// <summary>breaker_opened: changes to open.</summary>
    public StripedCounter Opened { get; } = new();

    /// <summary>breaker_half_opened: changes to half-open.</summary>
    public StripedCounter HalfOpened { get; } = new();

    /// <summary>breaker_closed: changes to closed.</summary>
    public StripedCounter Closed { get; } = new();

    /// <summary>breaker_forced: changes to a state that a rule forces.</summary>
    public StripedCounter Forced { get; } = new();

    /// <summary>breaker_mesh_expired: times that the control plane was silent for longer than its last word held.</summary>
    public StripedCounter Expired { get; } = new();

    /// <summary>breaker_mesh_stale: orders of an epoch before the last one; they were not followed.</summary>
    public StripedCounter Stale { get; } = new();
}
