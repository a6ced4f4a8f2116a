using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Connection-pool limits of a host.</summary>
public sealed record ConnectionPoolSettings
{
    /// <summary>Settings for HTTP and TCP alike.</summary>
    public TcpSettings? Tcp { get; init; }

    /// <summary>Settings for HTTP.</summary>
    public HttpSettings? Http { get; init; }

    internal static ObjectSchema<ConnectionPoolSettings> Schema { get; } = new ObjectSchema<ConnectionPoolSettings>()
        .Field("tcp", TcpSettings.Schema, static (o, v) => o with { Tcp = v },
            "Settings for HTTP and TCP alike.")
        .Field("http", HttpSettings.Schema, static (o, v) => o with { Http = v },
            "Settings for HTTP.");
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

    internal static ObjectSchema<TcpSettings> Schema { get; } = new ObjectSchema<TcpSettings>()
        .NonNegative("maxConnections", static (o, v) => o with { MaxConnections = v },
            "Most connections to the host. 0 or unset: no limit.", "max connections")
        .Duration("connectTimeout", static (o, v) => o with { ConnectTimeout = v },
            "Time allowed for connecting, TLS included. Default 10s.")
        .Field("tcpKeepalive", TcpKeepalive.Schema, static (o, v) => o with { TcpKeepalive = v },
            "TCP keepalive; the block's presence alone switches it on.")
        .Duration("maxConnectionDuration", static (o, v) => o with { MaxConnectionDuration = v },
            "Longest life of a connection. Unset: no limit.")
        .Duration("idleTimeout", static (o, v) => o with { IdleTimeout = v },
            "Time without traffic after which a connection is closed. Default 1h; 0s: never.", allowZero: true);
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

    internal static ObjectSchema<TcpKeepalive> Schema { get; } = new ObjectSchema<TcpKeepalive>()
        .NonNegative("probes", static (o, v) => o with { Probes = v },
            "Unanswered probes before the connection is dead.", "probes")
        .Duration("time", static (o, v) => o with { Time = v },
            "Silence before the first probe.")
        .Duration("interval", static (o, v) => o with { Interval = v },
            "Time between probes.");
}
