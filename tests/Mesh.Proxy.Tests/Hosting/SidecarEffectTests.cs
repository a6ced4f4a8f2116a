using System.Net;
using Mesh.Testing;
using Xunit;
using static Mesh.Proxy.Tests.Hosting.RuleHarness;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>Fields of a Sidecar on real traffic.</summary>
public sealed class SidecarEffectTests
{
    private const string Everything = "egress: [{hosts: ['*/*']}]";

    [Fact]
    [EffectOf("Sidecar", "egress.hosts")]
    [EffectOf("Sidecar", "workloadSelector.labels")]
    public async Task EgressHosts_HideWhatIsNotListed_FromTheWorkloadsSelected()
    {
        await using Backend upstream = new("upstream");
        string rules = Service("a.example", upstream.Port) + Service("b.example", upstream.Port)
            + Rule("Sidecar", "s", "{workloadSelector: {labels: {app: fenced}}, egress: [{hosts: ['*/a.example']}]}");
        await using RuleHarness fenced = await StartAsync(rules, null, "app=fenced");
        await using RuleHarness free = await StartAsync(rules, null, "app=free");

        Assert.Equal("upstream", await fenced.AskAsync("a.example"));
        Assert.NotEqual("upstream", await fenced.AskAsync("b.example"));
        Assert.Equal("upstream", await free.AskAsync("b.example"));
    }

    [Fact]
    [EffectOf("Sidecar", "egress.port.number")]
    public async Task EgressPort_HasHostsOfItsOwn()
    {
        await using Backend upstream = new("upstream");
        await using RuleHarness harness = await StartAsync(
            Service("a.example", upstream.Port, 90) + Service("b.example", upstream.Port)
            + Rule("Sidecar", "s", "{egress: [{port: {number: 90, protocol: HTTP, name: http}, hosts: ['*/a.example']}, {hosts: ['*/b.example']}]}"));

        Assert.Equal("upstream", await harness.AskAsync("a.example:90"));
        Assert.Equal("upstream", await harness.AskAsync("b.example"));

        await harness.ApplyAsync(
            Service("a.example", upstream.Port, 90) + Rule("Sidecar", "s", "{egress: [{port: {number: 91, protocol: HTTP, name: http}, hosts: ['*/a.example']}]}"));
        Assert.NotEqual("upstream", await harness.AskAsync("a.example:90"));
    }

    [Fact]
    [EffectOf("Sidecar", "egress.bind")]
    public async Task EgressBind_IsWhereTcpListens()
    {
        await using Backend upstream = new("upstream");
        int port = HostHarness.FreePort();
        await using RuleHarness harness = await StartAsync(
            Service("db.example", upstream.Port, port, "TCP")
            + Rule("Sidecar", "s", $"{{egress: [{{port: {{number: {port}, protocol: TCP, name: sql}}, bind: 127.0.0.9, hosts: ['*/*']}}]}}"));

        Assert.Equal("upstream", await TalkAsync(new IPEndPoint(IPAddress.Parse("127.0.0.9"), port)));
    }

    [Fact]
    [EffectOf("Sidecar", "ingress.defaultEndpoint")]
    [EffectOf("Sidecar", "ingress.port.number")]
    public async Task DefaultEndpoint_IsCalledInPlaceOfTheKnownApplication()
    {
        await using Backend known = new("known");
        await using Backend written = new("written");
        await using RuleHarness harness = await StartAsync(Ingress(8080), known);
        Assert.Equal("written", await harness.AskAppAsync());

        await harness.ApplyAsync(Ingress(8081));
        Assert.Equal("known", await harness.AskAppAsync());

        string Ingress(int port) => Rule("Sidecar", "s", $"{{ingress: [{{port: {{number: {port}, protocol: HTTP, name: http}}, defaultEndpoint: '127.0.0.1:{written.Port}'}}]}}");
    }

    [Theory]
    [InlineData("inboundConnectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}")]
    [InlineData("ingress: [{port: {number: 8080, protocol: HTTP, name: http}, connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}]")]
    [EffectOf("Sidecar", "inboundConnectionPool.tcp.maxConnections")]
    [EffectOf("Sidecar", "inboundConnectionPool.http.http1MaxPendingRequests")]
    [EffectOf("Sidecar", "ingress.connectionPool.tcp.maxConnections")]
    [EffectOf("Sidecar", "ingress.connectionPool.http.http1MaxPendingRequests")]
    public async Task InboundPool_LimitsWhatReachesTheApplication(string pool)
    {
        await using Backend app = new("app") { Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        await using RuleHarness harness = await StartAsync(Rule("Sidecar", "s", $"{{{pool}}}"), app);

        Task<string> first = harness.AskAppAsync();
        await Eventually.HoldsAsync(() => app.Requests == 1, "the first one is there"); // until then it is the one that waits
        Task<string>[] calls = [first, .. Enumerable.Range(0, 4).Select(_ => harness.AskAppAsync())];
        await Eventually.HoldsAsync(() => calls.Count(static c => c.IsCompleted) == 3, "three of five are refused");
        app.Gate.SetResult();

        Assert.Equal(["503", "503", "503", "app", "app"], (await Task.WhenAll(calls)).Order(StringComparer.Ordinal));
        await harness.ApplyAsync(Rule("Sidecar", "s", $"{{{Everything}}}"));
        Assert.Equal("app", await harness.AskAppAsync());
    }

    private static async Task<string> TalkAsync(IPEndPoint address)
    {
        using SocketPeer client = await SocketPeer.ConnectAsync(address);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: db\r\n\r\n");
        string answer = await client.ReadUntilAsync("\r\n\r\nupstream");
        return answer[(answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..];
    }

    private static string Service(string host, int targetPort, int port = 80, string protocol = "HTTP") => Rule(
        "ServiceEntry", host.Split('.')[0],
        $"{{hosts: [{host}], resolution: STATIC, ports: [{{number: {port}, targetPort: {targetPort}, name: main, protocol: {protocol}}}], endpoints: [{{address: 127.0.0.1}}]}}");
}
