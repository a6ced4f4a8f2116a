namespace Mesh.Proxy.Telemetry;

/// <summary>Counters of the process that belong to no cluster.</summary>
public sealed class ProxyStats
{
    /// <summary>http.outbound.downstream_*.</summary>
    public DownstreamStats Outbound { get; } = new();

    /// <summary>http.inbound.downstream_*.</summary>
    public DownstreamStats Inbound { get; } = new();

    /// <summary>vhost.*.route.*.</summary>
    public RouteStatsTable Routes { get; } = new();

    /// <summary>unexpected_exception_total: exceptions that only a bug can cause. Every integration test asserts that it is 0.</summary>
    public StripedCounter UnexpectedExceptions { get; } = new();

    /// <summary>accept_error_total: times that the system refused to hand over a connection, descriptors exhausted for one.</summary>
    public StripedCounter AcceptErrors { get; } = new();

    /// <summary>tls_files_read_total: times that certificates, keys and lists were read and put in force.</summary>
    public StripedCounter TlsFilesRead { get; } = new();

    /// <summary>tls_files_rejected_total: times that they could not be used; what they said before stays in force.</summary>
    public StripedCounter TlsFilesRejected { get; } = new();

    /// <summary>Snapshots applied (listener_manager.lds.update_success and friends have no use here).</summary>
    public StripedCounter ConfigApplied { get; } = new();

    /// <summary>config_rejected: snapshots, pushes and rule files refused, wholly or in part; what they would have replaced stays.</summary>
    public StripedCounter ConfigRejected { get; } = new();
}

/// <summary>Counters of one listener side.</summary>
public sealed class DownstreamStats
{
    /// <summary>downstream_cx_total.</summary>
    public StripedCounter CxTotal { get; } = new();

    /// <summary>downstream_cx_active.</summary>
    public Gauge CxActive { get; } = new();

    /// <summary>downstream_rq_total.</summary>
    public StripedCounter RqTotal { get; } = new();

    /// <summary>downstream_rq_active.</summary>
    public Gauge RqActive { get; } = new();

    /// <summary>downstream_cx_protocol_error.</summary>
    public StripedCounter CxProtocolError { get; } = new();

    /// <summary>Connections closed because they were neither redirected nor from loopback.</summary>
    public StripedCounter CxNotRedirected { get; } = new();

    /// <summary>downstream_cx_loop: redirected connections closed because they were going to this proxy itself.</summary>
    public StripedCounter CxLoop { get; } = new();

    /// <summary>downstream_cx_overload_reject: connections closed because there were too many.</summary>
    public StripedCounter CxOverloadReject { get; } = new();

    /// <summary>downstream_cx_idle_timeout.</summary>
    public StripedCounter CxIdleTimeout { get; } = new();

    /// <summary>downstream_cx_max_requests_reached.</summary>
    public StripedCounter CxMaxRequestsReached { get; } = new();

    /// <summary>downstream_cx_drain_close: connections closed because of a drain.</summary>
    public StripedCounter CxDrainClose { get; } = new();

    /// <summary>downstream_rq_idle_timeout.</summary>
    public StripedCounter RqIdleTimeout { get; } = new();

    /// <summary>downstream_rq_header_timeout.</summary>
    public StripedCounter RqHeaderTimeout { get; } = new();

    /// <summary>downstream_cx_rx_bytes_total.</summary>
    public StripedCounter CxRxBytes { get; } = new();

    /// <summary>downstream_cx_tx_bytes_total.</summary>
    public StripedCounter CxTxBytes { get; } = new();
}
