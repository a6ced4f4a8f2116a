using System.Collections.Immutable;
using Mesh.Rules.Advice;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Resolution;

/// <summary>Findings that need more than one object: legal, accepted, and probably not what was meant. Pure.</summary>
public static class RuleSetCheck
{
    /// <summary>Warnings about <paramref name="rule"/> among <paramref name="all"/> rules (which may hold an older version of it).</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="all">Rules around it.</param>
    /// <param name="sidecars">Sidecars that there are, as far as known: what each may do adds up.</param>
    public static ImmutableArray<Diagnostic> Check(RuleDocument rule, IEnumerable<RuleDocument> all, int sidecars = 1)
    {
        RuleDocument[] rules = [.. all];
        ExternalHosts hosts = new(rules);
        return [.. Conflicts(rule, rules), .. RuleAdvice.Check(rule, hosts), .. RuleAdvice.CheckEndpoints(rule, hosts), .. EndpointBreakerAdvice.Check(rule, rules), .. PartnerMaximum.Find(rule, PartnerMaximum.EntriesOf(rules), sidecars)];
    }

    /// <summary>Those of the warnings that are about rules of one kind which meet each other.</summary>
    internal static ImmutableArray<Diagnostic> Conflicts(RuleDocument rule, RuleDocument[] all) => rule.Spec switch
    {
        VirtualService => [.. VirtualServiceConflicts.Check(rule, all), .. VirtualServiceReferences.Check(rule, all)],
        IHostPolicy policy when HostPolicyTable.HidingOf(rule, all) is { } older => [HiddenPolicy(older, policy)],
        IHostPolicy when HostPolicyTable.InForceBeside(rule, all) is { } held => [Unevaluated(held)],
        Sidecar when SidecarTable.HidingOf(rule, all) is { } older => [HiddenSidecar(older)],
        DestinationRule => Check(rule, DestinationRuleMerge.Merge(rule.Key.Namespace, HostOf(rule), [.. OthersForHost(rule, all), rule])),
        _ => [],
    };

    private static IEnumerable<RuleDocument> OthersForHost(RuleDocument rule, RuleDocument[] all) =>
        all.Where(r => r.Spec is DestinationRule && r.Key != rule.Key && r.Key.Namespace == rule.Key.Namespace && r.IsShadow == rule.IsShadow && HostOf(r) == HostOf(rule));

    /// <summary>Warnings about <paramref name="rule"/>, one of those that <paramref name="merged"/> was made of: all that its namespace has for its host.</summary>
    internal static ImmutableArray<Diagnostic> Check(RuleDocument rule, ImmutableArray<EffectiveRule> merged)
    {
        ImmutableArray<Diagnostic>.Builder found = ImmutableArray.CreateBuilder<Diagnostic>();
        foreach (EffectiveRule joint in merged.Where(m => m.Rules.Length > 1 && m.Rules.Contains(rule)))
        {
            found.Add(Conflict(joint));
            found.AddRange(DroppedSubsets(rule, joint));
        }

        if (HiddenBy(rule, merged) is { } older)
        {
            found.Add(Warning(
                "spec.host",
                $"never counts: the older rule '{older.Rules[0].Key.Name}' is for the same host, {older.Host}, and exported to the same namespaces; delete one of the two"));
        }

        return [.. found.Distinct()];
    }

    /// <summary>Advice about <paramref name="path"/>.</summary>
    internal static Diagnostic Warning(string path, string message) => new(Severity.Warning, DiagnosticCode.Advice, path, 0, 0, message);

    private static Diagnostic HiddenPolicy(RuleDocument older, IHostPolicy policy) => Warning(
        "spec.host",
        policy.MostTogether == 1
            ? $"never counts: the older policy '{older.Key.Name}' selects the same, {policy.Host}; put both into one policy"
            : $"never counts: {policy.MostTogether} older ones select the same, {policy.Host}, and no more hold together; delete one of them, or this one") with
    {
        Check = "hidden-policy",
    };

    /// <summary>A policy in shadow mode where another of its kind is in force: an upstream has one breaker and one fallback.</summary>
    internal static Diagnostic Unevaluated(RuleDocument inForce) => Warning(
        "spec.mode", $"not evaluated where '{inForce.Key.Name}' is in force, which it stays: of one kind one policy holds for an upstream; try it on a port or subset that '{inForce.Key.Name}' does not select") with
    {
        Check = "hidden-policy",
    };

    private static Diagnostic HiddenSidecar(RuleDocument older) => Warning(
        "spec.workloadSelector",
        $"never counts: the older Sidecar '{older.Key.Name}' of this namespace is for the same workloads; put both into one") with
    {
        Check = "several-sidecars",
    };

    private static Diagnostic Conflict(EffectiveRule joint)
    {
        string names = string.Join(", ", joint.Rules.Select(static r => r.Key.Name));
        string consequence = joint.PolicyRule is { } winner
            ? $"only the trafficPolicy of '{winner.Key.Name}' counts, whole; subsets are united"
            : "their subsets are united";
        return Warning("spec.host", $"rules {names} in namespace '{joint.Namespace}' are for one host, {joint.Host}: {consequence}; put the policy into one rule") with
        {
            Check = "several-rules",
        };
    }

    private static IEnumerable<Diagnostic> DroppedSubsets(RuleDocument rule, EffectiveRule joint)
    {
        ImmutableArray<Subset> subsets = ((DestinationRule)rule.Spec).Subsets;
        for (int i = 0; i < subsets.Length; i++)
        {
            string? name = subsets[i].Name;
            EffectiveSubset kept = joint.Subsets.First(s => s.Subset.Name == name);
            if (kept.Rule.Key != rule.Key)
            {
                yield return Warning($"spec.subsets[{i}].name", $"subset '{name}' stands in rule '{kept.Rule.Key.Name}' already, which is older and wins");
            }
        }
    }

    // A rule that stands by itself behind an older one for at least the same clients. In the root namespace an older public rule does not hide a private one.
    private static EffectiveRule? HiddenBy(RuleDocument rule, ImmutableArray<EffectiveRule> merged)
    {
        EffectiveRule? own = merged.FirstOrDefault(m => m.Rules[0] == rule);
        return own is null || (own.Namespace == RuleSet.RootNamespace && own.IsPrivate)
            ? null
            : merged.TakeWhile(m => m != own)
                .FirstOrDefault(m => DestinationRuleMerge.HasSameSelector(m, own) && (m.ExportTo.Contains("*") || m.ExportTo.IsSupersetOf(own.ExportTo)));
    }

    private static string HostOf(RuleDocument rule) => HostMatch.Expand(((DestinationRule)rule.Spec).Host ?? "", rule.Key.Namespace);
}
