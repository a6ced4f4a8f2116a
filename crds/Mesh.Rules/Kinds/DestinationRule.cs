using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What a caller's sidecar does with traffic to one host (Istio's DestinationRule spec). Unset fields are null.</summary>
public sealed record DestinationRule
{
    /// <summary>The host the rule is about, as written; a short name means a service of the rule's own namespace.</summary>
    public string? Host { get; init; }

    /// <summary>Policy for every port and subset that has none of its own.</summary>
    public TrafficPolicy? TrafficPolicy { get; init; }

    /// <summary>Named selections of endpoints by label.</summary>
    public ImmutableArray<Subset> Subsets { get; init; } = [];

    /// <summary>Namespaces that may use the rule: <c>.</c>, <c>*</c> or names; empty means all.</summary>
    public ImmutableArray<string> ExportTo { get; init; } = [];

    /// <summary>Restricts the rule to client workloads with these labels, in the rule's own namespace.</summary>
    public WorkloadSelector? WorkloadSelector { get; init; }

    internal static ObjectSchema<DestinationRule> Schema { get; } = new ObjectSchema<DestinationRule>()
        .Text("host", static (o, v) => o with { Host = v },
            "The service the rule is about; a short name means one of the rule's own namespace.")
            .Required("host is required: the service that the rule is about, such as products")
        .Field("trafficPolicy", TrafficPolicy.Schema, static (o, v) => o with { TrafficPolicy = v },
            "Policy for every port and subset that has none of its own.")
        .List("subsets", Subset.Schema, static (o, v) => o with { Subsets = v },
            "Named selections of endpoints by label.")
        .List("exportTo", TextType.Any, static (o, v) => o with { ExportTo = v },
            "Namespaces that may use the rule: ., * or names. Empty: all.")
        .Field("workloadSelector", WorkloadSelector.Schema, static (o, v) => o with { WorkloadSelector = v },
            "Restricts the rule to client workloads with these labels, in its own namespace.");
}

/// <summary>A named selection of a host's endpoints.</summary>
public sealed record Subset
{
    /// <summary>DNS-1123 label, unique within the rule.</summary>
    public string? Name { get; init; }

    /// <summary>Labels that an endpoint must all carry.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Policy that replaces the rule's, block by block.</summary>
    public TrafficPolicy? TrafficPolicy { get; init; }

    internal static ObjectSchema<Subset> Schema { get; } = new ObjectSchema<Subset>()
        .Text("name", static (o, v) => o with { Name = v },
            "DNS label, unique within the rule.")
            .Required("subset name cannot be empty")
        .TextMap("labels", static (o, v) => o with { Labels = v },
            "Labels that an endpoint must all carry.")
        .Field("trafficPolicy", TrafficPolicy.Schema, static (o, v) => o with { TrafficPolicy = v },
            "Policy that replaces the rule's, block by block.");
}

/// <summary>Selects workloads by label.</summary>
public sealed record WorkloadSelector
{
    /// <summary>Labels that a workload must all carry.</summary>
    public ImmutableSortedDictionary<string, string> MatchLabels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    internal static ObjectSchema<WorkloadSelector> Schema { get; } = new ObjectSchema<WorkloadSelector>()
        .TextMap("matchLabels", static (o, v) => o with { MatchLabels = v },
            "Labels that a workload must all carry.");
}
