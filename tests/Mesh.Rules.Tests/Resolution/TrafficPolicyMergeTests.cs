using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Resolution;

/// <summary>Precedence block by block (semantics 1.9), row by row and against a model that is written another way.</summary>
public sealed class TrafficPolicyMergeTests
{
    private const int Port = 8080;

    [Fact]
    public void Effective_PortEntryWithoutBlock_DoesNotInheritTheRules()
    {
        TrafficPolicy policy = Limit(1) with { PortLevelSettings = [new PortTrafficPolicy { Port = At(Port), OutlierDetection = new OutlierDetection() }] };

        EffectivePolicy effective = Effective(policy, null);

        Assert.Null(effective.ConnectionPool.Value);
        Assert.Equal("default/r#spec.trafficPolicy.portLevelSettings[0].outlierDetection", effective.Outlier.Source);
    }

    [Fact]
    public void Effective_OtherPort_TakesTheRules() =>
        Assert.Equal(1, Max(Effective(Limit(1) with { PortLevelSettings = [new PortTrafficPolicy { Port = At(9), ConnectionPool = Pool(9) }] }, null)));

    [Fact]
    public void Effective_SubsetBlock_ReplacesTheRulesAndInheritsTheRest()
    {
        TrafficPolicy policy = Limit(1) with { OutlierDetection = new OutlierDetection() };

        EffectivePolicy effective = Effective(policy, Limit(2));

        Assert.Equal(2, Max(effective));
        Assert.Equal("default/r#spec.subsets[0].trafficPolicy.connectionPool", effective.ConnectionPool.Source);
        Assert.Equal("default/r#spec.trafficPolicy.outlierDetection", effective.Outlier.Source);
    }

    [Fact]
    public void Effective_SubsetPortEntry_ReplacesEvenByNothing()
    {
        TrafficPolicy policy = Limit(1) with { OutlierDetection = new OutlierDetection() };
        TrafficPolicy subset = new() { PortLevelSettings = [new PortTrafficPolicy { Port = At(Port), LoadBalancer = new LoadBalancerSettings { Simple = "RANDOM" } }] };

        EffectivePolicy effective = Effective(policy, subset);

        Assert.Null(effective.ConnectionPool.Value);
        Assert.Null(effective.Outlier.Value);
        Assert.Equal("RANDOM", effective.LoadBalancer.Value?.Simple);
    }

    [Fact]
    public void Effective_SubsetWithoutPolicy_IsTheRules() => Assert.Equal(1, Max(Effective(Limit(1), null, hasSubset: true)));

    [Theory]
    [InlineData(7)]
    [InlineData(8)]
    public void Effective_RandomPolicies_AgreesWithTheModel(int seed)
    {
        Random random = new(seed);
        for (int round = 0; round < 1000; round++)
        {
            TrafficPolicy? rule = Maybe(random);
            TrafficPolicy? subset = Maybe(random);
            bool hasSubset = random.Next(2) == 0;

            EffectivePolicy effective = Effective(rule, hasSubset ? subset : null, hasSubset);

            TrafficPolicy? own = hasSubset ? subset : null;
            Assert.Equal(Model(rule, own, p => p.ConnectionPool, p => p.ConnectionPool), effective.ConnectionPool.Value);
            Assert.Equal(Model(rule, own, p => p.OutlierDetection, p => p.OutlierDetection), effective.Outlier.Value);
            Assert.Equal(Model(rule, own, p => p.LoadBalancer, p => p.LoadBalancer), effective.LoadBalancer.Value);
            Assert.Equal(own?.Tunnel ?? (Entry(rule) is null ? rule?.Tunnel : null), effective.Tunnel.Value);
        }
    }

    // The four places in order; a port entry answers for its level alone, whatever it says.
    private static T? Model<T>(TrafficPolicy? rule, TrafficPolicy? subset, Func<TrafficPolicy, T?> top, Func<PortTrafficPolicy, T?> port)
        where T : class
    {
        if (Entry(subset) is { } subsetPort)
        {
            return port(subsetPort);
        }

        if (subset is not null && top(subset) is { } ofSubset)
        {
            return ofSubset;
        }

        return Entry(rule) is { } rulePort ? port(rulePort) : rule is null ? null : top(rule);
    }

    private static PortTrafficPolicy? Entry(TrafficPolicy? policy) => policy?.PortLevelSettings.FirstOrDefault(p => p.Port?.Number == Port);

    private static TrafficPolicy? Maybe(Random random) => random.Next(4) == 0 ? null : new TrafficPolicy
    {
        ConnectionPool = random.Next(2) == 0 ? null : Pool(random.Next(1, 99)),
        OutlierDetection = random.Next(2) == 0 ? null : new OutlierDetection { ConsecutiveErrors = random.Next(99) },
        LoadBalancer = random.Next(2) == 0 ? null : new LoadBalancerSettings { Simple = $"S{random.Next(99)}" },
        Tunnel = random.Next(2) == 0 ? null : new TunnelSettings { TargetPort = random.Next(99) },
        PortLevelSettings = random.Next(2) == 0 ? [] :
        [
            new PortTrafficPolicy { Port = At(random.Next(2) == 0 ? Port : 9), ConnectionPool = random.Next(2) == 0 ? null : Pool(random.Next(1, 99)) },
        ],
    };

    private static EffectivePolicy Effective(TrafficPolicy? rule, TrafficPolicy? subset, bool hasSubset = false)
    {
        RuleDocument document = Rule("r", new DestinationRule
        {
            Host = "h",
            TrafficPolicy = rule,
            Subsets = hasSubset || subset is not null ? [new Subset { Name = "s", TrafficPolicy = subset }] : [],
        });
        EffectiveRule merged = DestinationRuleMerge.Merge("default", "h", [document]).Single();
        return TrafficPolicyMerge.Effective(merged, Port, merged.Subsets.FirstOrDefault());
    }

    private static int? Max(EffectivePolicy policy) => policy.ConnectionPool.Value?.Tcp?.MaxConnections;

    private static PortSelector At(int port) => new() { Number = port };
}
