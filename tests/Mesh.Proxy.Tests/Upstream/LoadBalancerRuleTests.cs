using System.Collections.Immutable;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>From the text of a loadBalancer block to where requests go: one row for each field.</summary>
public sealed class LoadBalancerRuleTests
{
    private const string Host = "products.default.svc.cluster.local";
    private static readonly string[] Places = ["r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r2/z1/s1", "r3/z1/s1"];

    // Shares in percent of the five places, for a caller in r1/z1/s1; the first so many endpoints are ejected.
    [Theory]
    [InlineData("loadBalancer: {simple: RANDOM}", 0, 20, 20, 20, 20, 20)]
    [InlineData("loadBalancer: {simple: LEAST_REQUEST}", 0, 20, 20, 20, 20, 20)]
    [InlineData("loadBalancer: {simple: LEAST_CONN}", 0, 20, 20, 20, 20, 20)]
    [InlineData("outlierDetection: {maxEjectionPercent: 100}", 0, 100, 0, 0, 0, 0)]
    [InlineData("outlierDetection: {maxEjectionPercent: 100}", 2, 0, 0, 100, 0, 0)]
    [InlineData("outlierDetection: {maxEjectionPercent: 100}", 3, 0, 0, 0, 50, 50)]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.localityLbSetting.enabled")]
    [InlineData("loadBalancer: {localityLbSetting: {enabled: false}}\noutlierDetection: {maxEjectionPercent: 100}", 0, 20, 20, 20, 20, 20)]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.localityLbSetting.failover.from")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.localityLbSetting.failover.to")]
    [InlineData("loadBalancer: {localityLbSetting: {failover: [{from: r1, to: r3}]}}\noutlierDetection: {maxEjectionPercent: 100}", 3, 0, 0, 0, 0, 100)]
    [InlineData("loadBalancer: {localityLbSetting: {failover: [{from: r1, to: r2}]}}\noutlierDetection: {maxEjectionPercent: 100}", 3, 0, 0, 0, 100, 0)]
    [InlineData("loadBalancer: {localityLbSetting: {failover: [{from: r2, to: r3}]}}\noutlierDetection: {maxEjectionPercent: 100}", 3, 0, 0, 0, 50, 50)]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.localityLbSetting.failoverPriority")]
    [InlineData("loadBalancer: {localityLbSetting: {failoverPriority: [version]}}\noutlierDetection: {maxEjectionPercent: 100}", 0, 0, 0, 0, 0, 100)]
    [InlineData("loadBalancer: {localityLbSetting: {failoverPriority: [version=v1]}}\noutlierDetection: {maxEjectionPercent: 100}", 0, 25, 25, 25, 25, 0)]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.localityLbSetting.distribute.from")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.localityLbSetting.distribute.to")]
    [InlineData("loadBalancer: {localityLbSetting: {distribute: [{from: r1/*, to: {r1/z1/*: 70, r2: 30}}]}}", 0, 35, 35, 0, 30, 0)]
    [InlineData("loadBalancer: {localityLbSetting: {distribute: [{from: r2, to: {r2: 100}}]}}", 0, 20, 20, 20, 20, 20)]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.zoneAwareLbSetting.minClusterSize")]
    [InlineData("loadBalancer: {zoneAwareLbSetting: {minClusterSize: 5}}", 0, 40, 20, 20, 0, 20)]
    [InlineData("loadBalancer: {zoneAwareLbSetting: {}}", 0, 20, 20, 20, 20, 20)] // six or more it takes
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.zoneAwareLbSetting.enabled")]
    [InlineData("loadBalancer: {zoneAwareLbSetting: {enabled: false, minClusterSize: 5}}", 0, 20, 20, 20, 20, 20)]
    [InlineData("loadBalancer: {consistentHash: {httpHeaderName: x}}", 0, 20, 20, 20, 20, 20)] // without the key: at random
    public async Task Block_DecidesTheShares(string policy, int ejected, params int[] percent)
    {
        using UpstreamHarness harness = Create(policy);
        foreach (Endpoint endpoint in harness.Cluster.Endpoints.Take(ejected))
        {
            harness.Answer(endpoint, 500, times: 5);
        }

        int[] picks = await AskAsync(harness, 10_000);

        // A ring of 512 places each is not quite even.
        int tolerance = policy.Contains("consistentHash", StringComparison.Ordinal) ? 400 : 250;
        Assert.All(picks.Zip(percent), pair => Assert.InRange(pair.First - (pair.Second * 100), pair.Second is 0 or 100 ? 0 : -tolerance, pair.Second is 0 or 100 ? 0 : tolerance));
    }

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.simple")]
    public async Task RoundRobin_GoesInTurns()
    {
        using UpstreamHarness harness = Create("loadBalancer: {simple: ROUND_ROBIN}");

        int[] picks = await AskAsync(harness, 1000);

        Assert.Equal([200, 200, 200, 200, 200], picks);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.warmup.duration")]
    [InlineData("warmup: {duration: 60s}", 0, 0.1)]
    [InlineData("warmup: {duration: 60s}", 30, 0.5)]
    [InlineData("warmup: {duration: 120s}", 30, 0.25)]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.warmup.minimumPercent")]
    [InlineData("warmup: {duration: 60s, minimumPercent: 40}", 0, 0.4)]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.warmup.aggression")]
    [InlineData("warmup: {duration: 60s, aggression: 2}", 30, 0.707)]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.warmupDurationSecs")]
    [InlineData("warmupDurationSecs: 60s", 30, 0.5)]
    public async Task Warmup_DecidesTheShareOfANewEndpoint(string warmup, int seconds, double weight)
    {
        using UpstreamHarness harness = Create($"loadBalancer: {{simple: ROUND_ROBIN, {warmup}}}");
        harness.Time.Advance(TimeSpan.FromMinutes(10));
        ImmutableArray<EndpointConfig> all = [.. harness.Cluster.Endpoints.Select(static e => e.Config), new EndpointConfig("10.0.0.6:80")];
        harness.Manager.AddOrUpdate([(harness.Cluster.Config, all)]);
        harness.Time.Advance(TimeSpan.FromSeconds(seconds));

        int[] picks = await AskAsync(harness, 10_000);

        Assert.InRange(picks[5] / 10_000.0, (weight / (5 + weight)) - 0.01, (weight / (5 + weight)) + 0.01);
    }

    [Theory]
    [InlineData("")]
    [InlineData(", ringHash: {minimumRingSize: 64}")]
    [InlineData(", minimumRingSize: 64")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.consistentHash.maglev.tableSize")]
    [InlineData(", maglev: {tableSize: 251}")]
    public async Task ConsistentHash_SameKey_SameEndpoint(string table)
    {
        using UpstreamHarness harness = Create($"loadBalancer: {{consistentHash: {{httpHeaderName: x{table}}}}}");
        for (ulong key = 1; key < 100; key++)
        {
            Assert.Contains(100, await AskAsync(harness, 100, new PickContext(key * 0x9E3779B97F4A7C15)));
        }
    }

    private static UpstreamHarness Create(string policy)
    {
        string text = $"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: x\nspec:\n  host: products\n  trafficPolicy:\n    {policy.Replace("\n", "\n    ", StringComparison.Ordinal)}\n";
        RuleDocument rule = Assert.Single(RuleReader.ReadYaml(text, "test.yaml")).Document!;
        ImmutableSortedDictionary<string, string> labels = ImmutableSortedDictionary<string, string>.Empty;
        MeshView view = new()
        {
            Services = ImmutableDictionary<string, MeshService>.Empty.Add(Host, new MeshService(Host, "default", [new MeshServicePort(80, "HTTP")])),
            Endpoints = ImmutableDictionary<string, ImmutableArray<MeshEndpoint>>.Empty
                .Add(Host, [.. Places.Select((place, i) => new MeshEndpoint($"10.0.0.{i + 1}:80", 80, labels.Add("version", i < 4 ? "v1" : "v2"), place, "products", "v1"))])
                .Add("orders.default.svc.cluster.local", [Caller(1, Places[0]), Caller(2, Places[3])]),
            Rules = ImmutableDictionary<RuleKey, RuleDocument>.Empty.Add(rule.Key, rule),
        };
        ProxyIdentity orders = new("default", "orders", 8080, "", labels.Add("version", "v2"), Places[0]);
        ProxySnapshot snapshot = new SnapshotCompiler().Compile(orders, view, "1").Snapshot;
        string name = $"outbound|80||{Host}";
        return new UpstreamHarness(snapshot.Clusters[name], snapshot.Endpoints[name], new Random(20261121));

        MeshEndpoint Caller(int index, string place) => new($"10.0.1.{index}:80", 8080, labels, place, "orders", "v1");
    }

    private static async Task<int[]> AskAsync(UpstreamHarness harness, int requests, PickContext pick = default)
    {
        harness.Connector.ConnectsAtOnce = true;
        int[] picks = new int[Math.Max(Places.Length, harness.Cluster.Endpoints.Count)];
        for (int i = 0; i < requests; i++)
        {
            RentResult rent = await harness.Cluster.RentHttpAsync(default, pick: pick);
            picks[rent.Endpoint!.Addresses[0].Address.GetAddressBytes()[3] - 1]++;
            rent.Connection!.Release(true);
        }

        return picks;
    }
}
