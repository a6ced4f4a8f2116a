using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Advice;

/// <summary>Resilience policies for a route or a subset that no rule defines. Legal, since the rule may come later. Pure.</summary>
internal static class PolicyAdvice
{
    /// <summary>Looks at <paramref name="rule"/> among <paramref name="all"/> rules.</summary>
    public static IEnumerable<Diagnostic> Check(RuleDocument rule, IReadOnlyCollection<RuleDocument> all)
    {
        ResiliencePolicy policy = (ResiliencePolicy)rule.Spec;
        string host = HostMatch.Expand(policy.Host ?? "", rule.Key.Namespace);
        if (!string.IsNullOrEmpty(policy.Route) && RoutesTo(host, all) is var routes && !routes.Contains(policy.Route))
        {
            yield return RuleSetCheck.Warning("spec.route", $"no VirtualService has an http route named '{policy.Route}' to '{host}'{Suggestion.For(policy.Route, routes)}; the policy waits for one") with
            {
                Check = "unknown-route",
            };
        }

        if (!string.IsNullOrEmpty(policy.Subset) && VirtualServiceReferences.SubsetsOf(host, all) is var subsets && !subsets.Contains(policy.Subset))
        {
            yield return RuleSetCheck.Warning("spec.subset", $"no DestinationRule for '{host}' defines subset '{policy.Subset}'{Suggestion.For(policy.Subset, subsets)}; the policy waits for one") with
            {
                Check = "unknown-subset",
            };
        }
    }

    // Names as routes have them in force: a delegate's stands behind that of the route that hands over.
    private static HashSet<string> RoutesTo(string host, IReadOnlyCollection<RuleDocument> all)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (RuleDocument rule in all.Where(static r => r.Spec is VirtualService { IsDelegate: false }))
        {
            foreach (HttpRoute route in ((VirtualService)rule.Spec).Http)
            {
                if (route.Delegate is { } reference)
                {
                    string home = string.IsNullOrEmpty(reference.Namespace) ? rule.Key.Namespace : reference.Namespace;
                    RuleDocument? target = all.FirstOrDefault(r => r.Key.Name == reference.Name && r.Key.Namespace == home && r.Spec is VirtualService { IsDelegate: true });
                    names.UnionWith(((target?.Spec as VirtualService)?.Http ?? [])
                        .Where(inner => LeadsTo(inner, host, home))
                        .Select(inner => string.Join('-', ((string?[])[route.Name, inner.Name]).Where(static n => !string.IsNullOrEmpty(n)))));
                }
                else if (!string.IsNullOrEmpty(route.Name) && LeadsTo(route, host, rule.Key.Namespace))
                {
                    names.Add(route.Name);
                }
            }
        }

        return names;
    }

    private static bool LeadsTo(HttpRoute route, string host, string ruleNamespace) =>
        route.Route.Any(d => HostMatch.Matches(host, HostMatch.Expand(d.Destination?.Host ?? "", ruleNamespace)));
}
