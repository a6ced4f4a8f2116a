using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>
/// Which policy of one kind of ours holds. The client's namespace comes first, then the service's, then the root namespace; in the first one that has a match, the exact host
/// comes before a wildcard, then the policy that selects most narrowly (route, subset, port), then the oldest. One policy holds, whole: nothing is merged. Immutable.
/// </summary>
/// <typeparam name="T">The kind.</typeparam>
internal sealed class HostPolicyTable<T>
    where T : class, IHostPolicy
{
    private readonly ImmutableDictionary<string, ImmutableArray<RuleDocument>> _byNamespace;

    /// <summary>Indexes those of <paramref name="rules"/> that are of this kind.</summary>
    public HostPolicyTable(IEnumerable<RuleDocument> rules)
    {
        _byNamespace = rules
            .Where(static r => r.Spec is T)
            .GroupBy(static r => r.Key.Namespace, StringComparer.Ordinal)
            .ToImmutableDictionary(static g => g.Key, static g => InOrder(g));
    }

    /// <summary>All policies, in order of namespace and precedence.</summary>
    public IEnumerable<RuleDocument> All => _byNamespace.OrderBy(static n => n.Key, StringComparer.Ordinal).SelectMany(static n => n.Value);

    /// <summary>The policy in force, or null. Those that change nothing are passed over.</summary>
    /// <param name="clientNamespace">Namespace of the caller.</param>
    /// <param name="serviceNamespace">Namespace of the service.</param>
    /// <param name="host">Full host of the service.</param>
    /// <param name="port">Service port.</param>
    /// <param name="subset">Subset, or empty.</param>
    /// <param name="route">Name of the route; null asks for what belongs to the cluster, which policies of single routes do not say.</param>
    public RuleDocument? Find(string clientNamespace, string serviceNamespace, string host, int port, string subset, string? route)
    {
        return _byNamespace.IsEmpty
            ? null
            : Pick(clientNamespace) ?? (serviceNamespace == clientNamespace ? null : Pick(serviceNamespace)) ?? Pick(RuleSet.RootNamespace);

        RuleDocument? Pick(string from) => _byNamespace.GetValueOrDefault(from, []).FirstOrDefault(r => IsFor((T)r.Spec, r.Key.Namespace));

        bool IsFor(T policy, string ruleNamespace) =>
            !policy.IsPassedOver
            && (policy.Port is null || policy.Port == port)
            && (string.IsNullOrEmpty(policy.Subset) || policy.Subset == subset)
            && (policy.Route is null || policy.Route == route)
            && HostMatch.Matches(HostMatch.Expand(policy.Host ?? "", ruleNamespace), host);
    }

    /// <summary>The older policy of the same namespace that selects the same, so that <paramref name="rule"/> never counts; or null.</summary>
    public static RuleDocument? HidingOf(RuleDocument rule, IEnumerable<RuleDocument> all) =>
        InOrder(all.Where(r => r.Key != rule.Key && r.Key.Namespace == rule.Key.Namespace && r.Spec is T).Append(rule))
            .TakeWhile(r => !ReferenceEquals(r, rule))
            .FirstOrDefault(r => !((T)r.Spec).IsPassedOver && Selection(r) == Selection(rule));

    private static ImmutableArray<RuleDocument> InOrder(IEnumerable<RuleDocument> rules) =>
    [
        .. rules
            .OrderBy(static r => ((T)r.Spec).Host?.StartsWith('*') == true)
            .ThenByDescending(static r => Selection(r).Host.Length)
            .ThenByDescending(static r => Selection(r).Route is not null)
            .ThenByDescending(static r => Selection(r).Subset.Length > 0)
            .ThenByDescending(static r => Selection(r).Port is not null)
            .ThenBy(static r => r.CreationTimestamp ?? DateTimeOffset.MaxValue)
            .ThenBy(static r => r.Key.Name, StringComparer.Ordinal),
    ];

    private static (string Host, string Subset, int? Port, string? Route) Selection(RuleDocument rule)
    {
        T policy = (T)rule.Spec;
        return (HostMatch.Expand(policy.Host ?? "", rule.Key.Namespace), policy.Subset ?? "", policy.Port, policy.Route);
    }
}
