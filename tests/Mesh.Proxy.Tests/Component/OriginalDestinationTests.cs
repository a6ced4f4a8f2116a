using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Middleware;
using Mesh.Proxy.Transport;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;
using static Mesh.Proxy.Tests.Component.Redirected;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Services whose upstream is the address that the caller was going to, and those that a TLS server name finds.</summary>
public sealed class OriginalDestinationTests
{
    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")]
    [InlineData("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n")]
    [EffectOf("DestinationRule", "trafficPolicy.loadBalancer.simple")]
    [EffectOf("ServiceEntry", "resolution")]
    public async Task OriginalDestination_IsTheUpstream_ByName(string request)
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true }, endpoints: 0);
        MemoryConnection client = pipeline.ConnectRedirected("10.77.0.1:80");
        await client.SendAsync(request);
        await pipeline.Upstreams.AcceptAsync();
        Assert.Equal("10.77.0.1:80", pipeline.Upstreams.LastDialled!.ToString());

        MemoryConnection direct = await pipeline.SendAsync(request); // through http_proxy nobody knows where it was going
        string answer = await direct.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 503 ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-reason: no_original_destination", answer, StringComparison.Ordinal);
        Assert.Equal(ResponseFlag.UH, (await pipeline.Sink.NextAsync()).Flag);
    }

    [Theory]
    [InlineData("10.9.0.7", "10.9.0.7:80")]
    [InlineData("10.20.3.4:80", "10.20.3.4:80")]
    [EffectOf("ServiceEntry", "addresses")]
    public async Task OriginalDestination_WithoutARedirect_AnAddressInTheRequestIsOneToo(string authority, string reached)
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true }, endpoints: 0);
        MemoryConnection client = await pipeline.SendAsync($"GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        await AnswerAsync(await pipeline.Upstreams.AcceptAsync(), client);
        Assert.Equal(reached, pipeline.Upstreams.LastDialled!.ToString());
    }

    [Fact]
    [EffectOf("ServiceEntry", "resolution")]
    public async Task OriginalDestination_Tcp_IsTheUpstream_AndWithoutARedirectTheConnectionEnds()
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true, Protocol = ClusterProtocol.Tcp }, endpoints: 0);
        pipeline.Redirection.Destinations = new DestinationTable([Service(Pipeline.Name, "10.5.0.0/16")]);
        MemoryConnection client = pipeline.ConnectRedirected("10.5.1.2:3306");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal("10.5.1.2:3306", pipeline.Upstreams.LastDialled!.ToString());
        client.End();
        upstream.End();
        Assert.Equal(Pipeline.Name, (await pipeline.Sink.NextAsync()).Cluster);

        MemoryConnection direct = pipeline.Connect(pipeline.Tcp);
        Assert.Equal("", await direct.ReadToEndAsync());
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.UH, DecisionReason.NoOriginalDestination), (record.Flag, record.Decision.Reason));
    }

    [Theory]
    [InlineData(0, "203.0.113.5:443")] // the port that was dialled
    [InlineData(8443, "203.0.113.5:8443")] // the rule's targetPort
    public async Task Tls_ForAHostThatIsResolvedOnDemand_GoesByItsServerName(int port, string reached)
    {
        await using Pipeline pipeline = new(c => c with { Port = 443, Dns = DnsDiscovery.Dynamic, OnDemandPort = port, Protocol = ClusterProtocol.Tcp }, endpoints: 0);
        pipeline.Dns.Set("www.example.com", 60, "203.0.113.5");
        ConnectionRouteConfig route = new() { ServerName = "*.example.com", Clusters = [new WeightedClusterConfig(Pipeline.Name)] };
        pipeline.Redirection.Destinations = new DestinationTable([Service("", "127.0.0.1") with { Port = 443, IsForAnyAddress = true, IsTls = true, Routes = [route] }]);
        MemoryConnection client = pipeline.ConnectRedirected("10.77.0.1:443");
        await client.SendAsync(Hello.For("www.example.com"));
        await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(reached, pipeline.Upstreams.LastDialled!.ToString());
    }

    [Fact]
    public async Task Tls_ForAServerNameThatNobodyHas_IsForNobody()
    {
        await using Pipeline pipeline = new();
        ConnectionRouteConfig route = new() { ServerName = "a.test", Clusters = [new WeightedClusterConfig(Pipeline.Name)] };
        pipeline.Redirection.Destinations = new DestinationTable([Service("", "127.0.0.1") with { Port = 443, IsForAnyAddress = true, IsTls = true, Routes = [route] }]);
        MemoryConnection client = pipeline.ConnectRedirected("10.77.0.1:443");
        await client.SendAsync(Hello.For("www.example.com"));
        await pipeline.Upstreams.AcceptAsync();
        Assert.Equal("10.77.0.1:443", pipeline.Upstreams.LastDialled!.ToString());
    }
}
