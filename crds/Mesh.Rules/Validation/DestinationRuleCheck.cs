using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a DestinationRule can tell. Texts are Istio's.</summary>
internal static class DestinationRuleCheck
{
    public static void Check(DestinationRule rule, Cursor spec)
    {
        if (rule.Host is { } host && HostName.CheckWildcard(host) is { } problem)
        {
            spec.Field("host").Error(problem);
        }

        TrafficPolicyCheck.Check(rule.TrafficPolicy, spec.Field("trafficPolicy"));
        HashSet<string> names = new(StringComparer.Ordinal);
        Cursor subsets = spec.Field("subsets");
        for (int i = 0; i < rule.Subsets.Length; i++)
        {
            CheckSubset(rule.Subsets[i], names, subsets.Item(i));
        }

        ExportToCheck.Check(rule.ExportTo, spec.Field("exportTo"), rule.WorkloadSelector is not null);
    }

    private static void CheckSubset(Subset subset, HashSet<string> names, Cursor at)
    {
        if (subset.Name is { } name)
        {
            if (name.Length == 0)
            {
                at.Field("name").Error("subset name cannot be empty");
            }
            else if (!HostName.IsLowerLabel(name))
            {
                at.Field("name").Error($"subset name is invalid: {name}");
            }

            if (!names.Add(name))
            {
                at.Field("name").Error($"duplicate subset names: {name}");
            }
        }

        TrafficPolicyCheck.Check(subset.TrafficPolicy, at.Field("trafficPolicy"));
    }
}
