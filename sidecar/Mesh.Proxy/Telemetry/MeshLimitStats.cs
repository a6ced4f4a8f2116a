namespace Mesh.Proxy.Telemetry;

/// <summary>Numbers of the limits that all sidecars share; a cluster without them has none.</summary>
public sealed class MeshLimitStats
{
    /// <summary>mesh_limits.cx_share: this sidecar's part of meshLimits.maxConnections; 0 without it.</summary>
    public Gauge ConnectionShare { get; } = new();

    /// <summary>mesh_limits.rq_share: the same of meshLimits.maxRequests.</summary>
    public Gauge RequestShare { get; } = new();

    /// <summary>mesh_limits.cx_overflow: times that the share held a connection back.</summary>
    public StripedCounter ConnectionsHeldBack { get; } = new();

    /// <summary>mesh_limits.rq_overflow: requests that the share refused.</summary>
    public StripedCounter RequestsRefused { get; } = new();
}
