using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>ServiceEntry from its text to who is reached under which name.</summary>
public sealed class RuleEffectsServiceEntryTests
{
    private const string Http = "ports: [{number: 80, name: http, protocol: HTTP}]\nresolution: STATIC";

    [Theory]
    [EffectOf("ServiceEntry", "hosts")]
    [InlineData("hosts: [p.test, q.test]", "p.test", true)]
    [InlineData("hosts: [p.test, q.test]", "q.test", true)]
    [InlineData("hosts: [p.test]", "q.test", false)]
    [EffectOf("ServiceEntry", "addresses")]
    [InlineData("hosts: [p.test]\naddresses: [10.9.0.1]", "10.9.0.1", true)]
    [InlineData("hosts: [p.test]", "10.9.0.1", false)]
    [EffectOf("ServiceEntry", "exportTo")]
    [InlineData("hosts: [p.test]\nexportTo: ['*']", "p.test", true)]
    [InlineData("hosts: [p.test]\nexportTo: [default]", "p.test", true)]
    [InlineData("hosts: [p.test]\nexportTo: ['.']", "p.test", false)]
    public async Task Host_IsKnown(string head, string called, bool isKnown)
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(null, null, RuleTexts.Entry($"{head}\n{Http}\nendpoints: [{{address: 10.0.5.1}}]", "p", "partners"), RuleTexts.RegistryOnly);

        Answered answered = await scene.CallAsync(host: called);

        Assert.Equal((isKnown ? 200 : 502, isKnown ? 1 : 0), (answered.Status, answered.Attempts.Length));
    }

    [Theory]
    [EffectOf("ServiceEntry", "ports.number")]
    [InlineData("{number: 80, name: http, protocol: HTTP}", "p.test", "10.0.5.1:80")]
    [InlineData("{number: 8000, name: http, protocol: HTTP}", "p.test:8000", "10.0.5.1:8000")]
    [InlineData("{number: 8000, name: http, protocol: HTTP}", "p.test", null)]
    [EffectOf("ServiceEntry", "ports.targetPort")]
    [InlineData("{number: 80, name: http, protocol: HTTP, targetPort: 9090}", "p.test", "10.0.5.1:9090")]
    [EffectOf("ServiceEntry", "ports.protocol")]
    [InlineData("{number: 80, name: http, protocol: TCP}", "p.test", null)]
    [EffectOf("ServiceEntry", "ports.name")]
    [EffectOf("ServiceEntry", "endpoints.ports")]
    [InlineData("{number: 80, name: web, protocol: HTTP, targetPort: 9090}, {number: 81, name: http, protocol: HTTP}", "p.test", "10.0.5.1:7070")]
    public async Task Port_Leads(string ports, string called, string? address)
    {
        string own = ports.Contains("web", StringComparison.Ordinal) ? ", ports: {web: 7070}" : "";
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, null, RuleTexts.Entry($"hosts: [p.test]\nresolution: STATIC\nports: [{ports}]\nendpoints: [{{address: 10.0.5.1{own}}}]"));

        Assert.Equal(address, (await scene.CallAsync(host: called)).Attempts.FirstOrDefault()?.Address);
    }

    [Fact]
    [EffectOf("ServiceEntry", "addresses")]
    public async Task TcpPort_ListensOnItsAddress()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, null,
            RuleTexts.Entry("hosts: [p.test]\naddresses: [127.0.0.9]\nresolution: STATIC\nports: [{number: 7000, name: tcp, protocol: TCP}]\nendpoints: [{address: 10.0.5.1}]"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.ConnectTcp(7000, "127.0.0.9");
        await client.SendAsync("hello");

        (string address, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();

        Assert.Equal(("10.0.5.1:7000", "hello"), (address, await upstream.ReadAsync(5)));
    }

    [Theory]
    [EffectOf("ServiceEntry", "resolution")]
    [EffectOf("ServiceEntry", "endpoints.address")]
    [InlineData("STATIC", "\nendpoints: [{address: 10.0.5.1}]", "10.0.5.1:80")]
    [InlineData("DNS", "", "10.0.6.1:80 10.0.6.2:80")]
    [InlineData("DNS", "\nendpoints: [{address: far.test}]", "10.0.7.1:80")]
    [InlineData("DNS_ROUND_ROBIN", "", "10.0.6.1:80")]
    public async Task Resolution_FindsTheEndpoints(string resolution, string endpoints, string reached)
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(null, null, RuleTexts.Policy("loadBalancer: {simple: ROUND_ROBIN}", "p.test"));
        scene.Dns.Set("p.test", 60, "10.0.6.1", "10.0.6.2");
        scene.Dns.Set("far.test", 60, "10.0.7.1");
        await scene.ApplyAsync(
            RuleTexts.Policy("loadBalancer: {simple: ROUND_ROBIN}\nconnectionPool: {http: {maxRequestsPerConnection: 1}}", "p.test"),
            RuleTexts.Entry($"hosts: [p.test]\nports: [{{number: 80, name: http, protocol: HTTP}}]\nresolution: {resolution}{endpoints}"));

        for (int i = 0; i < 4; i++)
        {
            await scene.CallAsync(host: "p.test");
        }

        Assert.Equal(reached, string.Join(' ', scene.Upstreams.Dials.Select(static d => d.Address).Distinct().Order(StringComparer.Ordinal)));
    }

    [Theory]
    [EffectOf("ServiceEntry", "endpoints.weight")]
    [InlineData("", "endpoints: [{address: 10.0.5.1, weight: 4}, {address: 10.0.5.2, weight: 1}]", 80)]
    [EffectOf("ServiceEntry", "endpoints.locality")]
    [InlineData(", localityLbSetting: {distribute: [{from: r1, to: {r1: 70, r2: 30}}]}", "endpoints: [{address: 10.0.5.1, locality: r1/z1}, {address: 10.0.5.2, locality: r2/z1}]", 70)]
    [EffectOf("ServiceEntry", "endpoints.labels")]
    [InlineData(", localityLbSetting: {failoverPriority: [version]}", "endpoints: [{address: 10.0.5.1, labels: {version: v1}}, {address: 10.0.5.2, labels: {version: v2}}]", 100)]
    [InlineData("", "endpoints: [{address: 10.0.5.1}, {address: 10.0.5.2}]", 50)]
    public async Task Endpoint_HasItsShare(string balancing, string endpoints, int percent)
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, new Random(1), RuleTexts.Entry($"hosts: [p.test]\n{Http}\n{endpoints}"),
            RuleTexts.Policy($"loadBalancer: {{simple: ROUND_ROBIN{balancing}}}\noutlierDetection: {{maxEjectionPercent: 100}}", "p.test"));

        for (int i = 0; i < 400; i++)
        {
            await scene.CallAsync(host: "p.test");
        }

        int first = scene.Upstreams.Seen.Count(static r => r.Address == "10.0.5.1:80");
        Assert.InRange(first / 4.0, percent - 6, percent + 6);
    }

    [Fact]
    public async Task DynamicDns_WithAConsistentHash_GoesToTheHostThatWasAskedFor()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, null,
            RuleTexts.Entry($"hosts: ['*.wild.test']\nresolution: DYNAMIC_DNS\nports: [{{number: 80, name: http, protocol: HTTP}}]", "wild"),
            RuleTexts.Policy("loadBalancer: {consistentHash: {httpHeaderName: x-user}}", "'*.wild.test'"));
        scene.Dns.Set("x.wild.test", 30, "10.7.0.1");

        Answered answered = await scene.CallAsync(host: "x.wild.test", headers: "x-user: a\r\n");

        Assert.Equal(200, answered.Status);
    }
}
