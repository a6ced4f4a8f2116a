using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>
/// Which policy of one kind of ours holds. The client's namespace comes first, then the service's, then the root namespace; in the first one that has a match, the exact host
/// comes before a wildcard, then the policy that selects most narrowly (route, subset, port), then the oldest. One policy holds, whole, or with those beside it that select the same where
/// its kind says so; nothing is merged. Immutable.
/// </summary>
internal sealed class HostPolicyTable
{
    private readonly ImmutableDictionary<string, ImmutableArray<RuleDocument>> _byNamespace;

    private readonly ImmutableArray<string> _routes; // that some policy is for

    /// <summary>Indexes <paramref name="policies"/>, all of one kind.</summary>
    public HostPolicyTable(IEnumerable<RuleDocument> policies)
    {
        _byNamespace = policies.GroupBy(static r => r.Key.Namespace, StringComparer.Ordinal).ToImmutableDictionary(static g => g.Key, static g => InOrder(g));
        _routes = [.. policies.Select(static r => ((IHostPolicy)r.Spec).Route).OfType<string>().Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    /// <summary>The policy in force, or null. Those that change nothing are passed over.</summary>
    /// <param name="target">What it is to hold for.</param>
    /// <param name="route">Name of the route; null asks for what belongs to the cluster, which policies of single routes do not say.</param>
    /// <param name="inShadow">One of those that are passed over: the one that is evaluated beside the policy in force.</param>
    public RuleDocument? Find(in PolicyTarget target, string? route = null, bool inShadow = false)
    {
        if (_byNamespace.IsEmpty)
        {
            return null;
        }

        PolicyTarget wanted = target;
        return Pick(target.ClientNamespace) ?? (target.ServiceNamespace == target.ClientNamespace ? null : Pick(target.ServiceNamespace)) ?? Pick(RuleSet.RootNamespace);

        RuleDocument? Pick(string from) => _byNamespace.GetValueOrDefault(from, []).FirstOrDefault(r => IsFor((IHostPolicy)r.Spec, r.Key.Namespace));

        bool IsFor(IHostPolicy policy, string ruleNamespace) =>
            policy.IsPassedOver == inShadow
            && policy.IsCallee == wanted.IsCallee
            && (policy.Port is null || policy.Port == wanted.Port)
            && (string.IsNullOrEmpty(policy.Subset) || policy.Subset == wanted.Subset)
            && (policy.Route is null || policy.Route == route)
            && HostMatch.Matches(HostMatch.Expand(policy.Host ?? "", ruleNamespace), wanted.Host);
    }

    /// <summary>The policy that <see cref="Find"/> finds and those that hold beside it, the oldest first.</summary>
    public ImmutableArray<RuleDocument> FindAll(in PolicyTarget target, bool inShadow = false) =>
        Find(in target, null, inShadow) is { } first
            ? [.. _byNamespace[first.Key.Namespace].Where(r => IsBeside(r, first)).Take(((IHostPolicy)first.Spec).MostTogether)]
            : [];

    /// <summary>The policies for single routes to <paramref name="target"/>, one a route: the one in force, or in shadow mode where none is.</summary>
    public ImmutableArray<RuleDocument> FindForRoutes(in PolicyTarget target)
    {
        if (_routes.IsEmpty)
        {
            return [];
        }

        PolicyTarget wanted = target;
        return [.. _routes.Select(route => Find(in wanted, route) ?? Find(in wanted, route, inShadow: true)).OfType<RuleDocument>().Where(static r => ((IHostPolicy)r.Spec).Route is not null)];
    }

    /// <summary>An older policy of the same kind and namespace that selects the same, so that <paramref name="rule"/> never counts; or null.</summary>
    public static RuleDocument? HidingOf(RuleDocument rule, IEnumerable<RuleDocument> all) =>
        InOrder(all.Where(r => r.Key != rule.Key && r.Key.Namespace == rule.Key.Namespace && r.Key.Kind == rule.Key.Kind).Append(rule))
            .TakeWhile(r => !ReferenceEquals(r, rule))
            .Where(r => IsBeside(r, rule))
            .Skip(((IHostPolicy)rule.Spec).MostTogether - 1)
            .FirstOrDefault();

    private static bool IsBeside(RuleDocument one, RuleDocument other) =>
        ((IHostPolicy)one.Spec).IsPassedOver == ((IHostPolicy)other.Spec).IsPassedOver && Selection(one) == Selection(other);

    /// <summary>The policy of the same kind and namespace that is in force wherever <paramref name="rule"/>, in shadow mode, would be evaluated; or null. Resilience policies and rate limits are evaluated beside it.</summary>
    public static RuleDocument? InForceBeside(RuleDocument rule, IEnumerable<RuleDocument> all)
    {
        (string host, string subset, int? port, string? route, bool isCallee) = Selection(rule);
        return ((IHostPolicy)rule.Spec).IsPassedOver && rule.Spec is not (ResiliencePolicy or RateLimit) ? InOrder(all.Where(IsInForceThere)).FirstOrDefault() : null;

        bool IsInForceThere(RuleDocument other) =>
            other.Key != rule.Key && other.Key.Namespace == rule.Key.Namespace && other.Key.Kind == rule.Key.Kind && other.Spec is IHostPolicy { IsPassedOver: false } && Selection(other) is var wider
            && wider.Host == host && wider.IsCallee == isCallee && (wider.Port is null || wider.Port == port) && (wider.Subset.Length == 0 || wider.Subset == subset) && (wider.Route is null || wider.Route == route);
    }

    private static ImmutableArray<RuleDocument> InOrder(IEnumerable<RuleDocument> rules) =>
    [
        .. rules
            .OrderBy(static r => ((IHostPolicy)r.Spec).Host?.StartsWith('*') == true)
            .ThenByDescending(static r => Selection(r).Host.Length)
            .ThenByDescending(static r => Selection(r).Route is not null)
            .ThenByDescending(static r => Selection(r).Subset.Length > 0)
            .ThenByDescending(static r => Selection(r).Port is not null)
            .ThenBy(static r => r.CreationTimestamp ?? DateTimeOffset.MaxValue)
            .ThenBy(static r => r.Key.Name, StringComparer.Ordinal),
    ];

    private static (string Host, string Subset, int? Port, string? Route, bool IsCallee) Selection(RuleDocument rule)
    {
        IHostPolicy policy = (IHostPolicy)rule.Spec;
        return (HostMatch.Expand(policy.Host ?? "", rule.Key.Namespace), policy.Subset ?? "", policy.Port, policy.Route, policy.IsCallee);
    }
}

/// <summary>What a policy is looked for: one upstream of one client.</summary>
/// <param name="ClientNamespace">Namespace of the caller.</param>
/// <param name="ServiceNamespace">Namespace of the service.</param>
/// <param name="Host">Full host of the service.</param>
/// <param name="Port">Service port.</param>
/// <param name="Subset">Subset, or empty.</param>
/// <param name="IsCallee">In front of the host's own application, not in its callers' sidecars.</param>
internal readonly record struct PolicyTarget(string ClientNamespace, string ServiceNamespace, string Host, int Port, string Subset = "", bool IsCallee = false);
