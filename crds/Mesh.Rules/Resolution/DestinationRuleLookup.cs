using System.Collections.Immutable;

namespace Mesh.Rules.Resolution;

/// <summary>Which destination rule applies to a host for one client (semantics 1.10). Pure.</summary>
public static class DestinationRuleLookup
{
    /// <summary>
    /// The rule for <paramref name="host"/>: from the client's namespace, else the service's, else the root namespace; the first namespace with a match wins and nothing is
    /// merged across namespaces. Null when there is none.
    /// </summary>
    /// <param name="rules">All rules.</param>
    /// <param name="clientNamespace">Namespace of the calling workload.</param>
    /// <param name="clientLabels">Labels of the calling workload, for workload selectors.</param>
    /// <param name="serviceNamespace">Namespace of the service.</param>
    /// <param name="host">Full host of the service.</param>
    /// <param name="inShadow">The rule in shadow mode that is evaluated for it, found the same way among its kind; else the one in force.</param>
    public static EffectiveRule? Find(
        RuleSet rules, string clientNamespace, ImmutableSortedDictionary<string, string> clientLabels, string serviceNamespace, string host, bool inShadow = false)
    {
        bool clientIsRoot = clientNamespace == RuleSet.RootNamespace;
        return Pick(Of(clientNamespace), host, clientLabels, r => clientIsRoot ? r.IsPrivate : r.IsExportedTo(clientNamespace))
            ?? (serviceNamespace == clientNamespace ? null : Pick(Of(serviceNamespace), host, null, r => r.IsExportedTo(clientNamespace)))
            ?? Pick(Of(RuleSet.RootNamespace), host, null, r => r.IsExportedTo(clientNamespace));

        NamespaceRules Of(string ruleNamespace) => inShadow ? rules.ShadowsOf(ruleNamespace) : rules.Of(ruleNamespace);
    }

    // Rules with a selector are private to their namespace: without labels to compare they are passed over.
    private static EffectiveRule? Pick(
        NamespaceRules from, string host, ImmutableSortedDictionary<string, string>? clientLabels, Func<EffectiveRule, bool> isVisible)
    {
        foreach (ImmutableArray<EffectiveRule> candidates in from.For(host))
        {
            EffectiveRule? found = (clientLabels is null ? null : candidates.FirstOrDefault(r => r.SelectsClient(clientLabels)))
                ?? candidates.FirstOrDefault(r => r.Selector.IsEmpty && isVisible(r));
            if (found is not null)
            {
                return found;
            }
        }

        return null;
    }
}
