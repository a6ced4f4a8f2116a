using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Resolution;

/// <summary>A block of a policy and the place that it was written at, <c>default/products#spec.trafficPolicy.connectionPool</c>; both null when unset.</summary>
/// <typeparam name="T">Kind of block.</typeparam>
/// <param name="Value">The block.</param>
/// <param name="Source">Rule and path.</param>
public readonly record struct SourcedBlock<T>(T? Value, string? Source)
    where T : class;

/// <summary>The policy in force for one (client, host, port, subset).</summary>
/// <param name="LoadBalancer">loadBalancer.</param>
/// <param name="ConnectionPool">connectionPool.</param>
/// <param name="Outlier">outlierDetection.</param>
/// <param name="Tls">tls.</param>
/// <param name="Tunnel">tunnel.</param>
/// <param name="ProxyProtocol">proxyProtocol.</param>
/// <param name="RetryBudget">retryBudget.</param>
public readonly record struct EffectivePolicy(
    SourcedBlock<LoadBalancerSettings> LoadBalancer,
    SourcedBlock<ConnectionPoolSettings> ConnectionPool,
    SourcedBlock<OutlierDetection> Outlier,
    SourcedBlock<ClientTlsSettings> Tls,
    SourcedBlock<TunnelSettings> Tunnel,
    SourcedBlock<ProxyProtocolSettings> ProxyProtocol,
    SourcedBlock<RetryBudget> RetryBudget);

/// <summary>Precedence of policies (semantics 1.9): subset port, subset, rule port, rule; block by block, never field by field, and a port entry cuts inheritance. Pure.</summary>
public static class TrafficPolicyMerge
{
    /// <summary>The policy for <paramref name="port"/> and, if given, the subset.</summary>
    public static EffectivePolicy Effective(EffectiveRule? rule, int port, EffectiveSubset? subset)
    {
        EffectivePolicy policy = rule?.Policy is { } top ? Base(top, port, Place(rule.PolicyRule!, "spec.trafficPolicy")) : default;
        if (subset?.Subset.TrafficPolicy is not { } own)
        {
            return policy;
        }

        string place = Place(subset.Rule, $"spec.subsets[{subset.Index}].trafficPolicy");
        EffectivePolicy over = TopLevel(own, place);
        int entry = IndexOfPort(own, port);
        if (entry >= 0)
        {
            // Replaced even by nothing: what the port entry leaves out is unset.
            EffectivePolicy ofPort = PortLevel(own.PortLevelSettings[entry], $"{place}.portLevelSettings[{entry}]");
            over = over with { LoadBalancer = ofPort.LoadBalancer, ConnectionPool = ofPort.ConnectionPool, Outlier = ofPort.Outlier, Tls = ofPort.Tls };
            policy = policy with { LoadBalancer = default, ConnectionPool = default, Outlier = default, Tls = default };
        }

        return new EffectivePolicy(
            Over(over.LoadBalancer, policy.LoadBalancer), Over(over.ConnectionPool, policy.ConnectionPool), Over(over.Outlier, policy.Outlier),
            Over(over.Tls, policy.Tls), Over(over.Tunnel, policy.Tunnel), Over(over.ProxyProtocol, policy.ProxyProtocol), Over(over.RetryBudget, policy.RetryBudget));
    }

    private static EffectivePolicy Base(TrafficPolicy policy, int port, string place)
    {
        int entry = IndexOfPort(policy, port);
        return entry < 0 ? TopLevel(policy, place) : PortLevel(policy.PortLevelSettings[entry], $"{place}.portLevelSettings[{entry}]");
    }

    private static int IndexOfPort(TrafficPolicy policy, int port)
    {
        for (int i = 0; i < policy.PortLevelSettings.Length; i++)
        {
            if (policy.PortLevelSettings[i].Port?.Number == port)
            {
                return i;
            }
        }

        return -1;
    }

    private static EffectivePolicy TopLevel(TrafficPolicy policy, string place) => new(
        Block(policy.LoadBalancer, place, "loadBalancer"), Block(policy.ConnectionPool, place, "connectionPool"),
        Block(policy.OutlierDetection, place, "outlierDetection"), Block(policy.Tls, place, "tls"), Block(policy.Tunnel, place, "tunnel"),
        Block(policy.ProxyProtocol, place, "proxyProtocol"), Block(policy.RetryBudget, place, "retryBudget"));

    private static EffectivePolicy PortLevel(PortTrafficPolicy policy, string place) => new(
        Block(policy.LoadBalancer, place, "loadBalancer"), Block(policy.ConnectionPool, place, "connectionPool"),
        Block(policy.OutlierDetection, place, "outlierDetection"), Block(policy.Tls, place, "tls"), default, default, default);

    private static SourcedBlock<T> Block<T>(T? value, string place, string name)
        where T : class => value is null ? default : new(value, $"{place}.{name}");

    private static SourcedBlock<T> Over<T>(SourcedBlock<T> upper, SourcedBlock<T> lower)
        where T : class => upper.Value is null ? lower : upper;

    private static string Place(RuleDocument rule, string path) => $"{rule.Key.Namespace}/{rule.Key.Name}#{path}";
}
