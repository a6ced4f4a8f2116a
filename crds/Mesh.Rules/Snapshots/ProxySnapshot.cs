using System.Collections.Immutable;

namespace Mesh.Rules.Snapshots;

/// <summary>Everything one sidecar runs with, compiled, immutable, compared by content.</summary>
/// <param name="Version">Content version of the inputs; only for humans and ACKs.</param>
/// <param name="Clusters">Clusters by name, outbound and inbound.</param>
/// <param name="Endpoints">Endpoints by cluster name; a cluster without an entry has none.</param>
/// <param name="Routes">Routes of the outbound HTTP listener.</param>
/// <param name="Listeners">Extra listeners (TCP ports of service entries); outbound and inbound HTTP are fixed by options.</param>
public sealed record ProxySnapshot(
    string Version,
    ImmutableDictionary<string, ClusterConfig> Clusters,
    ImmutableDictionary<string, ImmutableArray<EndpointConfig>> Endpoints,
    RouteConfig Routes,
    ImmutableArray<ListenerConfig> Listeners)
{
    /// <summary>What happens to calls for a destination that no rule and no service names.</summary>
    public OutboundTrafficPolicy OutboundPolicy { get; init; }

    /// <summary>A snapshot with nothing in it.</summary>
    public static ProxySnapshot Empty { get; } = new("0", ImmutableDictionary<string, ClusterConfig>.Empty,
        ImmutableDictionary<string, ImmutableArray<EndpointConfig>>.Empty, new RouteConfig([]), []);
}

/// <summary>Host-based routes of the outbound HTTP listener.</summary>
/// <param name="VirtualHosts">Virtual hosts; a domain stands in at most one of them per port.</param>
public sealed record RouteConfig(ImmutableArray<VirtualHostConfig> VirtualHosts);

/// <summary>The names under which a service port is called, and the cluster that answers.</summary>
/// <param name="Name">Name for the access log, <c>fqdn:port</c>.</param>
/// <param name="Port">Service port; a request without a port in its authority means port 80.</param>
/// <param name="Domains">Host names, lower case, without port: short name, with namespace, fully qualified, virtual IPs, <c>*.suffix</c>; and CIDR blocks, for redirected calls of an address in them.</param>
/// <param name="Cluster">Name of the cluster for requests when there are no routes; empty for a host that only a VirtualService knows, which has routes.</param>
public sealed record VirtualHostConfig(string Name, int Port, ImmutableArray<string> Domains, string Cluster)
{
    /// <summary>Routes of a VirtualService, the first match counts; a request that none matches is answered 404. Default: all goes to <see cref="Cluster"/>.</summary>
    public ImmutableArray<HttpRouteConfig> Routes { get; init; } = [];

    /// <summary>Retries of requests that go to <see cref="Cluster"/> without a route; null is none.</summary>
    public RetryConfig? Retry { get; init; }

    /// <summary>Its service speaks no HTTP: only tunnels (CONNECT) lead there.</summary>
    public bool IsTunnelOnly { get; init; }
}

/// <summary>A TCP listener, of one service or of several that are told apart by the server name of TLS.</summary>
/// <param name="Name">Name, such as <c>127.0.0.1_3306</c>; identity is the address and port.</param>
/// <param name="Address">IP to bind; or a CIDR block, which is not bound: redirected connections to an address in it are meant.</param>
/// <param name="Port">Port to bind.</param>
/// <param name="Cluster">Name of the cluster for connections that no route fits; empty when there is none: they are closed (NR).</param>
/// <param name="Source">The rule that asks for it (<c>ServiceEntry/default/db</c>), for the status; of several services the first one's.</param>
public sealed record ListenerConfig(string Name, string Address, int Port, string Cluster, string Source)
{
    /// <summary>Whether clients speak TLS: the server name that they ask for is read, not consumed, before anything else.</summary>
    public bool IsTls { get; init; }

    /// <summary>Where connections go; all others to <see cref="Cluster"/>.</summary>
    public ImmutableArray<ConnectionRouteConfig> Routes { get; init; } = [];

    /// <summary>A service has no address of its own: redirected connections to its port are meant, whatever address they were going to.</summary>
    public bool IsForAnyAddress { get; init; }
}

/// <summary>One upstream address of a cluster. Identity is <see cref="Address"/> alone.</summary>
/// <param name="Address"><c>ip:port</c> to connect to (IPv6 in brackets); may be <c>name:port</c> in a cluster with <see cref="ClusterConfig.Dns"/>.</param>
/// <param name="Weight">Load-balancing weight, at least 1.</param>
/// <param name="Zone">Locality, or empty.</param>
/// <param name="Workload">Workload for metrics, or <c>unknown</c>.</param>
/// <param name="WorkloadNamespace">Namespace of the workload, or <c>unknown</c>.</param>
/// <param name="WorkloadVersion">Version label of the workload, or <c>latest</c>.</param>
/// <param name="IsHealthy">False when the service itself reports the endpoint as not ready.</param>
public sealed record EndpointConfig(
    string Address,
    int Weight = 1,
    string Zone = "",
    string Workload = "unknown",
    string WorkloadNamespace = "unknown",
    string WorkloadVersion = "latest",
    bool IsHealthy = true)
{
    /// <summary>Failover order, 0 first: a priority gets traffic only as far as those before it cannot carry it (semantics 8.3).</summary>
    public int Priority { get; init; }

    /// <summary>Share of the whole locality among those of its priority; 0 in all: localities do not count.</summary>
    public int LocalityWeight { get; init; }

    /// <summary>
    /// Where a new connection goes when <see cref="Address"/> is a name: addresses in the order in which they are tried, separated by commas (text, so that records
    /// compare by value); null when it is the address itself. Set by the proxy, never by a compiler.
    /// </summary>
    public string? DialAddress { get; init; }
}
