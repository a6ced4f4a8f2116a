using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Resolution;

/// <summary>Virtual services that want the same host: legal, and only the oldest counts. Pure.</summary>
internal static class VirtualServiceConflicts
{
    /// <summary>Warnings about <paramref name="rule"/> among <paramref name="all"/> rules (which may hold an older version of it).</summary>
    public static IEnumerable<Diagnostic> Check(RuleDocument rule, IEnumerable<RuleDocument> all)
    {
        VirtualService spec = (VirtualService)rule.Spec;
        if (spec.IsDelegate || !VirtualServiceTable.IsForSidecars(spec.Gateways))
        {
            yield break;
        }

        HashSet<string> hosts = [.. VirtualServiceTable.HostsOf(rule)];
        foreach (RuleDocument other in VirtualServiceTable.InOrder(all.Where(r => r.Spec is VirtualService && r.Key != rule.Key).Append(rule)))
        {
            VirtualService theirs = (VirtualService)other.Spec;
            if (other.Key == rule.Key)
            {
                yield break; // the ones that follow are younger: they get the warning
            }

            foreach (string host in VirtualServiceTable.HostsOf(other).Where(hosts.Contains))
            {
                if (VirtualServiceTable.IsForSidecars(theirs.Gateways) && MeetSomewhere(rule, other))
                {
                    yield return Finding(host, rule, other);
                }
            }
        }
    }

    /// <summary>What is said to the loser.</summary>
    public static Diagnostic Finding(string host, RuleDocument loser, RuleDocument winner) => RuleSetCheck.Warning(
        "spec.hosts",
        $"'{host}' is routed by the older VirtualService '{winner.Key.Name}' in namespace '{winner.Key.Namespace}' already; virtual services are not merged, " +
        $"so nothing in '{loser.Key.Name}' counts for it: put the routes into one of the two");

    // Whether some namespace sees both.
    private static bool MeetSomewhere(RuleDocument a, RuleDocument b)
    {
        VirtualService left = (VirtualService)a.Spec;
        VirtualService right = (VirtualService)b.Spec;
        string[] candidates = [a.Key.Namespace, b.Key.Namespace, "*", .. left.ExportTo, .. right.ExportTo];
        return candidates.Any(ns => RuleSet.IsVisible(left.ExportTo, a.Key.Namespace, ns) && RuleSet.IsVisible(right.ExportTo, b.Key.Namespace, ns));
    }
}
