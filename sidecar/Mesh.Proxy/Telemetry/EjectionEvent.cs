namespace Mesh.Proxy.Telemetry;

/// <summary>One line of the outlier event log: an endpoint left or rejoined the rotation, or was kept in by a limit.</summary>
/// <param name="Timestamp">When.</param>
/// <param name="Cluster">Cluster name.</param>
/// <param name="Upstream"><c>ip:port</c>.</param>
/// <param name="IsEject">True for EJECT, false for UNEJECT.</param>
/// <param name="Reason">Detector: <c>consecutive_5xx</c>, <c>consecutive_gateway_failure</c>, <c>consecutive_local_origin_failure</c>; on return <c>time</c>, <c>policy_removed</c>.</param>
/// <param name="NumEjections">How often this endpoint has been ejected.</param>
/// <param name="IsEnforced">False when <c>maxEjectionPercent</c> kept it in, and for rules in shadow mode.</param>
/// <param name="SinceLastAction">Time since its last ejection or return; null for the first.</param>
/// <param name="Until">Earliest end of the ejection (the first sweep after it); null on return.</param>
/// <param name="Rule">Rule and path of the block in force, or null.</param>
public sealed record EjectionEvent(
    DateTimeOffset Timestamp,
    string Cluster,
    string Upstream,
    bool IsEject,
    string Reason,
    long NumEjections,
    bool IsEnforced,
    TimeSpan? SinceLastAction,
    DateTimeOffset? Until,
    string? Rule)
{
    /// <summary>The detector behind it, Envoy's <c>type</c>: of a return the one that had ejected the endpoint.</summary>
    public string Detector { get; init; } = Reason;

    /// <summary>Of a rule in shadow mode: nothing has happened to the endpoint.</summary>
    public bool IsShadow { get; init; }
}
