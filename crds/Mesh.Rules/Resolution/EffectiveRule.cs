using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>What the destination rules of one namespace say about one host, after merging (semantics 1.11).</summary>
public sealed record EffectiveRule
{
    /// <summary>Namespace of the rules.</summary>
    public required string Namespace { get; init; }

    /// <summary>Expanded host, possibly a wildcard.</summary>
    public required string Host { get; init; }

    /// <summary>exportTo of the oldest rule as namespace names, sorted, <c>*</c> for all: unset and <c>.</c> are spelt out, so that equal means the same clients.</summary>
    public required ImmutableSortedSet<string> ExportTo { get; init; }

    /// <summary>Labels a client must carry; empty means no selector.</summary>
    public required ImmutableSortedDictionary<string, string> Selector { get; init; }

    /// <summary>The first rule with a top-level policy, or null.</summary>
    public RuleDocument? PolicyRule { get; init; }

    /// <summary>Subsets by name, each with the rule and place it comes from.</summary>
    public ImmutableArray<EffectiveSubset> Subsets { get; init; } = [];

    /// <summary>All rules merged, oldest first.</summary>
    public required ImmutableArray<RuleDocument> Rules { get; init; }

    /// <summary>The policy of <see cref="PolicyRule"/>.</summary>
    public TrafficPolicy? Policy => (PolicyRule?.Spec as DestinationRule)?.TrafficPolicy;

    /// <summary>Whether a client in <paramref name="clientNamespace"/> may use it.</summary>
    public bool IsExportedTo(string clientNamespace) =>
        ExportTo.Contains("*") || ExportTo.Contains(clientNamespace);

    /// <summary>Whether only its own namespace may use it.</summary>
    public bool IsPrivate => ExportTo.Count == 1 && ExportTo.Contains(Namespace);

    /// <summary>Whether it asks for labels and <paramref name="labels"/> has them all.</summary>
    public bool SelectsClient(ImmutableSortedDictionary<string, string> labels) => !Selector.IsEmpty && LabelMatch.HasAll(labels, Selector);
}

/// <summary>A subset and where it was written.</summary>
/// <param name="Subset">The subset.</param>
/// <param name="Rule">The rule it comes from.</param>
/// <param name="Index">Its place in that rule's list.</param>
public sealed record EffectiveSubset(Subset Subset, RuleDocument Rule, int Index);

/// <summary>Label selection.</summary>
public static class LabelMatch
{
    /// <summary>Whether <paramref name="labels"/> has every one of <paramref name="wanted"/>.</summary>
    public static bool HasAll(ImmutableSortedDictionary<string, string> labels, ImmutableSortedDictionary<string, string> wanted)
    {
        foreach ((string key, string value) in wanted)
        {
            if (!labels.TryGetValue(key, out string? have) || have != value)
            {
                return false;
            }
        }

        return true;
    }
}
