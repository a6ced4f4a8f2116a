using System.Net;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;
using static Mesh.Proxy.Tests.Component.Redirected;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Connections that the kernel has redirected to the outbound or the inbound listener.</summary>
public sealed class RedirectedTests
{
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
}
