using System.Collections.Immutable;

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
}

/// <summary>Selects workloads by label.</summary>
public sealed record WorkloadSelector
{
    /// <summary>Labels that a workload must all carry.</summary>
    public ImmutableSortedDictionary<string, string> MatchLabels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;
}
