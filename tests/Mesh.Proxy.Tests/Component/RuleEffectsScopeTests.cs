using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>For which traffic a DestinationRule and its parts hold, from their text to the wire. The mark is keepalive: who has it obeyed the rule.</summary>
public sealed class RuleEffectsScopeTests
{
    private const string Probes = "connectionPool: {tcp: {tcpKeepalive: {probes: 7}}}";

    private static readonly string OfTeam = RuleTexts.Entry(
        "hosts: [team.test]\nresolution: STATIC\nports: [{number: 80, name: http, protocol: HTTP}]\nendpoints: [{address: 10.0.4.1}]", "team", "team");

    [Theory]
    [EffectOf("DestinationRule", "host")]
    [InlineData("host: team.test", true)]
    [InlineData("host: '*.test'", true)]
    [InlineData("host: other.test", false)]
    [EffectOf("DestinationRule", "exportTo")]
    [InlineData("host: team.test\nexportTo: ['*']", true)]
    [InlineData("host: team.test\nexportTo: [default]", true)]
    [InlineData("host: team.test\nexportTo: ['.']", false)]
    public async Task Rule_HoldsForWhomItNames(string head, bool isObeyed)
    {
        await using RuleScene scene = await RuleScene.StartAsync(OfTeam, RuleTexts.Destination($"{head}\ntrafficPolicy: {{{Probes}}}", "dr", "team"));

        await AssertObeyedAsync(scene, "team.test", isObeyed);
    }

    [Theory]
    [EffectOf("DestinationRule", "workloadSelector.matchLabels")]
    [InlineData("{app: caller, version: v1}", true)]
    [InlineData("{app: caller, version: v2}", false)]
    public async Task WorkloadSelector_ChoosesTheCaller(string labels, bool isObeyed)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination($"host: b.test\nworkloadSelector: {{matchLabels: {labels}}}\ntrafficPolicy: {{{Probes}}}"));

        await AssertObeyedAsync(scene, "b.test", isObeyed);
    }

    [Fact]
    [EffectOf("DestinationRule", "subsets.name")]
    [EffectOf("DestinationRule", "subsets.labels")]
    public async Task Subset_HasTheEndpointsWithItsLabels()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination("host: a.test\nsubsets: [{name: old, labels: {version: v1}}, {name: new, labels: {version: v2}}, {name: none, labels: {version: v3}}]"),
            RuleTexts.Routes(string.Join('\n', ((string[])["old", "new", "none", "gone"]).Select(static s => $"- match: [{{uri: {{exact: /{s}}}}}]\n  route: [{{destination: {{host: a.test, subset: {s}}}}}]"))));

        Assert.Equal("10.0.0.1:80", (await scene.CallAsync("/old")).Body);
        Assert.Equal("10.0.0.2:80", (await scene.CallAsync("/new")).Body);
        Assert.Equal("no healthy upstream", (await scene.CallAsync("/none")).Body);
        Assert.Equal("unknown_cluster", (await scene.CallAsync("/gone"))["x-mesh-reason"][0].Split(';')[0]);
    }

    // The block of the wider place says something else, so that only the narrow one makes the expected.
    [Theory]
    [EffectOf("DestinationRule", "subsets.trafficPolicy.connectionPool")]
    [InlineData("{connectionPool: {tcp: {maxConnections: 1}}}", "{connectionPool: {tcp: {maxConnections: 3}}}", 3)]
    [InlineData("{connectionPool: {tcp: {maxConnections: 1}}}", "{loadBalancer: {simple: RANDOM}}", 1)]
    [EffectOf("DestinationRule", "subsets.trafficPolicy.portLevelSettings")]
    [InlineData("{connectionPool: {tcp: {maxConnections: 1}}}", "{portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 3}}}]}", 3)]
    [InlineData("{connectionPool: {tcp: {maxConnections: 1}}}", "{portLevelSettings: [{port: {number: 8080}, connectionPool: {tcp: {maxConnections: 3}}}]}", 1)]
    [InlineData("{connectionPool: {tcp: {maxConnections: 1}}}", "{portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}", 5)]
    public async Task Subset_ConnectionPool_TakesTheRulesPlace(string ofRule, string ofSubset, int connections)
    {
        await using RuleScene scene = await StartAsync(ofRule, ofSubset);

        Assert.Equal(connections, await ConnectionsOfFiveAsync(scene, "a.test"));
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.portLevelSettings.port.number")]
    [EffectOf("DestinationRule", "trafficPolicy.portLevelSettings.connectionPool")]
    [InlineData("a.test", 3)]
    [InlineData("a.test:8080", 1)]
    public async Task Port_ConnectionPool_TakesTheRulesPlace(string host, int connections)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Destination(
            "host: a.test\ntrafficPolicy:\n  connectionPool: {tcp: {maxConnections: 1}}\n  portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 3}}}]"));

        Assert.Equal(connections, await ConnectionsOfFiveAsync(scene, host));
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.portLevelSettings.loadBalancer")]
    [InlineData("host: a.test\ntrafficPolicy:\n  loadBalancer: {consistentHash: {httpHeaderName: x-user}}\n  portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]", 2)]
    [EffectOf("DestinationRule", "subsets.trafficPolicy.loadBalancer")]
    [InlineData("host: a.test\ntrafficPolicy:\n  loadBalancer: {consistentHash: {httpHeaderName: x-user}}\nsubsets: [{name: all, labels: {}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}]", 2)]
    [InlineData("host: a.test\ntrafficPolicy:\n  loadBalancer: {consistentHash: {httpHeaderName: x-user}}\nsubsets: [{name: all, labels: {}}]", 1)]
    public async Task LoadBalancer_OfTheNarrowerPlace_Chooses(string rule, int endpoints)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination(rule), RuleTexts.Routes($"- route: [{{destination: {{host: a.test{(rule.Contains("subsets", StringComparison.Ordinal) ? ", subset: all" : "")}}}}}]"));

        for (int i = 0; i < 6; i++)
        {
            await scene.CallAsync(headers: "x-user: 1\r\n");
        }

        Assert.Equal(endpoints, scene.Upstreams.Seen.Select(static r => r.Address).Distinct().Count());
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.portLevelSettings.outlierDetection")]
    [InlineData("portLevelSettings: [{port: {number: 80}, outlierDetection: {consecutive5xxErrors: 2, maxEjectionPercent: 100}}]", "", 2)]
    [EffectOf("DestinationRule", "subsets.trafficPolicy.outlierDetection")]
    [InlineData("", ", trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 100}}", 3)]
    [InlineData("", "", 10)]
    public async Task OutlierDetection_OfTheNarrowerPlace_Ejects(string ofRule, string ofSubset, int served)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination($"host: a.test\ntrafficPolicy:\n  outlierDetection: {{consecutive5xxErrors: 100, maxEjectionPercent: 100}}\n  {ofRule}\nsubsets: [{{name: v1, labels: {{version: v1}}{ofSubset}}}]"),
            RuleTexts.Routes("- route: [{destination: {host: a.test, subset: v1}}]\n  retries: {attempts: 0}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");

        for (int i = 0; i < 10; i++)
        {
            await scene.CallAsync();
        }

        Assert.Equal(served, scene.Upstreams.Seen.Count);
    }

    [Theory]
    [EffectOf("DestinationRule", "subsets.trafficPolicy.retryBudget")]
    [InlineData(", trafficPolicy: {retryBudget: {percent: 0, minRetryConcurrency: 4}}", 4)]
    [InlineData("", 1)]
    public async Task RetryBudget_OfTheSubset_BoundsRetries(string ofSubset, int retries)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination($"host: a.test\ntrafficPolicy: {{retryBudget: {{percent: 0, minRetryConcurrency: 1}}}}\nsubsets: [{{name: v1, labels: {{version: v1}}{ofSubset}}}]"),
            RuleTexts.Routes("- route: [{destination: {host: a.test, subset: v1}}]\n  retries: {attempts: 1, retryOn: 5xx, backoff: 1s}"));

        Assert.Equal(retries, await RuleBudgets.RetriesOfTenAsync(scene));
    }

    private static Task<RuleScene> StartAsync(string ofRule, string ofSubset) => RuleScene.StartAsync(
        RuleTexts.Destination($"host: a.test\ntrafficPolicy: {ofRule}\nsubsets: [{{name: v1, labels: {{version: v1}}, trafficPolicy: {ofSubset}}}]"),
        RuleTexts.Routes("- route: [{destination: {host: a.test, subset: v1}}]"));

    private static async Task<int> ConnectionsOfFiveAsync(RuleScene scene, string host)
    {
        scene.Upstreams.Answer = static _ => null;
        for (int i = 0; i < 5; i++)
        {
            await scene.SendAsync(host: host);
        }

        return scene.Upstreams.Dials.Count;
    }

    private static async Task AssertObeyedAsync(RuleScene scene, string host, bool isObeyed)
    {
        await scene.CallAsync(host: host);
        Assert.Equal(isObeyed ? 7 : null, Assert.Single(scene.Upstreams.Dials).Keepalive?.Probes);
    }
}
