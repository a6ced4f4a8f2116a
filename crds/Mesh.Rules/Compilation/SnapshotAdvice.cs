using System.Collections.Immutable;
using Mesh.Rules.Advice;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>What a compile has to say about rules that are legal and probably do not do what was meant. Pure.</summary>
internal static class SnapshotAdvice
{
    /// <summary>Outlier detection whose percentage allows not even one of the endpoints (semantics 3.3: the share is taken after the ejection), or null; names are as many endpoints as they resolve to, which is not known here.</summary>
    public static (RuleKey Rule, Diagnostic Finding)? OnNeverEjecting(ClusterConfig cluster, string? subset, int endpoints)
    {
        if (cluster is not { Dns: DnsDiscovery.None, Outlier: { } outlier, OutlierSource: { } source } || endpoints == 0 || endpoints * outlier.MaxEjectionPercent / 100 > 0)
        {
            return null;
        }

        (RuleKey rule, string path) = PlaceOf(source);
        string where = subset is null ? "" : $" subset '{subset}'";
        return (rule, RuleSetCheck.Warning(
            $"{path}.maxEjectionPercent",
            $"outlier detection can never eject: {outlier.MaxEjectionPercent} % of {endpoints} endpoint(s) of '{cluster.ServiceHost}' port {cluster.Port}{where} " +
            $"is less than one; write {(int)Math.Ceiling(100.0 / endpoints)} or more") with
        {
            Check = "never-ejects",
        });
    }

    /// <summary>Outlier detection beside breakers of single endpoints, which take its place, or null.</summary>
    public static (RuleKey Rule, Diagnostic Finding)? OnReplacedEjection(ClusterConfig cluster, in EffectivePolicy policy)
    {
        if (cluster.Breaker is not { ReplacesEjection: true } breaker || policy.Outlier is not { Value: not null, Source: { } source })
        {
            return null;
        }

        (RuleKey rule, string path) = PlaceOf(source);
        return (rule, RuleSetCheck.Warning(
            path,
            $"ejects nobody at '{cluster.ServiceHost}' port {cluster.Port}: the CircuitBreaker {breaker.Source[..breaker.Source.IndexOf('#')]} has a breaker for each endpoint there, which takes its place; " +
            "keep one of both: remove this block, or write per: host") with
        {
            Check = "ejection-replaced",
        });
    }

    /// <summary>A tunnel for a port whose protocol is HTTP, or null: as in Istio only TCP goes through one.</summary>
    public static (RuleKey Rule, Diagnostic Finding)? OnUnusedTunnel(ServicePortModel service, EffectiveRule? rule, EffectiveSubset? subset)
    {
        if (!service.IsHttp || TrafficPolicyMerge.Effective(rule, service.Port, subset).Tunnel.Source is not { } source)
        {
            return null;
        }

        (RuleKey key, string path) = PlaceOf(source);
        return (key, RuleSetCheck.Warning(
            path, $"port {service.Port} of '{service.Host}' is HTTP, and only TCP is tunnelled; declare the port with protocol TCP or TLS, or remove tunnel"));
    }

    /// <summary>What a policy says of calls or answers for a port that carries bytes, or null: there it has no effect.</summary>
    public static (RuleKey Rule, Diagnostic Finding)? OnCallsOfBytes(ClusterConfig cluster, RuleDocument? rule)
    {
        if (cluster.Protocol != ClusterProtocol.Tcp || rule is not { Spec: ResiliencePolicy policy })
        {
            return null;
        }

        string where = $"port {cluster.Port} of '{cluster.ServiceHost}' is TCP";
        return policy.MeshLimits?.MaxRequests is not null ? (rule.Key, RuleSetCheck.Warning(
                "spec.meshLimits.maxRequests", $"{where}, where there are no calls to count, so this limits nothing there; limit connections with meshLimits.maxConnections, or write the port that is meant in spec.port"))
            : policy.Concurrency?.Adaptive is not null ? (rule.Key, RuleSetCheck.Warning(
                "spec.concurrency.adaptive", $"{where}, where there are no answers whose latency could teach a limit: it stays at maxConcurrentCalls, counted in connections; write the port that is meant in spec.port"))
            : null;
    }

    /// <summary>
    /// Outlier detection that switches on what it does not mention: callers prefer their own locality as soon as the block is there (semantics 1.3, its surprise). Null when
    /// the rule says something about localities, or when they make no difference.
    /// </summary>
    public static (RuleKey Rule, Diagnostic Finding)? OnUnaskedAffinity(in EffectivePolicy policy, string host, string zone, ImmutableArray<EndpointConfig> endpoints)
    {
        int near = endpoints.Count(static e => e.Priority == 0);
        if (near == endpoints.Length || policy.Outlier.Source is not { } source ||
            policy.LoadBalancer.Value is { LocalityLbSetting: not null } or { ZoneAwareLbSetting: not null })
        {
            return null;
        }

        (RuleKey rule, string path) = PlaceOf(source);
        return (rule, RuleSetCheck.Warning(
            path,
            $"this block also switches on locality failover: callers in '{zone}' send everything to the {near} nearest of {endpoints.Length} endpoints of '{host}' " +
            "while enough of those are healthy; to spread over all, write loadBalancer.localityLbSetting.enabled: false; to keep it, write enabled: true") with
        {
            Check = "zone-affinity",
        });
    }

    /// <summary>Conflicts among the rules that the proxy obeys, and rules of its namespace whose host nobody answers to.</summary>
    public static IEnumerable<(RuleKey Rule, Diagnostic Finding)> OnRules(RuleSet rules, string clientNamespace, HashSet<EffectiveRule> used, HashSet<string> hosts)
    {
        foreach (ImmutableArray<EffectiveRule> ofHost in rules.AllHosts())
        {
            if ((ofHost.Length > 1 || ofHost[0].Rules.Length > 1) && ofHost.Any(used.Contains))
            {
                foreach (RuleDocument rule in ofHost.SelectMany(static m => m.Rules).Distinct())
                {
                    foreach (Diagnostic finding in RuleSetCheck.Check(rule, ofHost))
                    {
                        yield return (rule.Key, finding);
                    }
                }
            }

            string host = ofHost[0].Host;
            if (ofHost[0].Namespace == clientNamespace && !(host.StartsWith('*') ? hosts.Any(h => HostMatch.Matches(host, h)) : hosts.Contains(host)))
            {
                string hint = RuleAdvice.FullNameOf(host) is { } full ? $"; for the service of that name and namespace write {full}" : "";
                foreach (RuleDocument rule in ofHost.SelectMany(static m => m.Rules))
                {
                    yield return (rule.Key, RuleSetCheck.Warning("spec.host", $"no service or ServiceEntry named '{host}' is known; the rule waits for one{hint}"));
                }
            }
        }
    }

    /// <summary>Service entries of the proxy's namespace whose selector found no endpoint; <paramref name="served"/> are the entries that have some.</summary>
    public static IEnumerable<(RuleKey Rule, Diagnostic Finding)> OnSelectors(RuleSet rules, string clientNamespace, HashSet<RuleKey> served) => rules.ServiceEntries
        .Where(r => r.Key.Namespace == clientNamespace && r.Spec is ServiceEntry { WorkloadSelector: not null, Resolution: "STATIC" or "DNS" or "DNS_ROUND_ROBIN" } && !served.Contains(r.Key))
        .Select(static r => (r.Key, WorkloadAdvice.OnEmptySelector(r)));

    /// <summary>Policies of our own kinds in the proxy's namespace that an older one hides, or whose host nobody answers to.</summary>
    public static IEnumerable<(RuleKey Rule, Diagnostic Finding)> OnPolicies(HostPolicies policies, string clientNamespace, HashSet<string> hosts)
    {
        RuleDocument[] own = [.. policies.All.Where(p => p.Key.Namespace == clientNamespace)];
        foreach (RuleDocument rule in own)
        {
            foreach (Diagnostic finding in RuleSetCheck.Conflicts(rule, own))
            {
                yield return (rule.Key, finding);
            }

            string host = HostMatch.Expand(((IHostPolicy)rule.Spec).Host ?? "", rule.Key.Namespace);
            if (!hosts.Contains(host) && !hosts.Any(h => HostMatch.Matches(host, h)))
            {
                yield return (rule.Key, RuleSetCheck.Warning("spec.host", $"no service or ServiceEntry named '{host}' is known; the policy waits for one"));
            }
        }
    }

    /// <summary>Policies in shadow mode where another of their kind is in force: an upstream has one breaker and one fallback.</summary>
    public static IEnumerable<(RuleKey Rule, Diagnostic Finding)> OnShadows(HostPolicies policies, PolicyTarget target) =>
        from pair in policies.Unevaluated(target)
        select (pair.Shadow.Key, RuleSetCheck.Unevaluated(pair.InForce));

    /// <summary>Fallbacks of the proxy's namespace that lead to a cluster which it does not have.</summary>
    public static IEnumerable<(RuleKey Rule, Diagnostic Finding)> OnFallbacks(IReadOnlyDictionary<string, CompiledCluster> clusters, string clientNamespace) =>
        from cluster in clusters.Values
        let to = cluster.Config.Fallback?.Cluster
        where to is not null && !clusters.ContainsKey(to) && cluster.Inputs.Policies.Fallback!.Key.Namespace == clientNamespace
        select (cluster.Inputs.Policies.Fallback!.Key, RuleSetCheck.Warning("spec.destination", $"no such host, port and subset is known ('{to}'); until it is, no other host is asked"));

    /// <summary>Each finding once, in an order that does not depend on the order of a dictionary.</summary>
    public static ImmutableArray<(RuleKey Rule, Diagnostic Finding)> InOrder(IEnumerable<(RuleKey Rule, Diagnostic Finding)> findings) =>
    [
        .. findings.Distinct()
            .OrderBy(static f => f.Rule.ToString(), StringComparer.Ordinal)
            .ThenBy(static f => f.Finding.Path, StringComparer.Ordinal)
            .ThenBy(static f => f.Finding.Message, StringComparer.Ordinal),
    ];

    // namespace/name#path, as TrafficPolicyMerge writes it; only destination rules have policies.
    private static (RuleKey Rule, string Path) PlaceOf(string source)
    {
        int slash = source.IndexOf('/');
        int hash = source.IndexOf('#');
        return (new RuleKey(nameof(DestinationRule), source[..slash], source[(slash + 1)..hash]), source[(hash + 1)..]);
    }
}
