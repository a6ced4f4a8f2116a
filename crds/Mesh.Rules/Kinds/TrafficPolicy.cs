using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>The blocks of a traffic policy; a block that is null was not written.</summary>
public sealed record TrafficPolicy
{
    /// <summary>How an endpoint is chosen.</summary>
    public LoadBalancerSettings? LoadBalancer { get; init; }

    /// <summary>Limits on connections and requests.</summary>
    public ConnectionPoolSettings? ConnectionPool { get; init; }

    /// <summary>When a failing endpoint leaves the rotation.</summary>
    public OutlierDetection? OutlierDetection { get; init; }

    /// <summary>TLS towards the upstream.</summary>
    public ClientTlsSettings? Tls { get; init; }

    /// <summary>Policies of single ports; each stands alone and inherits nothing.</summary>
    public ImmutableArray<PortTrafficPolicy> PortLevelSettings { get; init; } = [];

    /// <summary>Tunnelling of TCP through CONNECT or POST.</summary>
    public TunnelSettings? Tunnel { get; init; }

    /// <summary>PROXY protocol towards the upstream.</summary>
    public ProxyProtocolSettings? ProxyProtocol { get; init; }

    /// <summary>Limit on retries as a share of the load.</summary>
    public RetryBudget? RetryBudget { get; init; }

    internal static ObjectSchema<TrafficPolicy> Schema { get; } = new ObjectSchema<TrafficPolicy>()
        .Field("loadBalancer", LoadBalancerSettings.Schema, static (o, v) => o with { LoadBalancer = v },
            "How an endpoint is chosen.")
        .Field("connectionPool", ConnectionPoolSettings.Schema, static (o, v) => o with { ConnectionPool = v },
            "Limits on connections and requests.")
        .Field("outlierDetection", OutlierDetection.Schema, static (o, v) => o with { OutlierDetection = v },
            "When a failing endpoint leaves the rotation. Present, even empty, it switches detection on.")
        .Field("tls", ClientTlsSettings.Schema, static (o, v) => o with { Tls = v },
            "TLS towards the upstream.")
        .List("portLevelSettings", PortTrafficPolicy.Schema, static (o, v) => o with { PortLevelSettings = v },
            "Policies of single ports; each stands alone and inherits nothing.")
        .Field("tunnel", TunnelSettings.Schema, static (o, v) => o with { Tunnel = v },
            "Tunnelling of TCP through CONNECT or POST.")
            .NotEnforcedYet("traffic is not tunnelled")
        .Field("proxyProtocol", ProxyProtocolSettings.Schema, static (o, v) => o with { ProxyProtocol = v },
            "PROXY protocol towards the upstream.")
            .NotEnforcedYet("no PROXY protocol header is sent")
        .Field("retryBudget", RetryBudget.Schema, static (o, v) => o with { RetryBudget = v },
            "Limit on retries as a share of the load; takes the place of maxRetries.");
}

/// <summary>The policy of one port.</summary>
public sealed record PortTrafficPolicy
{
    /// <summary>The service port it is about.</summary>
    public PortSelector? Port { get; init; }

    /// <summary>How an endpoint is chosen.</summary>
    public LoadBalancerSettings? LoadBalancer { get; init; }

    /// <summary>Limits on connections and requests.</summary>
    public ConnectionPoolSettings? ConnectionPool { get; init; }

    /// <summary>When a failing endpoint leaves the rotation.</summary>
    public OutlierDetection? OutlierDetection { get; init; }

    /// <summary>TLS towards the upstream.</summary>
    public ClientTlsSettings? Tls { get; init; }

    internal static ObjectSchema<PortTrafficPolicy> Schema { get; } = new ObjectSchema<PortTrafficPolicy>()
        .Field("port", PortSelector.Schema, static (o, v) => o with { Port = v },
            "The service port it is about.")
        .Field("loadBalancer", LoadBalancerSettings.Schema, static (o, v) => o with { LoadBalancer = v },
            "How an endpoint is chosen.")
        .Field("connectionPool", ConnectionPoolSettings.Schema, static (o, v) => o with { ConnectionPool = v },
            "Limits on connections and requests.")
        .Field("outlierDetection", OutlierDetection.Schema, static (o, v) => o with { OutlierDetection = v },
            "When a failing endpoint leaves the rotation. Present, even empty, it switches detection on.")
        .Field("tls", ClientTlsSettings.Schema, static (o, v) => o with { Tls = v },
            "TLS towards the upstream.");
}

/// <summary>Names a port by number.</summary>
public sealed record PortSelector
{
    /// <summary>1 to 65535.</summary>
    public int? Number { get; init; }

    internal static ObjectSchema<PortSelector> Schema { get; } = new ObjectSchema<PortSelector>()
        .Port("number", static (o, v) => o with { Number = v },
            "Number of the port.");
}
