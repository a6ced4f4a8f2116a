using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Middleware;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Http1;
using Mesh.Proxy.Tests.Middleware;
using Mesh.Proxy.Transport;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Connections of a TLS listener go by the server name that their client sends, and not a byte of theirs is lost.</summary>
public sealed class ServerNameTests
{
    private static readonly ConnectionRouteConfig ToOther = new() { ServerName = "other.test", Clusters = [new WeightedClusterConfig(Pipeline.OtherName)] };

    [Theory]
    [InlineData("a.test", Pipeline.Name)]
    [InlineData("other.test", Pipeline.OtherName)]
    [InlineData("Other.Test", Pipeline.OtherName)]
    [InlineData("nobody.test", Pipeline.Name)]
    [InlineData(null, Pipeline.Name)]
    [EffectOf("VirtualService", "tls.match.sniHosts")]
    [EffectOf("VirtualService", "tls.route.destination.host")]
    public async Task Connection_GoesByItsServerName(string? name, string cluster)
    {
        await using Pipeline pipeline = new();
        byte[] hello = Hello.For(name, "h2");
        MemoryConnection client = pipeline.Connect(Tls(pipeline, Pipeline.Name, ToOther));
        await client.SendAsync(hello);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        Assert.Equal(Wire.Text(hello), await upstream.ReadAsync(hello.Length));
        await upstream.SendAsync("answer");
        Assert.Equal("answer", await client.ReadAsync(6));
        client.End();
        upstream.End();
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((cluster, name?.ToLowerInvariant(), (long)hello.Length), (record.Cluster, record.RequestedServerName, record.BytesReceived));
    }

    [Fact]
    public async Task Hello_InSingleBytes_IsReadWhole()
    {
        await using Pipeline pipeline = new();
        byte[] hello = Hello.Records(Hello.Message(Hello.Extension(0, Hello.ServerName("other.test"))), 40);
        MemoryConnection client = pipeline.Connect(Tls(pipeline, "", ToOther));
        foreach (byte one in hello)
        {
            Assert.Equal(0, pipeline.Upstreams.Made);
            await client.SendAsync(new[] { one });
        }

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(Wire.Text(hello), await upstream.ReadAsync(hello.Length));
    }

    [Theory]
    [InlineData("not tls at all")]
    [InlineData(null)]
    public async Task NobodyIsNamed_AndNothingTakesTheRest_ClosesWithoutAByte_NR(string? text)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect(Tls(pipeline, "", ToOther));
        await client.SendAsync(text is null ? Hello.For("unknown.test") : Wire.Bytes(text));

        Assert.Equal("", await client.ReadToEndAsync());
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.NR, "filter_chain_not_found", DecisionReason.NoRoute, ""), (record.Flag, record.Details, record.Decision.Reason, record.Cluster));
        Assert.Equal(text is null ? "unknown.test" : null, record.RequestedServerName);
        Assert.Equal(0, pipeline.Upstreams.Made);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    public async Task SilentClient_AfterTheLongestWait_IsPassedOnAsItIs(int sent)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect(Tls(pipeline, Pipeline.Name, ToOther));
        byte[] hello = Hello.For("other.test");
        await client.SendAsync(hello.AsMemory(0, sent));
        pipeline.Time.Advance(TlsInspector.LongestWait / 2);
        Assert.Equal(0, pipeline.Upstreams.Made);

        pipeline.Time.Advance(TlsInspector.LongestWait / 2);

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.SendAsync("greeting");
        Assert.Equal("greeting", await client.ReadAsync(8));
        await client.SendAsync(hello.AsMemory(sent));
        Assert.Equal(Wire.Text(hello), await upstream.ReadAsync(hello.Length));
        client.End();
        upstream.End();
        Assert.Equal((Pipeline.Name, null), (await pipeline.Sink.NextAsync()) is var r ? (r.Cluster, r.RequestedServerName) : default);
    }

    [Fact]
    public async Task Client_ThatEndsInTheHello_IsPassedOn_AndOneThatSaidNothingIsNot()
    {
        await using Pipeline pipeline = new();
        MemoryConnection silent = pipeline.Connect(Tls(pipeline, Pipeline.Name));
        silent.End();
        Assert.True(silent.IsDisposed);
        MemoryConnection cut = pipeline.Connect(Tls(pipeline, Pipeline.Name));
        await cut.SendAsync(Hello.For("a.test").AsMemory(0, 9));

        cut.End();

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal(9, (await upstream.ReadAsync(9)).Length);
        Assert.Equal(1, pipeline.Upstreams.Made);
        upstream.End();
    }

    [Fact]
    public async Task Drain_EndsAClientThatHasNotNamedItsServer()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect(Tls(pipeline, Pipeline.Name));

        pipeline.Registry.StopAll();

        Assert.Equal("", await client.ReadToEndAsync());
        Assert.Equal((0, 0), (pipeline.Upstreams.Made, pipeline.Sink.Waiting));
    }

    [Theory]
    [InlineData("10.1.2.3", null, Pipeline.OtherName)]
    [InlineData("192.0.2.1", null, Pipeline.Name)]
    [InlineData("192.0.2.1", "10.9.9.9", Pipeline.OtherName)]
    [InlineData("::ffff:10.1.2.3", null, Pipeline.OtherName)]
    [EffectOf("VirtualService", "tcp.match.destinationSubnets")]
    [EffectOf("VirtualService", "tls.match.destinationSubnets")]
    public async Task Destination_IsTheAddressOfTheListener_OrWhereTheClientWasGoing(string listener, string? original, string cluster)
    {
        await using Pipeline pipeline = new();
        ListenerSide side = Tcp(pipeline, new ConnectionRouteConfig { Destination = IPNetwork.Parse("10.0.0.0/8"), Clusters = ToOther.Clusters });
        IPEndPoint? dialled = original is null ? null : new IPEndPoint(IPAddress.Parse(original), 443);
        MemoryConnection client = pipeline.Connect(side with { Destination = dialled }, local: new IPEndPoint(IPAddress.Parse(listener), 443));

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        client.End();
        upstream.End();
        Assert.Equal(cluster, (await pipeline.Sink.NextAsync()).Cluster);
    }

    [Theory]
    [InlineData("10.1.2.3", Pipeline.OtherName)]
    [InlineData("::ffff:10.1.2.3", Pipeline.OtherName)]
    [InlineData("127.0.0.1", Pipeline.Name)]
    [EffectOf("VirtualService", "tcp.match.sourceSubnet")]
    public async Task Caller_OfTheSubnet_GoesTheRoute(string caller, string cluster)
    {
        await using Pipeline pipeline = new();
        ListenerSide side = Tcp(pipeline, new ConnectionRouteConfig { Caller = IPNetwork.Parse("10.0.0.0/8"), Clusters = ToOther.Clusters }) with { IsInbound = true }; // else the outbound side refuses strangers
        MemoryConnection client = pipeline.Connect(side, from: new IPEndPoint(IPAddress.Parse(caller), 50_000));
        await client.SendAsync("\0");

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        client.End();
        upstream.End();
        Assert.Equal(cluster, (await pipeline.Sink.NextAsync()).Cluster);
    }

    private static ListenerSide Tls(Pipeline pipeline, string cluster, params ImmutableArray<ConnectionRouteConfig> routes) =>
        pipeline.Tcp with { Target = new TcpTarget(new ListenerConfig("tls", "127.0.0.1", 443, cluster, "") { IsTls = true, Routes = routes }) };

    private static ListenerSide Tcp(Pipeline pipeline, params ImmutableArray<ConnectionRouteConfig> routes) =>
        pipeline.Tcp with { Target = new TcpTarget(new ListenerConfig("tcp", "127.0.0.1", 443, Pipeline.Name, "") { Routes = routes }) };
}
