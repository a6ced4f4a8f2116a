using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>
/// Which Sidecar holds for a workload: one of its namespace whose labels it carries, else the one without labels there, else the one without labels of the root namespace. Of
/// several the oldest; nothing is merged. Immutable.
/// </summary>
internal sealed class SidecarTable
{
    private readonly ImmutableDictionary<string, ImmutableArray<RuleDocument>> _byNamespace;

    public SidecarTable(IEnumerable<RuleDocument> rules) => _byNamespace = rules
        .Where(static r => r.Spec is Sidecar)
        .GroupBy(static r => r.Key.Namespace, StringComparer.Ordinal)
        .ToImmutableDictionary(static g => g.Key, static g => ImmutableArray.CreateRange(InOrder(g)), StringComparer.Ordinal);

    /// <summary>The Sidecar for a workload, or null.</summary>
    public RuleDocument? Find(string ownNamespace, ImmutableSortedDictionary<string, string> labels) =>
        Selecting(ownNamespace, labels).FirstOrDefault() ?? WithoutLabels(ownNamespace) ?? WithoutLabels(RuleSet.RootNamespace);

    /// <summary>Sidecars that name labels of the workload, the oldest first.</summary>
    public IEnumerable<RuleDocument> Selecting(string ownNamespace, ImmutableSortedDictionary<string, string> labels) =>
        _byNamespace.GetValueOrDefault(ownNamespace, []).Where(r => !IsForAll(r) && LabelMatch.HasAll(labels, LabelsOf(r)));

    /// <summary>The older Sidecar of the same namespace that selects the same workloads, so that <paramref name="rule"/> never counts; or null.</summary>
    public static RuleDocument? HidingOf(RuleDocument rule, IEnumerable<RuleDocument> all) =>
        InOrder(all.Where(r => r.Key != rule.Key && r.Key.Namespace == rule.Key.Namespace && r.Spec is Sidecar).Append(rule))
            .TakeWhile(r => !ReferenceEquals(r, rule))
            .FirstOrDefault(r => LabelsOf(r).Count == LabelsOf(rule).Count && LabelMatch.HasAll(LabelsOf(r), LabelsOf(rule)));

    private RuleDocument? WithoutLabels(string ruleNamespace) => _byNamespace.GetValueOrDefault(ruleNamespace, []).FirstOrDefault(IsForAll);

    private static bool IsForAll(RuleDocument rule) => LabelsOf(rule).IsEmpty;

    private static ImmutableSortedDictionary<string, string> LabelsOf(RuleDocument rule) =>
        ((Sidecar)rule.Spec).WorkloadSelector?.Labels ?? ImmutableSortedDictionary<string, string>.Empty;

    private static IEnumerable<RuleDocument> InOrder(IEnumerable<RuleDocument> rules) => rules
        .OrderBy(static r => r.CreationTimestamp ?? DateTimeOffset.MaxValue)
        .ThenBy(static r => r.Key.Name, StringComparer.Ordinal);
}
