namespace Mesh.Rules.Kinds;

/// <summary>Connection-pool limits of a host.</summary>
public sealed record ConnectionPoolSettings
{
    /// <summary>Settings for HTTP and TCP alike.</summary>
    public TcpSettings? Tcp { get; init; }

    /// <summary>Settings for HTTP.</summary>
    public HttpSettings? Http { get; init; }
}

/// <summary>Connection settings common to HTTP and TCP.</summary>
public sealed record TcpSettings
{
    /// <summary>Most connections to the host; 0 or unset means no limit.</summary>
    public int? MaxConnections { get; init; }

    /// <summary>Time allowed for connecting, TLS included; default 10 s.</summary>
    public TimeSpan? ConnectTimeout { get; init; }

    /// <summary>SO_KEEPALIVE; the block's presence alone switches it on.</summary>
    public TcpKeepalive? TcpKeepalive { get; init; }

    /// <summary>Longest life of a connection; unset means no limit.</summary>
    public TimeSpan? MaxConnectionDuration { get; init; }

    /// <summary>Time without traffic after which a connection is closed; default 1 h, 0 switches it off.</summary>
    public TimeSpan? IdleTimeout { get; init; }
}

/// <summary>TCP keepalive probes; unset fields are the system's.</summary>
public sealed record TcpKeepalive
{
    /// <summary>Unanswered probes before the connection is dead.</summary>
    public int? Probes { get; init; }

    /// <summary>Silence before the first probe.</summary>
    public TimeSpan? Time { get; init; }

    /// <summary>Time between probes.</summary>
    public TimeSpan? Interval { get; init; }
}

/// <summary>HTTP settings of a connection pool.</summary>
public sealed record HttpSettings
{
    /// <summary>Most requests that wait for a connection (HTTP/1.1, HTTP/2 and TCP); 0 or unset means no limit.</summary>
    public int? Http1MaxPendingRequests { get; init; }

    /// <summary>Most active requests, HTTP/1.1 included; 0 or unset means no limit.</summary>
    public int? Http2MaxRequests { get; init; }

    /// <summary>Requests after which a connection is closed; 1 switches keep-alive off, 0 or unset means no limit.</summary>
    public int? MaxRequestsPerConnection { get; init; }

    /// <summary>Most concurrent retries; 0 or unset means no limit.</summary>
    public int? MaxRetries { get; init; }

    /// <summary>Time without a request after which an upstream connection is closed; default 1 h.</summary>
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>DEFAULT, DO_NOT_UPGRADE or UPGRADE.</summary>
    public string? H2UpgradePolicy { get; init; }

    /// <summary>Speak to the upstream what the downstream speaks.</summary>
    public bool? UseClientProtocol { get; init; }

    /// <summary>Most concurrent streams of one HTTP/2 connection.</summary>
    public int? MaxConcurrentStreams { get; init; }

    /// <summary>HTTP/2 PING.</summary>
    public Http2KeepAlive? Http2KeepAlive { get; init; }
}

/// <summary>HTTP/2 PING settings; both fields are required.</summary>
public sealed record Http2KeepAlive
{
    /// <summary>Time between PINGs.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>Time allowed for the answer.</summary>
    public TimeSpan? Timeout { get; init; }
}
