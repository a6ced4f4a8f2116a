using System.Collections.Immutable;

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
}

/// <summary>Names a port by number.</summary>
public sealed record PortSelector
{
    /// <summary>1 to 65535.</summary>
    public int? Number { get; init; }
}

/// <summary>Tunnelling of TCP traffic.</summary>
public sealed record TunnelSettings
{
    /// <summary>CONNECT (also when empty) or POST.</summary>
    public string? Protocol { get; init; }

    /// <summary>Host to which the tunnel leads.</summary>
    public string? TargetHost { get; init; }

    /// <summary>Port to which the tunnel leads.</summary>
    public int? TargetPort { get; init; }
}

/// <summary>PROXY protocol settings.</summary>
public sealed record ProxyProtocolSettings
{
    /// <summary>V1 (default) or V2.</summary>
    public string? Version { get; init; }
}

/// <summary>Retry budget.</summary>
public sealed record RetryBudget
{
    /// <summary>Percent of active and pending requests; default 20.</summary>
    public double? Percent { get; init; }

    /// <summary>Retries always allowed; default 3.</summary>
    public int? MinRetryConcurrency { get; init; }

    /// <summary>Requests started within this time count too; default 0.</summary>
    public TimeSpan? BudgetInterval { get; init; }
}
