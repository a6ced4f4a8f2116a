namespace Mesh.Proxy.Telemetry;

/// <summary>The closed list of reasons for a local reply: the first word of <c>x-mesh-reason</c>. Text form: snake_case.</summary>
public enum DecisionReason : byte
{
    /// <summary>No decision fell.</summary>
    None,

    /// <summary>http1MaxPendingRequests reached.</summary>
    PendingOverflow,

    /// <summary>http2MaxRequests reached.</summary>
    RequestOverflow,

    /// <summary>maxConnections reached (TCP).</summary>
    ConnectionOverflow,

    /// <summary>Every endpoint is ejected or reported unhealthy.</summary>
    NoHealthyUpstream,

    /// <summary>The service has no endpoints.</summary>
    NoEndpoints,

    /// <summary>The upstream refused or reset the connection while connecting.</summary>
    ConnectFailure,

    /// <summary>connectTimeout passed.</summary>
    ConnectTimeout,

    /// <summary>The upstream closed the connection before response headers.</summary>
    UpstreamClosed,

    /// <summary>The upstream's answer breaks HTTP.</summary>
    UpstreamProtocolError,

    /// <summary>No service of this name is known.</summary>
    UnknownService,

    /// <summary>A route names a cluster that is not there.</summary>
    UnknownCluster,

    /// <summary>The request's target is one of this sidecar's own listeners.</summary>
    Loop,

    /// <summary>The request breaks HTTP.</summary>
    BadRequest,

    /// <summary>The sidecar is draining.</summary>
    Draining,

    /// <summary>The connection was not redirected and does not come from loopback.</summary>
    NotRedirected,

    /// <summary>The head of a request took too long; the limit is in milliseconds.</summary>
    RequestHeaderTimeout,

    /// <summary>A request stood still for too long; the limit is in milliseconds.</summary>
    StreamIdleTimeout,

    /// <summary>All attempts together took longer than the route allows; the limit is in milliseconds.</summary>
    RouteTimeout,

    /// <summary>The last attempt took longer than one may; the limit is in milliseconds.</summary>
    PerTryTimeout,

    /// <summary>The request waited too long for a connection; the limit is in milliseconds.</summary>
    PendingTimeout,

    /// <summary>The upstream took no byte of the request for too long; the limit is in milliseconds.</summary>
    UpstreamWriteTimeout,

    /// <summary>No route of the host fits the request.</summary>
    NoRoute,

    /// <summary>A rule asks for this failure.</summary>
    FaultAbort,

    /// <summary>The caller said how long it waits, and that time is over; the limit is in milliseconds.</summary>
    CallerDeadline,

    /// <summary>The name that the request asks for could not be resolved.</summary>
    DnsFailure,

    /// <summary>Requests have asked for too many different names.</summary>
    DnsCacheOverflow,

    /// <summary>The upstream is where the caller was going, and nobody knows where that is: the connection was not redirected.</summary>
    NoOriginalDestination,

    /// <summary>Connections to too many different destinations at once.</summary>
    DestinationOverflow,

    /// <summary>The circuit breaker of the service is open, or lets only a few calls through on trial.</summary>
    CircuitOpen,

    /// <summary>The rate limit has no token for the request, or no wait that is short enough.</summary>
    RateLimited,

    /// <summary>As many calls as may be are under way, or the line of those that wait is full or was too slow.</summary>
    ConcurrencyOverflow,

    /// <summary>The rate limit lets requests through only at certain hours, and these are others.</summary>
    OutsideAllowedHours,
}

/// <summary>Whom a decision is about.</summary>
public enum DecisionScope : byte
{
    /// <summary>This sidecar alone.</summary>
    Sidecar,

    /// <summary>All sidecars together: the control plane has decided, or given out the share that is used up.</summary>
    Mesh,
}

/// <summary>What a decision did to its request. Text form: snake_case.</summary>
public enum DecisionVerdict : byte
{
    /// <summary>The proxy answered itself, or closed the connection.</summary>
    Refused,

    /// <summary>It would have been refused; a Fallback answered instead, or led it to another host.</summary>
    Replaced,

    /// <summary>An attempt failed, and another one follows.</summary>
    Retried,

    /// <summary>It had to wait, and went on.</summary>
    Waited,

    /// <summary>A rule in shadow mode would have done it; nothing was done.</summary>
    Shadow,
}

/// <summary>
/// What was decided and why, made where the decision falls: rule, field, limit and value at that instant. The reply header,
/// access log, metrics and <c>explain</c> all read it; it becomes text only when somebody asks.
/// </summary>
/// <param name="Reason">The reason.</param>
/// <param name="Rule">Rule and path of the block in force (<c>default/products#spec.trafficPolicy.connectionPool</c>); null for built-in defaults.</param>
/// <param name="Field">Field below the block, such as <c>http.http1MaxPendingRequests</c>; null when no field is meant.</param>
/// <param name="Limit">The limit; -1 when there is none.</param>
/// <param name="Now">The value at that instant; -1 when there is none.</param>
public readonly record struct DecisionRecord(DecisionReason Reason, string? Rule = null, string? Field = null, long Limit = -1, long Now = -1)
{
    /// <summary>What else helps, in words: <c>dns: NXDOMAIN for api.example.com</c>; null when nothing does. Without quotation marks and line ends.</summary>
    public string? Detail { get; init; }

    /// <summary>Whose limit and value these are.</summary>
    public DecisionScope Scope { get; init; }

    /// <summary>What it did to the request.</summary>
    public DecisionVerdict Verdict { get; init; }

    /// <summary>Whether a decision fell.</summary>
    public bool IsSet => Reason != DecisionReason.None;
}
