using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Resolution;

/// <summary>Findings that need more than one object: legal, accepted, and probably not what was meant. Pure.</summary>
public static class RuleSetCheck
{
    /// <summary>Warnings about <paramref name="rule"/> among <paramref name="all"/> rules (which may hold an older version of it).</summary>
    public static ImmutableArray<Diagnostic> Check(RuleDocument rule, IEnumerable<RuleDocument> all)
    {
        if (rule.Spec is not DestinationRule spec)
        {
            return [];
        }

        string host = HostOf(rule);
        ImmutableArray<Diagnostic>.Builder found = ImmutableArray.CreateBuilder<Diagnostic>();
        RuleDocument[] rivals =
        [
            .. DestinationRuleMerge.InOrder(all.Where(r => r.Spec is DestinationRule && r.Key != rule.Key && r.Key.Namespace == rule.Key.Namespace && HostOf(r) == host).Append(rule)),
        ];
        if (rivals.Length < 2 || !rivals.Any(r => r.Key != rule.Key && SameClients(spec, (DestinationRule)r.Spec)))
        {
            return [];
        }

        string names = string.Join(", ", rivals.Select(static r => r.Key.Name));
        RuleDocument? winner = rivals.FirstOrDefault(static r => ((DestinationRule)r.Spec).TrafficPolicy is not null);
        string consequence = winner is null ? "their subsets are united" : $"only the trafficPolicy of '{winner.Key.Name}' counts, whole; subsets are united";
        found.Add(Warning("spec.host", $"rules {names} in namespace '{rule.Key.Namespace}' are for one host, {host}: {consequence}; put the policy into one rule"));
        foreach (RuleDocument rival in rivals.TakeWhile(r => r.Key != rule.Key))
        {
            foreach (string? name in ((DestinationRule)rival.Spec).Subsets.Select(static s => s.Name).Intersect(spec.Subsets.Select(static s => s.Name)))
            {
                found.Add(Warning("spec.subsets", $"subset '{name}' stands in rule '{rival.Key.Name}' already, which is older and wins"));
            }
        }

        return found.ToImmutable();
    }

    private static bool SameClients(DestinationRule a, DestinationRule b)
    {
        ImmutableSortedDictionary<string, string> none = ImmutableSortedDictionary<string, string>.Empty;
        ImmutableSortedDictionary<string, string> left = a.WorkloadSelector?.MatchLabels ?? none;
        ImmutableSortedDictionary<string, string> right = b.WorkloadSelector?.MatchLabels ?? none;
        return left.Count == right.Count && LabelMatch.HasAll(left, right);
    }

    private static string HostOf(RuleDocument rule) => HostMatch.Expand(((DestinationRule)rule.Spec).Host ?? "", rule.Key.Namespace);

    private static Diagnostic Warning(string path, string message) => new(Severity.Warning, DiagnosticCode.Advice, path, 0, 0, message);
}
