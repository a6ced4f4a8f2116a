using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Middleware;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Connections that the kernel has redirected to the outbound or the inbound listener.</summary>
public sealed class RedirectedTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: {0}\r\n\r\n";

    [Theory]
    [InlineData("10.77.0.1:80", "a.test")]
    [InlineData("10.77.0.1:80", "A.test:9999")] // the port that was dialled counts
    [InlineData("10.77.0.1:80", "x.wild.test")]
    [InlineData("10.9.0.7:80", "nobody.test")] // the address of the service
    [InlineData("10.20.3.4:80", "nobody.test")] // a block of the service
    [EffectOf("ServiceEntry", "addresses")]
    public async Task Http_ForAKnownService_ObeysItsRules(string dialled, string host)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.ConnectRedirected(dialled);
        await client.SendAsync(Request(host));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await AnswerAsync(upstream, client);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal(("a.test:80", Pipeline.Name, "10.0.0.1:80"), (record.RouteName, record.Cluster, record.UpstreamHost));
        Assert.Equal(dialled, record.LocalAddress);
    }

    [Theory]
    [InlineData("nobody.test")]
    [InlineData("10.20.3.4")] // an address in the request does not matter when another one was dialled
    public async Task Http_ForNobody_AllowAny_GoesWhereItWasGoing(string host)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.ConnectRedirected("10.77.0.1:80");
        await client.SendAsync(Request(host));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal("10.77.0.1:80", pipeline.Upstreams.LastDialled!.ToString());
        await AnswerAsync(upstream, client);
        await client.SendAsync(Request(host));
        await AnswerAsync(upstream, client); // the same connection: it is a pool like any other
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal(("allow_any", BuiltInClusters.Passthrough, "10.77.0.1:80"), (record.RouteName, record.Cluster, record.UpstreamHost));
        Assert.Equal(1, pipeline.Clusters.Find(BuiltInClusters.Passthrough)!.Stats.CxTotal.Value);
        Assert.Contains(pipeline.Clusters.Clusters, static c => c.Name == BuiltInClusters.Passthrough);
    }

    [Fact]
    public async Task Http_ForNobody_RegistryOnly_502()
    {
        await using Pipeline pipeline = new() { Policy = OutboundTrafficPolicy.RegistryOnly };
        MemoryConnection client = pipeline.ConnectRedirected("10.77.0.1:80");
        await client.SendAsync(Request("nobody.test"));
        Assert.StartsWith("HTTP/1.1 502 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal(("block_all", DecisionReason.UnknownService), (record.RouteName, record.Decision.Reason));
        Assert.Equal(0, pipeline.Upstreams.Made);
    }

    [Theory]
    [InlineData("10.77.0.1:3306", "")] // nobody waits for the client: many servers speak first
    [InlineData("10.77.0.1:80", "\u0016\u0003\u0001")] // HTTP is spoken on the port, but not here
    [InlineData("[2001:db8::1]:443", "")]
    public async Task Bytes_ForNobody_AllowAny_GoWhereTheyWereGoing(string dialled, string first)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.ConnectRedirected(dialled);
        await client.SendAsync(first);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(dialled, pipeline.Upstreams.LastDialled!.ToString());
        await upstream.SendAsync("220 ready");
        Assert.Equal("220 ready", await client.ReadAsync(9));
        Assert.Equal(first, await upstream.ReadAsync(first.Length));
        client.End();
        upstream.End();
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((BuiltInClusters.Passthrough, dialled, true), (record.Cluster, record.UpstreamHost, record.IsTcp));
    }

    [Fact]
    public async Task Bytes_ForNobody_RegistryOnly_AreClosedAndCounted()
    {
        await using Pipeline pipeline = new() { Policy = OutboundTrafficPolicy.RegistryOnly };
        MemoryConnection client = pipeline.ConnectRedirected("10.77.0.1:3306");
        Assert.Equal("", await client.ReadToEndAsync());
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((BuiltInClusters.BlackHole, ResponseFlag.UH), (record.Cluster, record.Flag));
        Assert.Equal(1, pipeline.Clusters.Find(BuiltInClusters.BlackHole)!.Stats.CxNoneHealthy.Value);
        Assert.Equal(0, pipeline.Upstreams.Made);
    }

    [Theory]
    [InlineData("10.5.0.1:3306", "exact")]
    [InlineData("10.5.0.9:3306", "small")]
    [InlineData("10.5.9.9:3306", "large")]
    [InlineData("10.6.0.1:3306", "port")]
    [InlineData("10.5.0.9:3307", null)]
    [EffectOf("ServiceEntry", "addresses")]
    public async Task Bytes_GoByAddress_ThenByTheLongestPrefix_ThenByPort(string dialled, string? expected)
    {
        await using Pipeline pipeline = new();
        pipeline.Redirection.Destinations = new DestinationTable([
            Service("port", "127.0.0.1") with { IsForAnyAddress = true },
            Service("large", "10.5.0.0/16"),
            Service("small", "10.5.0.0/28"),
            Service("exact", "10.5.0.1"),
        ]);
        MemoryConnection client = pipeline.ConnectRedirected(dialled);
        if (expected is null)
        {
            await pipeline.Upstreams.AcceptAsync();
            client.Reset();
        }

        Assert.Equal(expected ?? BuiltInClusters.Passthrough, (await pipeline.Sink.NextAsync()).Cluster);
    }

    [Theory]
    [InlineData("127.0.0.1:15006", "10.1.1.1", true)]
    [InlineData("10.1.1.1:15006", "10.1.1.1", true)] // listens on every address, and who calls his own address calls this machine
    [InlineData("10.1.1.2:15006", "10.1.1.1", false)]
    [InlineData("10.1.1.1:15001", "10.1.1.1", false)] // that one listens on loopback alone
    public async Task Outbound_ToAListenerOfItsOwn_IsALoop(string dialled, string from, bool isLoop)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.ConnectRedirected(dialled, from: from);
        if (isLoop)
        {
            Assert.Equal("", await client.ReadToEndAsync());
        }
        else
        {
            await pipeline.Upstreams.AcceptAsync();
        }

        Assert.Equal((isLoop ? 1 : 0, isLoop ? 0 : 1), (pipeline.Stats.Outbound.CxLoop.Value, pipeline.Upstreams.Made));
    }

    [Fact]
    public async Task Outbound_FromLoopback_StaysTheExplicitProxy()
    {
        await using Pipeline pipeline = new() { Policy = OutboundTrafficPolicy.RegistryOnly };
        MemoryConnection client = pipeline.ConnectRedirected("10.77.0.1:3306", from: "127.0.0.1"); // no rule does that, so nobody asks the kernel
        await client.SendAsync(Request("nobody.test"));
        Assert.StartsWith("HTTP/1.1 502 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.1.1.1:80", Pipeline.InboundName, null)]
    [InlineData("10.1.1.1:9000", BuiltInClusters.InboundPassthrough, "127.0.0.6")]
    public async Task Inbound_KnownPortIsTheApplications_AnyOtherIsPassedOnFromAnAddressThatIsNotRedirected(string dialled, string cluster, string? source)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.ConnectRedirected(dialled, pipeline.Inbound with { IsIntercepted = true }, from: "10.1.1.2");
        await client.SendAsync(Request("any"));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(source, (pipeline.Upstreams.LastDialled as SourcedEndPoint)?.Source.ToString());
        Assert.Equal(source is null ? "10.0.0.1:80" : dialled, pipeline.Upstreams.LastDialled!.ToString());
        await AnswerAsync(upstream, client);
        client.End();
        upstream.End();
        Assert.Equal(cluster, (await pipeline.Sink.NextAsync()).Cluster);
    }

    [Theory]
    [InlineData("10.1.1.1:8080", Pipeline.InboundName)]
    [InlineData("[fd00::1]:8080", Pipeline.InboundName)]
    [InlineData("10.1.1.1:9000", BuiltInClusters.InboundPassthrough)]
    public async Task Inbound_OfAPod_GoesByThePortThatWasDialled_ToTheAddressThatWasDialled(string dialled, string cluster)
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true }, endpoints: 0);
        MemoryConnection client = pipeline.ConnectRedirected(dialled, OfPod(pipeline), from: "10.1.1.2");
        await client.SendAsync(Request("any"));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(dialled, pipeline.Upstreams.LastDialled!.ToString());
        await AnswerAsync(upstream, client);
        client.End();
        upstream.End();
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((cluster, dialled, cluster != Pipeline.InboundName), (record.Cluster, record.UpstreamHost, record.IsTcp));
    }

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.http.http1MaxPendingRequests")]
    public async Task Inbound_OfAPod_HasTheLimitsOfThePort()
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true, Limits = new CircuitBreakerConfig(MaxConnections: 1, MaxPendingRequests: 1) }, endpoints: 0);
        MemoryConnection[] clients = [.. Enumerable.Range(0, 3).Select(_ => pipeline.ConnectRedirected("10.1.1.1:8080", OfPod(pipeline), from: "10.1.1.2"))];
        foreach (MemoryConnection client in clients)
        {
            await client.SendAsync(Request("any"));
        }

        Assert.StartsWith("HTTP/1.1 503 ", await clients[2].ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((Pipeline.InboundName, ResponseFlag.UO, DecisionReason.PendingOverflow), (record.Cluster, record.Flag, record.Decision.Reason));
        Assert.Equal(1, pipeline.Upstreams.Made);
    }

    [Fact]
    public async Task Inbound_OfAPod_WhoDialsTheListenerItself_IsClosed()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Request("a.test"), OfPod(pipeline)); // from loopback; else it would be a proxy to anywhere
        Assert.Equal("", await client.ReadToEndAsync());
        Assert.Equal((DecisionReason.NoOriginalDestination, 0), ((await pipeline.Sink.NextAsync()).Decision.Reason, pipeline.Upstreams.Made));
    }

    [Fact]
    public async Task Inbound_RedirectedForReasonsOfOthers_IsTheApplications()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.ConnectRedirected("10.1.1.1:9000", pipeline.Inbound, from: "10.1.1.2"); // nobody said that traffic is intercepted
        await client.SendAsync(Request("any"));
        await pipeline.Upstreams.AcceptAsync();
        Assert.Equal("10.0.0.1:80", pipeline.Upstreams.LastDialled!.ToString());
    }

    [Fact]
    public async Task Inbound_ToAListenerOfItsOwn_IsALoop()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.ConnectRedirected("10.1.1.1:15001", pipeline.Inbound, from: "10.1.1.2");
        Assert.Equal("", await client.ReadToEndAsync()); // else any peer would be a caller from this machine
        Assert.Equal((1, 0), (pipeline.Stats.Inbound.CxLoop.Value, pipeline.Upstreams.Made));
    }

    [Theory]
    [InlineData("10.1.1.2", true, 1)]
    [InlineData("10.1.1.2", false, 0)]
    [InlineData("127.0.0.1", true, 0)]
    public async Task Inbound_WhoDialsTheListenerItself_IsClosedWhereTheKernelBringsEverything(string from, bool isIntercepted, long refused)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect(
            pipeline.Inbound with { IsIntercepted = isIntercepted }, from: new IPEndPoint(IPAddress.Parse(from), 50000), local: IPEndPoint.Parse("10.1.1.1:15006"));
        if (refused > 0)
        {
            Assert.Equal("", await client.ReadToEndAsync());
        }
        else
        {
            await client.SendAsync(Request("any"));
            await pipeline.Upstreams.AcceptAsync();
        }

        Assert.Equal((refused, 1 - refused), (pipeline.Stats.Inbound.CxNotRedirected.Value, pipeline.Upstreams.Made));
    }

    [Theory]
    [InlineData("10.1.1.1:9000", "10.1.1.1:9000")]
    [InlineData("10.1.1.1:15006", "10.0.0.1:80")] // dialled the listener itself
    public async Task Tproxy_TheSocketsOwnAddressIsWhatWasDialled(string local, string reached)
    {
        await using Pipeline pipeline = new();
        IPEndPoint from = IPEndPoint.Parse("10.1.1.2:50000");
        MemoryConnection client = pipeline.Connect(pipeline.Inbound with { IsTransparent = true, IsIntercepted = local == reached }, from: from, local: IPEndPoint.Parse(local));
        await client.SendAsync(Request("any"));
        await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(reached, pipeline.Upstreams.LastDialled!.ToString());
    }

    [Fact]
    public async Task Tproxy_ApplicationIsCalledInItsClientsName_AndConnectionsAreNotSharedBetweenClients()
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true }, endpoints: 0);
        List<string> sources = [];
        foreach (string client in (string[])["10.1.1.2:50000", "10.1.1.3:50000", "10.1.1.2:50001"])
        {
            MemoryConnection connection = pipeline.Connect(OfPod(pipeline) with { IsTransparent = true }, from: IPEndPoint.Parse(client), local: IPEndPoint.Parse("10.1.1.1:8080"));
            await connection.SendAsync(Request("any"));
            await pipeline.Upstreams.AcceptAsync();
            sources.Add(((SourcedEndPoint)pipeline.Upstreams.LastDialled!).Source.ToString());
        }

        Assert.Equal(["10.1.1.2", "10.1.1.3", "10.1.1.2"], sources);
        Assert.Single(pipeline.Context.Clusters.Find(Pipeline.InboundName)!.Endpoints);
    }

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.maxConnections")]
    public async Task Tproxy_Limits_HoldOverAllClients_WhoAreServedInTheirOrder()
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true, Limits = new CircuitBreakerConfig(MaxConnections: 1, MaxPendingRequests: 2) }, endpoints: 0);
        string[] callers = ["10.1.1.2:50000", "10.1.1.3:50000", "10.1.1.2:50001", "10.1.1.4:50000"];
        MemoryConnection[] clients = Array.ConvertAll(callers, c => pipeline.Connect(OfPod(pipeline) with { IsTransparent = true }, from: IPEndPoint.Parse(c), local: IPEndPoint.Parse("10.1.1.1:8080")));
        foreach (MemoryConnection client in clients)
        {
            await client.SendAsync(Request("any"));
        }

        Assert.StartsWith("HTTP/1.1 503 ", await clients[3].ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(DecisionReason.PendingOverflow, (await pipeline.Sink.NextAsync()).Decision.Reason);
        for (int i = 0; i < 3; i++) // else the first client would have its second request served before the other's
        {
            MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
            Assert.Equal((i + 1, callers[i].Split(':')[0]), (pipeline.Upstreams.Made, ((SourcedEndPoint)pipeline.Upstreams.LastDialled!).Source.ToString()));
            await AnswerAsync(upstream, clients[i]);
            Assert.Equal(i == 2 ? null : "", i == 2 ? null : await upstream.ReadToEndAsync());
        }
    }

    [Fact]
    public async Task Tproxy_AtTheLimit_AnotherClientsIdleConnectionMakesRoom()
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true, Limits = new CircuitBreakerConfig(MaxConnections: 1) }, endpoints: 0);
        MemoryConnection? idle = null;
        foreach (string caller in (string[])["10.1.1.2:50000", "10.1.1.3:50000", "10.1.1.2:50001"])
        {
            MemoryConnection client = pipeline.Connect(OfPod(pipeline) with { IsTransparent = true }, from: IPEndPoint.Parse(caller), local: IPEndPoint.Parse("10.1.1.1:8080"));
            await client.SendAsync(Request("any"));
            Assert.Equal("", idle is null ? "" : await idle.ReadToEndAsync());
            idle = await pipeline.Upstreams.AcceptAsync();
            Assert.Equal(1, pipeline.Clusters.Find(Pipeline.InboundName)!.Stats.CxActive.Value);
            await AnswerAsync(idle, client);
        }
    }

    [Theory]
    [InlineData("10.1.1.2:50000", true)]
    [InlineData("10.1.1.3:50000", false)]
    public async Task Tproxy_IdleConnection_ServesItsOwnClientAlone(string next, bool isReused)
    {
        await using Pipeline pipeline = new(static c => c with { UsesOriginalDestination = true }, endpoints: 0);
        ListenerSide side = OfPod(pipeline) with { IsTransparent = true };
        MemoryConnection first = pipeline.Connect(side, from: IPEndPoint.Parse("10.1.1.2:50000"), local: IPEndPoint.Parse("10.1.1.1:8080"));
        await first.SendAsync(Request("any"));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await AnswerAsync(upstream, first);

        MemoryConnection second = pipeline.Connect(side, from: IPEndPoint.Parse(next), local: IPEndPoint.Parse("10.1.1.1:8080"));
        await second.SendAsync(Request("any"));
        await AnswerAsync(isReused ? upstream : await pipeline.Upstreams.AcceptAsync(), second);
        Assert.Equal(isReused ? 1 : 2, pipeline.Upstreams.Made);
    }

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

    private static ListenerSide OfPod(Pipeline pipeline) => pipeline.Inbound with { Cluster = BuiltInClusters.InboundPassthrough, IsIntercepted = true };

    private static string Request(string host) => Get.Replace("{0}", host, StringComparison.Ordinal);

    private static ListenerConfig Service(string cluster, string address) => new(cluster, address, 3306, cluster, "ServiceEntry/default/db");

    private static async Task AnswerAsync(MemoryConnection upstream, MemoryConnection client)
    {
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 204 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }
}
