namespace Mesh.Proxy.Telemetry;

/// <summary>The process as its statistics are read.</summary>
/// <param name="Stats">Counters of the process.</param>
/// <param name="IsLive">Whether it takes new traffic.</param>
/// <param name="State">Envoy's number of the state: 0 live, 1 draining, 2 not yet initializing, 3 initializing.</param>
/// <param name="UptimeSeconds">Seconds since the start.</param>
/// <param name="Concurrency">Event loops or threads the process is set to use.</param>
public readonly record struct ProxyStatsView(ProxyStats Stats, bool IsLive, int State, long UptimeSeconds, int Concurrency);

/// <summary>Statistics that belong to no cluster.</summary>
public static class ProxyStatRows
{
    /// <summary>Rows of one listener side, scope <c>http.&lt;side&gt;.</c>.</summary>
    public static IReadOnlyList<StatRow<DownstreamStats>> Downstream { get; } =
    [
        new("downstream_cx_total", StatType.Counter, "Connections accepted", static s => s.CxTotal.Value),
        new("downstream_cx_active", StatType.Gauge, "Connections open", static s => s.CxActive.Value),
        new("downstream_cx_protocol_error", StatType.Counter, "Connections that broke HTTP", static s => s.CxProtocolError.Value),
        new("downstream_cx_not_redirected", StatType.Counter, "Connections closed because they were neither redirected nor from loopback", static s => s.CxNotRedirected.Value),
        new("downstream_cx_loop", StatType.Counter, "Redirected connections closed because they were going to the sidecar itself", static s => s.CxLoop.Value),
        new("downstream_cx_overload_reject", StatType.Counter, "Connections closed because there were too many", static s => s.CxOverloadReject.Value),
        new("downstream_cx_idle_timeout", StatType.Counter, "Connections closed for their silence between requests", static s => s.CxIdleTimeout.Value),
        new("downstream_cx_max_requests_reached", StatType.Counter, "Connections closed after their last allowed request", static s => s.CxMaxRequestsReached.Value),
        new("downstream_cx_drain_close", StatType.Counter, "Connections closed because of a drain", static s => s.CxDrainClose.Value),
        new("downstream_cx_rx_bytes_total", StatType.Counter, "Bytes received from clients", static s => s.CxRxBytes.Value),
        new("downstream_cx_tx_bytes_total", StatType.Counter, "Bytes sent to clients", static s => s.CxTxBytes.Value),
        new("downstream_rq_total", StatType.Counter, "Requests received", static s => s.RqTotal.Value),
        new("downstream_rq_active", StatType.Gauge, "Requests in progress", static s => s.RqActive.Value),
        new("downstream_rq_idle_timeout", StatType.Counter, "Requests ended because nothing moved", static s => s.RqIdleTimeout.Value),
        new("downstream_rq_header_timeout", StatType.Counter, "Requests refused because their head took too long", static s => s.RqHeaderTimeout.Value),
    ];

    /// <summary>Rows of the process, scope <c>server.</c>.</summary>
    public static IReadOnlyList<StatRow<ProxyStatsView>> Server { get; } =
    [
        new("live", StatType.Gauge, "1 while the sidecar takes new traffic", static s => s.IsLive ? 1 : 0),
        new("state", StatType.Gauge, "0 live, 1 draining, 2 not yet initializing, 3 initializing", static s => s.State),
        new("uptime", StatType.Gauge, "Seconds since the start", static s => s.UptimeSeconds),
        new("concurrency", StatType.Gauge, "Threads that carry traffic", static s => s.Concurrency),
        new("memory_allocated", StatType.Gauge, "Bytes in use on the managed heap", static _ => GC.GetTotalMemory(forceFullCollection: false)),
        new("memory_physical_size", StatType.Gauge, "Bytes of physical memory in use", static _ => Environment.WorkingSet),
        new("accept_error_total", StatType.Counter, "Times that the system refused to hand over a connection", static s => s.Stats.AcceptErrors.Value),
        new("config_applied_total", StatType.Counter, "Snapshots put in force", static s => s.Stats.ConfigApplied.Value),
        new("config_rejected_total", StatType.Counter, "Snapshots, pushes and rule files refused, wholly or in part; what was in force stayed", static s => s.Stats.ConfigRejected.Value),
        new("tls_files_read_total", StatType.Counter, "Times that certificates and keys were read and put in force", static s => s.Stats.TlsFilesRead.Value),
        new("tls_files_rejected_total", StatType.Counter, "Times that certificates or keys could not be used; the last good ones stayed", static s => s.Stats.TlsFilesRejected.Value),
        new("unexpected_exception_total", StatType.Counter, "Exceptions that only a bug can cause", static s => s.Stats.UnexpectedExceptions.Value),
    ];
}
