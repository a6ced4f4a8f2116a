using Mesh.Proxy.Tests.Middleware;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>tcp routes of a VirtualService, proxyProtocol and tunnel of a DestinationRule, from their text to the bytes that upstreams see.</summary>
public sealed class RuleEffectsTcpTests
{
    private const string Subsets = "host: db.test\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]";

    // Who fits gets to the cache, the rest to the database's second version.
    [Theory]
    [EffectOf("VirtualService", "tcp.match.port")]
    [InlineData("port: 3306", true)]
    [InlineData("port: 3307", false)]
    [EffectOf("VirtualService", "tcp.match.destinationSubnets")]
    [InlineData("destinationSubnets: [127.0.0.0/8]", true)]
    [InlineData("destinationSubnets: [10.0.0.0/8, 127.0.0.2]", false)]
    [EffectOf("VirtualService", "tcp.match.sourceLabels")]
    [InlineData("sourceLabels: {app: caller}", true)]
    [InlineData("sourceLabels: {app: other}", false)]
    [EffectOf("VirtualService", "tcp.match.sourceNamespace")]
    [InlineData("sourceNamespace: default", true)]
    [InlineData("sourceNamespace: other", false)]
    [EffectOf("VirtualService", "tcp.match.sourceSubnet")]
    [InlineData("sourceSubnet: 127.0.0.0/8", true)]
    [InlineData("sourceSubnet: 10.0.0.0/8", false)]
    [EffectOf("VirtualService", "tcp.match.gateways")]
    [InlineData("gateways: [mesh]", true)]
    [InlineData("gateways: [edge]", false)]
    public async Task Match_Decides(string match, bool fits)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination(Subsets),
            RuleTexts.Virtual($"hosts: [db.test]\ntcp:\n- match: [{{{match}}}]\n  route: [{{destination: {{host: cache.test}}}}]\n- route: [{{destination: {{host: db.test, subset: v2}}}}]"));

        Assert.Equal(fits ? "10.0.3.1:6379" : "10.0.2.2:3306", await ReachedAsync(scene));
    }

    // Clients ask for tls.test.
    [Theory]
    [EffectOf("VirtualService", "tls.match.sniHosts")]
    [InlineData("sniHosts: [tls.test]", "{host: cache.test}", "10.0.3.1:6379")]
    [InlineData("sniHosts: [www.tls.test]", "{host: cache.test}", "10.0.4.1:8443")]
    [EffectOf("VirtualService", "tls.match.port")]
    [InlineData("sniHosts: [tls.test], port: 8443", "{host: cache.test}", "10.0.3.1:6379")]
    [InlineData("sniHosts: [tls.test], port: 8444", "{host: cache.test}", "10.0.4.1:8443")]
    [EffectOf("VirtualService", "tls.match.destinationSubnets")]
    [InlineData("sniHosts: [tls.test], destinationSubnets: [127.0.0.1]", "{host: cache.test}", "10.0.3.1:6379")]
    [InlineData("sniHosts: [tls.test], destinationSubnets: [10.0.0.0/8]", "{host: cache.test}", "10.0.4.1:8443")]
    [EffectOf("VirtualService", "tls.match.sourceLabels")]
    [InlineData("sniHosts: [tls.test], sourceLabels: {app: caller}", "{host: cache.test}", "10.0.3.1:6379")]
    [InlineData("sniHosts: [tls.test], sourceLabels: {app: other}", "{host: cache.test}", "10.0.4.1:8443")]
    [EffectOf("VirtualService", "tls.match.sourceNamespace")]
    [InlineData("sniHosts: [tls.test], sourceNamespace: default", "{host: cache.test}", "10.0.3.1:6379")]
    [InlineData("sniHosts: [tls.test], sourceNamespace: other", "{host: cache.test}", "10.0.4.1:8443")]
    [EffectOf("VirtualService", "tls.match.gateways")]
    [InlineData("sniHosts: [tls.test], gateways: [mesh]", "{host: cache.test}", "10.0.3.1:6379")]
    [InlineData("sniHosts: [tls.test], gateways: [edge]", "{host: cache.test}", "10.0.4.1:8443")]
    [EffectOf("VirtualService", "tls.route.destination.host")]
    [EffectOf("VirtualService", "tls.route.destination.subset")]
    [InlineData("sniHosts: [tls.test]", "{host: db.test, subset: v1}", "10.0.2.1:3306")]
    [InlineData("sniHosts: [tls.test]", "{host: db.test, subset: v2}", "10.0.2.2:3306")]
    [EffectOf("VirtualService", "tls.route.destination.port.number")]
    [InlineData("sniHosts: [tls.test]", "{host: a.test, subset: v1, port: {number: 8080}}", "10.0.0.1:8080")]
    [InlineData("sniHosts: [tls.test]", "{host: a.test, subset: v1, port: {number: 80}}", "10.0.0.1:80")]
    public async Task TlsRoute_Leads(string match, string destination, string address)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination(Subsets), RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}]", "a"),
            RuleTexts.Virtual($"hosts: [tls.test, www.tls.test]\ntls: [{{match: [{{{match}}}], route: [{{destination: {destination}}}]}}]"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.ConnectTcp(8443);
        await client.SendAsync(Hello.For("tls.test"));

        Assert.Equal(address, (await scene.Upstreams.AcceptAsync()).Address);
    }

    [Theory]
    [EffectOf("VirtualService", "tcp.route.destination.host")]
    [InlineData("{host: cache.test}", "10.0.3.1:6379")]
    [EffectOf("VirtualService", "tcp.route.destination.subset")]
    [InlineData("{host: db.test, subset: v1}", "10.0.2.1:3306")]
    [InlineData("{host: db.test, subset: v2}", "10.0.2.2:3306")]
    [EffectOf("VirtualService", "tcp.route.destination.port.number")]
    [InlineData("{host: a.test, subset: v1, port: {number: 8080}}", "10.0.0.1:8080")]
    [InlineData("{host: a.test, subset: v1, port: {number: 80}}", "10.0.0.1:80")]
    public async Task Destination_Leads(string destination, string address)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination(Subsets), RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}]", "a"),
            RuleTexts.Virtual($"hosts: [db.test]\ntcp: [{{route: [{{destination: {destination}}}]}}]"));

        Assert.Equal(address, await ReachedAsync(scene));
    }

    [Fact]
    [EffectOf("VirtualService", "tcp.route.weight")]
    public async Task Weight_IsTheShare()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, new Random(1), RuleTexts.Services, RuleTexts.Destination(Subsets),
            RuleTexts.Virtual("hosts: [db.test]\ntcp: [{route: [{destination: {host: db.test, subset: v1}, weight: 80}, {destination: {host: db.test, subset: v2}, weight: 20}]}]"));

        int second = 0;
        for (int i = 0; i < 300; i++)
        {
            second += await ReachedAsync(scene) == "10.0.2.2:3306" ? 1 : 0;
        }

        Assert.InRange(second, 35, 85);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.proxyProtocol.version")]
    [InlineData("proxyProtocol: {version: V1}", "PROXY TCP4 127.0.0.1 ")]
    [InlineData("proxyProtocol: {version: V2}", "\r\n\r\n\0\r\nQUIT\n\u0021\u0011")]
    [EffectOf("DestinationRule", "trafficPolicy.proxyProtocol")]
    [InlineData("proxyProtocol: {}", "PROXY TCP4 127.0.0.1 ")]
    [EffectOf("DestinationRule", "trafficPolicy.tunnel.targetHost")]
    [EffectOf("DestinationRule", "trafficPolicy.tunnel.targetPort")]
    [InlineData("tunnel: {targetHost: far.test, targetPort: 4433}", "CONNECT far.test:4433 HTTP/1.1\r\n")]
    [EffectOf("DestinationRule", "trafficPolicy.tunnel.protocol")]
    [InlineData("tunnel: {targetHost: far.test, targetPort: 4433, protocol: CONNECT}", "CONNECT far.test:4433 HTTP/1.1\r\n")]
    [InlineData("tunnel: {targetHost: far.test, targetPort: 4433, protocol: POST}", "POST ")]
    public async Task Wire_BeginsAsTheRuleSays(string policy, string beginning)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Policy(policy, "cache.test"));

        Assert.StartsWith(beginning, await FirstBytesAsync(scene, 6379, beginning.Length), StringComparison.Ordinal);
    }

    [Theory]
    [EffectOf("DestinationRule", "subsets.trafficPolicy.proxyProtocol")]
    [InlineData("{proxyProtocol: {version: V1}}", "{proxyProtocol: {version: V2}}", "\r\n\r\n\0\r\nQUIT")]
    [EffectOf("DestinationRule", "subsets.trafficPolicy.tunnel")]
    [InlineData("{tunnel: {targetHost: far.test, targetPort: 1}}", "{tunnel: {targetHost: near.test, targetPort: 2}}", "CONNECT near.test:2 ")]
    public async Task Wire_OfTheSubset_TakesTheRulesPlace(string ofRule, string ofSubset, string beginning)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination($"host: db.test\ntrafficPolicy: {ofRule}\nsubsets: [{{name: v1, labels: {{version: v1}}, trafficPolicy: {ofSubset}}}]"),
            RuleTexts.Virtual("hosts: [db.test]\ntcp: [{route: [{destination: {host: db.test, subset: v1}}]}]"));

        Assert.StartsWith(beginning, await FirstBytesAsync(scene, 3306, beginning.Length), StringComparison.Ordinal);
    }

    private static async Task<string> ReachedAsync(RuleScene scene)
    {
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.ConnectTcp(3306);
        await client.SendAsync("hello");
        (string address, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        Assert.Equal("hello", await upstream.ReadAsync(5));
        return address;
    }

    private static async Task<string> FirstBytesAsync(RuleScene scene, int port, int count)
    {
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.ConnectTcp(port);
        await client.SendAsync("hello");
        MemoryConnection upstream = (await scene.Upstreams.AcceptAsync()).Connection;
        string bytes = await upstream.ReadAsync(count);
        upstream.End();
        return bytes;
    }
}
