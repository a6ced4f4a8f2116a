using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;
using static Mesh.Proxy.Tests.Component.Redirected;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Inbound connections of a pod in TPROXY mode: the application sees its clients.</summary>
public sealed class RedirectedTproxyTests
{
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
}
