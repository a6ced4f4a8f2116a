using System.Collections.Immutable;

namespace Mesh.Rules.Kinds;

/// <summary>A service that the registry does not know by itself (Istio's ServiceEntry spec).</summary>
public sealed record ServiceEntry
{
    /// <summary>Host names; at least one.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];

    /// <summary>Virtual IPs or CIDR blocks.</summary>
    public ImmutableArray<string> Addresses { get; init; } = [];

    /// <summary>Ports of the service.</summary>
    public ImmutableArray<ServicePort> Ports { get; init; } = [];

    /// <summary>MESH_EXTERNAL (default) or MESH_INTERNAL.</summary>
    public string? Location { get; init; }

    /// <summary>NONE (default), STATIC, DNS, DNS_ROUND_ROBIN or DYNAMIC_DNS.</summary>
    public string? Resolution { get; init; }

    /// <summary>Endpoints; excludes <see cref="WorkloadSelector"/>.</summary>
    public ImmutableArray<WorkloadEntry> Endpoints { get; init; } = [];

    /// <summary>Selects workloads as endpoints.</summary>
    public ServiceEntrySelector? WorkloadSelector { get; init; }

    /// <summary>Namespaces that see the entry: <c>.</c>, <c>*</c> or names; empty means all.</summary>
    public ImmutableArray<string> ExportTo { get; init; } = [];

    /// <summary>Names of which the server's certificate must carry one.</summary>
    public ImmutableArray<string> SubjectAltNames { get; init; } = [];
}

/// <summary>A port of a service entry.</summary>
public sealed record ServicePort
{
    /// <summary>1 to 65535; unique.</summary>
    public int? Number { get; init; }

    /// <summary>HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.</summary>
    public string? Protocol { get; init; }

    /// <summary>Name; unique.</summary>
    public string? Name { get; init; }

    /// <summary>Port on the endpoint; default <see cref="Number"/>.</summary>
    public int? TargetPort { get; init; }
}

/// <summary>An endpoint of a service entry; also the spec of Istio's WorkloadEntry.</summary>
public sealed record WorkloadEntry
{
    /// <summary>IP, host name or unix:// path.</summary>
    public string? Address { get; init; }

    /// <summary>Endpoint port by name of the service port.</summary>
    public ImmutableSortedDictionary<string, int> Ports { get; init; } = ImmutableSortedDictionary<string, int>.Empty;

    /// <summary>Labels, for subsets.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Network of the endpoint.</summary>
    public string? Network { get; init; }

    /// <summary>region/zone/subzone.</summary>
    public string? Locality { get; init; }

    /// <summary>Load-balancing weight; default 1.</summary>
    public int? Weight { get; init; }

    /// <summary>Service account of the workload.</summary>
    public string? ServiceAccount { get; init; }
}

/// <summary>Selects workloads by label.</summary>
public sealed record ServiceEntrySelector
{
    /// <summary>Labels that a workload must all carry.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;
}
