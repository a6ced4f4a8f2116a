using Mesh.Testing;
using Xunit;
using static Mesh.Proxy.Tests.Hosting.RuleHarness;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>Fields of a WorkloadEntry, and the selector of a service entry, on real traffic.</summary>
public sealed class WorkloadEntryEffectTests
{
    private const string Host = "vm.example";

    [Fact]
    [EffectOf("ServiceEntry", "workloadSelector.labels")]
    [EffectOf("WorkloadEntry", "labels")]
    [EffectOf("WorkloadEntry", "address")]
    public async Task Selector_SendsToTheWorkloadThatHasTheLabels()
    {
        await using Backend chosen = new("chosen", "127.0.0.2");
        await using Backend other = new("other", "127.0.0.3", chosen.Port);
        await using RuleHarness harness = await StartAsync(
            Entry(chosen.Port) + Workload("a", "{address: 127.0.0.2, labels: {app: vm}}") + Workload("b", "{address: 127.0.0.3, labels: {app: other}}"));

        Assert.Equal("chosen", await harness.AskAsync(Host));
        Assert.Equal("chosen", await harness.AskAsync(Host));

        await harness.ApplyAsync(Entry(chosen.Port, "other") + Workload("a", "{address: 127.0.0.2, labels: {app: vm}}") + Workload("b", "{address: 127.0.0.3, labels: {app: other}}"));
        Assert.Equal("other", await harness.AskAsync(Host));
    }

    [Fact]
    [EffectOf("WorkloadEntry", "ports")]
    public async Task Ports_AreWhereTheWorkloadListens()
    {
        await using Backend first = new("first");
        await using Backend second = new("second");
        string workload = Workload("a", "{address: 127.0.0.1, labels: {app: vm}, ports: {http: PORT}}");
        await using RuleHarness harness = await StartAsync(Entry(first.Port) + workload.Replace("PORT", $"{second.Port}", StringComparison.Ordinal));

        Assert.Equal("second", await harness.AskAsync(Host));

        await harness.ApplyAsync(Entry(first.Port) + Workload("a", "{address: 127.0.0.1, labels: {app: vm}}"));
        Assert.Equal("first", await harness.AskAsync(Host));
    }

    [Fact]
    [EffectOf("WorkloadEntry", "weight")]
    public async Task Weight_IsTheShareOfRequests()
    {
        await using Backend heavy = new("heavy", "127.0.0.2");
        await using Backend light = new("light", "127.0.0.3", heavy.Port);
        await using RuleHarness harness = await StartAsync(
            Entry(heavy.Port) + Workload("a", "{address: 127.0.0.2, labels: {app: vm}, weight: 3}") + Workload("b", "{address: 127.0.0.3, labels: {app: vm}}")
            + Rule("DestinationRule", "dr", $"{{host: {Host}, trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN}}}}}}"));

        int heavier = 0;
        for (int i = 0; i < 40; i++)
        {
            heavier += await harness.AskAsync(Host) == "heavy" ? 1 : 0;
        }

        Assert.InRange(heavier, 29, 31); // 3 of 4, wherever the turn began
    }

    [Fact]
    [EffectOf("WorkloadEntry", "locality")]
    public async Task Locality_TheNearestWorkloadIsPreferred()
    {
        await using Backend near = new("near", "127.0.0.2");
        await using Backend far = new("far", "127.0.0.3", near.Port);
        await using RuleHarness harness = await StartAsync(
            Entry(near.Port) + Workload("a", "{address: 127.0.0.2, labels: {app: vm}, locality: here/a/b}") + Workload("b", "{address: 127.0.0.3, labels: {app: vm}, locality: there/a/b}")
            + Rule("DestinationRule", "dr", $"{{host: {Host}, trafficPolicy: {{outlierDetection: {{}}}}}}"));

        for (int i = 0; i < 12; i++)
        {
            Assert.Equal("near", await harness.AskAsync(Host));
        }
    }

    [Fact]
    public async Task ChangedWorkload_LeavesConnectionsOfTheOthersAlone()
    {
        await using Backend stays = new("stays", "127.0.0.2");
        await using Backend leaves = new("leaves", "127.0.0.3", stays.Port);
        await using Backend comes = new("comes", "127.0.0.4", stays.Port);
        string entry = Entry(stays.Port) + Workload("a", "{address: 127.0.0.2, labels: {app: vm}}")
            + Rule("DestinationRule", "dr", $"{{host: {Host}, trafficPolicy: {{loadBalancer: {{simple: ROUND_ROBIN}}}}}}");
        await using RuleHarness harness = await StartAsync(entry + Workload("b", "{address: 127.0.0.3, labels: {app: vm}}"));
        Assert.Equal(["leaves", "stays"], await AskTwiceAsync(harness));

        await harness.ApplyAsync(entry + Workload("b", "{address: 127.0.0.4, labels: {app: vm}}"));

        Assert.Equal(["comes", "stays"], await AskTwiceAsync(harness));
        Assert.Equal((1, 1, 1), (stays.Connections, leaves.Connections, comes.Connections));
    }

    private static async Task<string[]> AskTwiceAsync(RuleHarness harness) =>
        [.. ((string[])[await harness.AskAsync(Host), await harness.AskAsync(Host)]).Order(StringComparer.Ordinal)];

    private static string Entry(int targetPort, string app = "vm") => Rule(
        "ServiceEntry", "vm",
        $"{{hosts: [{Host}], resolution: STATIC, ports: [{{number: 80, targetPort: {targetPort}, name: http, protocol: HTTP}}], workloadSelector: {{labels: {{app: {app}}}}}}}");

    private static string Workload(string name, string spec) => Rule("WorkloadEntry", name, spec);
}
