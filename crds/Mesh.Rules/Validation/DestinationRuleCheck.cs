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

        if (rule.WorkloadSelector is null)
        {
            WarnOfCredentials(rule.TrafficPolicy, spec.Field("trafficPolicy"));
            for (int i = 0; i < rule.Subsets.Length; i++)
            {
                WarnOfCredentials(rule.Subsets[i].TrafficPolicy, subsets.Item(i).Field("trafficPolicy"));
            }
        }

        ExportToCheck.Check(rule.ExportTo, spec.Field("exportTo"), rule.WorkloadSelector is not null);
    }

    private static void WarnOfCredentials(TrafficPolicy? policy, Cursor at)
    {
        WarnOfCredential(policy?.Tls, at.Field("tls"));
        for (int i = 0; i < (policy?.PortLevelSettings.Length ?? 0); i++)
        {
            WarnOfCredential(policy!.PortLevelSettings[i].Tls, at.Field("portLevelSettings").Item(i).Field("tls"));
        }
    }

    // As Istio: the secret of a rule without a selector is for gateways.
    private static void WarnOfCredential(ClientTlsSettings? tls, Cursor at)
    {
        if (!string.IsNullOrEmpty(tls?.CredentialName))
        {
            at.Field("credentialName").Warn("no sidecar uses it: a secret is read for a rule with a workloadSelector only, TLS goes on without it; write a workloadSelector, or paths");
        }
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
