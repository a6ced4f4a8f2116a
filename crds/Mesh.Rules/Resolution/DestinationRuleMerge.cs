using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>
/// Several destination rules for one host in one namespace (semantics 1.11): the oldest leads, the first top-level policy wins whole, subsets are united by name. Pure.
/// </summary>
public static class DestinationRuleMerge
{
    /// <summary>Order in which rules count: selector first, then age, then name.</summary>
    public static IEnumerable<RuleDocument> InOrder(IEnumerable<RuleDocument> rules) => rules
        .OrderByDescending(static r => HasSelector((DestinationRule)r.Spec))
        .ThenBy(static r => r.CreationTimestamp ?? DateTimeOffset.MaxValue)
        .ThenBy(static r => r.Key.Name, StringComparer.Ordinal);

    /// <summary>Merges the rules of one namespace for one expanded host; several results remain where exportTo or selectors differ.</summary>
    public static ImmutableArray<EffectiveRule> Merge(string ruleNamespace, string host, IEnumerable<RuleDocument> rules)
    {
        List<EffectiveRule> merged = [];
        foreach (RuleDocument rule in InOrder(rules))
        {
            EffectiveRule alone = Alone(ruleNamespace, host, rule);
            bool isJoined = false;
            for (int i = 0; i < merged.Count; i++)
            {
                if (HasSameSelector(merged[i], alone) && alone.ExportTo.IsSupersetOf(merged[i].ExportTo))
                {
                    isJoined |= merged[i].ExportTo.SetEquals(alone.ExportTo);
                    merged[i] = Join(merged[i], alone);
                }
            }

            if (!isJoined)
            {
                merged.Add(alone); // the clients that only the newcomer is exported to see it by itself
            }
        }

        return [.. merged];
    }

    private static EffectiveRule Alone(string ruleNamespace, string host, RuleDocument rule)
    {
        DestinationRule spec = (DestinationRule)rule.Spec;
        EffectiveRule empty = new()
        {
            Namespace = ruleNamespace,
            Host = host,
            ExportTo = spec.ExportTo.IsEmpty ? ["*"] : [.. spec.ExportTo.Select(to => to == "." ? ruleNamespace : to)],
            Selector = spec.WorkloadSelector?.MatchLabels ?? ImmutableSortedDictionary<string, string>.Empty,
            PolicyRule = spec.TrafficPolicy is null ? null : rule,
            Rules = [rule],
        };
        return empty with { Subsets = Unite([], spec, rule) };
    }

    private static EffectiveRule Join(EffectiveRule older, EffectiveRule newer) => older with
    {
        PolicyRule = older.PolicyRule ?? newer.PolicyRule,
        Subsets = Unite(older.Subsets, (DestinationRule)newer.Rules[0].Spec, newer.Rules[0]),
        Rules = older.Rules.AddRange(newer.Rules),
    };

    private static ImmutableArray<EffectiveSubset> Unite(ImmutableArray<EffectiveSubset> have, DestinationRule spec, RuleDocument rule)
    {
        ImmutableArray<EffectiveSubset>.Builder all = have.ToBuilder();
        for (int i = 0; i < spec.Subsets.Length; i++)
        {
            Subset subset = spec.Subsets[i];
            if (!all.Any(s => s.Subset.Name == subset.Name)) // a duplicate name is dropped, the first wins
            {
                all.Add(new EffectiveSubset(subset, rule, i));
            }
        }

        return all.ToImmutable();
    }

    internal static bool HasSameSelector(EffectiveRule a, EffectiveRule b) =>
        a.Selector.Count == b.Selector.Count && LabelMatch.HasAll(a.Selector, b.Selector);

    private static bool HasSelector(DestinationRule rule) => rule.WorkloadSelector is { MatchLabels.Count: > 0 };
}
