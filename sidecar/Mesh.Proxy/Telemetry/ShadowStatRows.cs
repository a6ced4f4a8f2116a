namespace Mesh.Proxy.Telemetry;

/// <summary>Statistics of rules in shadow mode, for clusters that have or had one. A row here is a row everywhere.</summary>
public static class ShadowStatRows
{
    /// <summary>The rows.</summary>
    public static IReadOnlyList<StatRow<ClusterStatsView>> All { get; } =
    [
        Count("shadow_rq_evaluated", "Calls that limits in shadow mode were asked about", static s => s.Evaluated),
        Count("shadow_rq_skipped", "Calls that limits in shadow mode did not judge: too many would have waited", static s => s.Skipped),
        Count("shadow_rq_pending_overflow", "Calls that http1MaxPendingRequests in shadow mode would have refused", static s => s.PendingOverflow),
        Count("shadow_rq_overflow", "Calls that http2MaxRequests in shadow mode would have refused", static s => s.RequestOverflow),
        Count("shadow_cx_overflow", "Times that maxConnections in shadow mode would have held a connection back", static s => s.ConnectionOverflow),
        Count("shadow_cx_rejected", "TCP streams that maxConnections in shadow mode would have refused", static s => s.StreamOverflow),
        Count("shadow_rq_delayed", "Calls that limits in shadow mode would have kept waiting longer", static s => s.Delayed),
        Count("shadow_rq_pending_timeout", "Calls that pendingTimeout in shadow mode would have ended", static s => s.PendingTimeout),
        Count("shadow_rq_write_timeout", "Calls that writeTimeout in shadow mode would have ended", static s => s.WriteTimeout),
        Count("shadow_rq_retry", "Retries that were not made, and would have been by a policy in shadow mode", static s => s.Retry),
        Count("shadow_rq_retry_spared", "Retries that were made, and would not have been by a policy in shadow mode", static s => s.RetrySpared),
        Count("shadow_rq_retry_evaluated", "Retries that maxRetries or a budget in shadow mode was asked about", static s => s.RetryEvaluated),
        Count("shadow_rq_retry_overflow", "Retries that maxRetries or a budget in shadow mode would have refused", static s => s.RetryOverflow),
        Count("shadow_cx_connect_timeout", "Connects that connectTimeout in shadow mode would have given up", static s => s.ConnectTimeout),
        Count("shadow_cx_mesh_overflow", "Connections that a share of meshLimits in shadow mode would have held back", static s => s.MeshConnectionOverflow),
        Count("shadow_rq_mesh_overflow", "Calls that a share of meshLimits in shadow mode would have refused", static s => s.MeshRequestOverflow),
        Count("shadow_rq_judged", "Outcomes that outlier detection in shadow mode was told of", static s => s.Judged),
        Count("shadow_ejections", "Endpoints that outlier detection in shadow mode would have ejected", static s => s.Ejections),
        Count("shadow_ejections_overflow", "Ejections in shadow mode that maxEjectionPercent would have held back", static s => s.EjectionsOverflow),
        Gauge("shadow_ejections_active", "Endpoints that would be ejected now", static s => s.EjectionsActive),
        Gauge("shadow_cx_max", "Most connections at once that there were beside limits in shadow mode", static s => s.MaxConnections),
        Gauge("shadow_rq_pending_max", "Most calls at once that waited beside limits in shadow mode", static s => s.MaxPending),
        Gauge("shadow_rq_retry_max", "Most retries at once that there were beside limits in shadow mode", static s => s.MaxRetries),
        Gauge("shadow_rq_max", "Most calls at once that were under way beside limits in shadow mode", static s => s.MaxRequests),
    ];

    private static StatRow<ClusterStatsView> Count(string name, string help, Func<ShadowStats, ShadowCount> count) =>
        new(name, StatType.Counter, help, c => c.Stats.Shadow is { } shadow ? count(shadow).Value : 0);

    private static StatRow<ClusterStatsView> Gauge(string name, string help, Func<ShadowStats, Gauge> gauge) =>
        new(name, StatType.Gauge, help, c => c.Stats.Shadow is { } shadow ? gauge(shadow).Value : 0);
}
