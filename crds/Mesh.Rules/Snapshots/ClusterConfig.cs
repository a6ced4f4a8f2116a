namespace Mesh.Rules.Snapshots;

/// <summary>What the upstream of a cluster speaks.</summary>
public enum ClusterProtocol
{
    /// <summary>HTTP/1.1.</summary>
    Http1,

    /// <summary>Opaque bytes.</summary>
    Tcp,
}

/// <summary>Load-balancing policies of a cluster.</summary>
public enum LoadBalancerPolicy
{
    /// <summary>Two random choices, the one with fewer active requests (Istio's default).</summary>
    LeastRequest,

    /// <summary>In turn.</summary>
    RoundRobin,

    /// <summary>Uniform.</summary>
    Random,
}

/// <summary>One upstream as compiled from service and rules: (direction, port, subset, host). Holds no endpoints.</summary>
public sealed record ClusterConfig
{
    /// <summary><c>outbound|port|subset|fqdn</c> or <c>inbound|port||</c>. The identity.</summary>
    public required string Name { get; init; }

    /// <summary>Fully qualified host of the service.</summary>
    public required string ServiceHost { get; init; }

    /// <summary>Service name for metrics (first label of the host).</summary>
    public string ServiceName { get; init; } = "unknown";

    /// <summary>Service namespace for metrics.</summary>
    public string ServiceNamespace { get; init; } = "unknown";

    /// <summary>Service port.</summary>
    public required int Port { get; init; }

    /// <summary>True for the cluster of the sidecar's own application.</summary>
    public bool IsInbound { get; init; }

    /// <summary>What the upstream speaks.</summary>
    public ClusterProtocol Protocol { get; init; }

    /// <summary>How endpoints are chosen.</summary>
    public LoadBalancerPolicy LoadBalancer { get; init; }

    /// <summary>Whether the addresses of its endpoints are names that the proxy resolves.</summary>
    public DnsDiscovery Dns { get; init; }

    /// <summary>Port of all hosts of a cluster with <see cref="DnsDiscovery.Dynamic"/>; 0 is the one that the caller asks for.</summary>
    public int OnDemandPort { get; init; }

    /// <summary>The upstream is the address that the caller was going to (resolution NONE, PASSTHROUGH): no endpoints are declared, none is chosen.</summary>
    public bool UsesOriginalDestination { get; init; }

    /// <summary>IP that connections come from; null leaves it to the system.</summary>
    public string? SourceAddress { get; init; }

    /// <summary>Consistent hashing in place of <see cref="LoadBalancer"/>; null is none.</summary>
    public HashConfig? Hash { get; init; }

    /// <summary>Slow start of new endpoints; null is none.</summary>
    public WarmupConfig? Warmup { get; init; }

    /// <summary>Limits.</summary>
    public CircuitBreakerConfig Limits { get; init; } = new();

    /// <summary>Life of connections.</summary>
    public ConnectionConfig Connection { get; init; } = new();

    /// <summary>Outlier detection; null means no detector.</summary>
    public OutlierConfig? Outlier { get; init; }

    /// <summary>Panic threshold in percent; 0 never panics. Envoy's default 50 applies without an outlier block.</summary>
    public int PanicThresholdPercent { get; init; } = 50;

    /// <summary>Retries of requests to the own application; null for none, and for outbound clusters, where routes decide.</summary>
    public RetryConfig? InboundRetry { get; init; }

    /// <summary>Retry budget in place of the limit of retries; null is none.</summary>
    public RetryBudgetConfig? RetryBudget { get; init; }

    /// <summary>Rule and path of the ResiliencePolicy in force, <c>default/products#spec</c>; null when there is none.</summary>
    public string? ResilienceSource { get; init; }

    /// <summary>Ours: longest wait of a request for a connection; zero is as long as it takes.</summary>
    public TimeSpan PendingTimeout { get; init; }

    /// <summary>Ours: longest time in which the upstream takes no byte of a request; zero is none.</summary>
    public TimeSpan WriteTimeout { get; init; }

    /// <summary>Ours: no request takes longer than its caller says that it waits (x-envoy-expected-rq-timeout-ms).</summary>
    public bool HonoursCallerDeadline { get; init; }

    /// <summary>Ours: what the upstream takes of all sidecars together; null is without limit.</summary>
    public MeshLimitsConfig? MeshLimits { get; init; }

    /// <summary>Ours: id that calls carry in the form that the upstream's owner wants; null is none.</summary>
    public TransactionIdConfig? TransactionId { get; init; }

    /// <summary>Ours: late answers for callers that ask for it; null is none.</summary>
    public AsyncReplyConfig? AsyncReply { get; init; }

    /// <summary>Ours: rate limits, all of which hold; null is none.</summary>
    public RateLimitConfigs? RateLimits { get; init; }

    /// <summary>Ours: circuit breaker; null is none.</summary>
    public BreakerConfig? Breaker { get; init; }

    /// <summary>Ours: most calls under way at one time; null is no limit.</summary>
    public ConcurrencyConfig? Concurrency { get; init; }

    /// <summary>Ours: circuit breakers of single routes, each in place of <see cref="Breaker"/>; null is none.</summary>
    public RouteBreakers? RouteBreakers { get; init; }

    /// <summary>Ours: what callers get instead of a refusal; null is none.</summary>
    public FallbackConfig? Fallback { get; init; }

    /// <summary>Ours: what rules in shadow mode would do; null is none.</summary>
    public ShadowConfig? Shadow { get; init; }

    /// <summary>TLS towards the endpoints; null is plain text.</summary>
    public UpstreamTlsConfig? Tls { get; init; }

    /// <summary>Header before the first byte of each connection.</summary>
    public ProxyProtocolVersion ProxyProtocol { get; init; }

    /// <summary>Tunnel of TCP streams through the endpoints; null is none.</summary>
    public TunnelConfig? Tunnel { get; init; }

    /// <summary>Rule and path of the connectionPool block in force, <c>default/products#spec.trafficPolicy.connectionPool</c>; null for defaults.</summary>
    public string? ConnectionPoolSource { get; init; }

    /// <summary>Rule and path of the outlierDetection block in force; null when there is none.</summary>
    public string? OutlierSource { get; init; }
}

/// <summary>Envoy's circuit-breaker thresholds as Istio sets them: unlimited (4294967295) unless the rule says otherwise.</summary>
/// <param name="MaxConnections">Most connections of the cluster.</param>
/// <param name="MaxPendingRequests">Most requests that wait for a connection.</param>
/// <param name="MaxRequests">Most active requests.</param>
/// <param name="MaxRetries">Most concurrent retries.</param>
public sealed record CircuitBreakerConfig(
    uint MaxConnections = uint.MaxValue,
    uint MaxPendingRequests = uint.MaxValue,
    uint MaxRequests = uint.MaxValue,
    uint MaxRetries = uint.MaxValue);

/// <summary>Life of upstream connections.</summary>
public sealed record ConnectionConfig
{
    /// <summary>Time allowed for connecting.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>HTTP: time without a stream before closing. Zero is off.</summary>
    public TimeSpan HttpIdleTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>TCP relay: time without bytes before closing. Zero is off.</summary>
    public TimeSpan TcpIdleTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Longest life; null is unlimited. HTTP: upstream connection drains. TCP: downstream connection ends.</summary>
    public TimeSpan? MaxConnectionDuration { get; init; }

    /// <summary>Requests after which a connection drains; 0 is unlimited.</summary>
    public uint MaxRequestsPerConnection { get; init; }

    /// <summary>Keepalive; null leaves SO_KEEPALIVE off.</summary>
    public TcpKeepaliveConfig? TcpKeepalive { get; init; }
}

/// <summary>Keepalive probes in whole seconds; null is the system's value.</summary>
/// <param name="Probes">Unanswered probes.</param>
/// <param name="TimeSeconds">Silence before the first probe.</param>
/// <param name="IntervalSeconds">Between probes.</param>
public sealed record TcpKeepaliveConfig(int? Probes, int? TimeSeconds, int? IntervalSeconds);

/// <summary>Outlier detection with every default filled in. A threshold of 0 means that detector is off.</summary>
public sealed record OutlierConfig
{
    /// <summary>5xx in a row.</summary>
    public int Consecutive5xx { get; init; } = 5;

    /// <summary>502/503/504 in a row.</summary>
    public int ConsecutiveGatewayFailure { get; init; }

    /// <summary>Local-origin failures in a row; only when <see cref="SplitLocalOrigin"/>.</summary>
    public int ConsecutiveLocalOriginFailure { get; init; } = 5;

    /// <summary>Count local-origin failures apart.</summary>
    public bool SplitLocalOrigin { get; init; }

    /// <summary>Time between sweeps.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Base of the ejection time.</summary>
    public TimeSpan BaseEjectionTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Cap of base × multiplier: 300 s, or the base if larger.</summary>
    public TimeSpan MaxEjectionTime { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>Most endpoints out at once, in percent.</summary>
    public int MaxEjectionPercent { get; init; } = 10;

    /// <summary>If not empty, the codes that count as errors, ascending, comma separated (a string so that records compare by value).</summary>
    public string ErrorCodes { get; init; } = "";
}
