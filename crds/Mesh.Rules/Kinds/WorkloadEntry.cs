using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

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

    internal static ObjectSchema<WorkloadEntry> Schema { get; } = new ObjectSchema<WorkloadEntry>()
        .Text("address", static (o, v) => o with { Address = v },
            "IP, host name or unix:// path.")
        .WholeMap("ports", new WholeType(1, 65535, "int32"), static (o, v) => o with { Ports = v },
            "Endpoint port by name of the service port.")
        .TextMap("labels", static (o, v) => o with { Labels = v },
            "Labels, for subsets.")
        .Text("network", static (o, v) => o with { Network = v },
            "Network of the endpoint.")
            .NotEnforcedYet("networks are not told apart")
        .Text("locality", static (o, v) => o with { Locality = v },
            "region/zone/subzone.")
        .Whole("weight", static (o, v) => o with { Weight = v },
            "Load-balancing weight. Default 1.", min: 0)
        .Text("serviceAccount", static (o, v) => o with { ServiceAccount = v },
            "Service account of the workload.")
            .NotEnforcedYet("traffic is sent without mutual TLS");
}

/// <summary>Selects workloads by label.</summary>
public sealed record ServiceEntrySelector
{
    /// <summary>Labels that a workload must all carry.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    internal static ObjectSchema<ServiceEntrySelector> Schema { get; } = new ObjectSchema<ServiceEntrySelector>()
        .TextMap("labels", static (o, v) => o with { Labels = v },
            "Labels that a workload must all carry.");
}
