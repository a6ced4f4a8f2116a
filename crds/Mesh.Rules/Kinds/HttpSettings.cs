using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

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

    internal static ObjectSchema<HttpSettings> Schema { get; } = new ObjectSchema<HttpSettings>()
        .NonNegative("http1MaxPendingRequests", static (o, v) => o with { Http1MaxPendingRequests = v },
            "Most requests that wait for a connection (HTTP/1.1, HTTP/2 and TCP). 0 or unset: no limit.", "http1 max pending requests")
        .NonNegative("http2MaxRequests", static (o, v) => o with { Http2MaxRequests = v },
            "Most active requests, HTTP/1.1 included. 0 or unset: no limit.", "http2 max requests")
        .NonNegative("maxRequestsPerConnection", static (o, v) => o with { MaxRequestsPerConnection = v },
            "Requests after which a connection is closed; 1 switches keep-alive off. 0 or unset: no limit.", "max requests per connection")
        .NonNegative("maxRetries", static (o, v) => o with { MaxRetries = v },
            "Most concurrent retries. 0 or unset: no limit.", "max retries")
        .Duration("idleTimeout", static (o, v) => o with { IdleTimeout = v },
            "Time without a request after which an upstream connection is closed. Default 1h.")
        .Enum("h2UpgradePolicy", static (o, v) => o with { H2UpgradePolicy = v },
            "Whether HTTP/1.1 is upgraded to HTTP/2 towards the upstream.", "DEFAULT", "DO_NOT_UPGRADE", "UPGRADE")
            .NotEnforcedYet("the upstream is spoken to in HTTP/1.1", "DEFAULT", "DO_NOT_UPGRADE")
        .Flag("useClientProtocol", static (o, v) => o with { UseClientProtocol = v },
            "Speak to the upstream what the downstream speaks.")
            .NotEnforcedYet("the upstream is spoken to in HTTP/1.1", "false")
        .NonNegative("maxConcurrentStreams", static (o, v) => o with { MaxConcurrentStreams = v },
            "Most concurrent streams of one HTTP/2 connection.", "max concurrent streams")
            .NotEnforcedYet("the upstream is spoken to in HTTP/1.1", "0")
        .Field("http2KeepAlive", Http2KeepAlive.Schema, static (o, v) => o with { Http2KeepAlive = v },
            "HTTP/2 PING.")
            .NotEnforcedYet("the upstream is spoken to in HTTP/1.1");
}

/// <summary>HTTP/2 PING settings; both fields are required.</summary>
public sealed record Http2KeepAlive
{
    /// <summary>Time between PINGs.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>Time allowed for the answer.</summary>
    public TimeSpan? Timeout { get; init; }

    internal static ObjectSchema<Http2KeepAlive> Schema { get; } = new ObjectSchema<Http2KeepAlive>()
        .Duration("interval", static (o, v) => o with { Interval = v },
            "Time between PINGs.")
            .Required("interval is required in http2KeepAlive")
        .Duration("timeout", static (o, v) => o with { Timeout = v },
            "Time allowed for the answer.")
            .Required("timeout is required in http2KeepAlive");
}
