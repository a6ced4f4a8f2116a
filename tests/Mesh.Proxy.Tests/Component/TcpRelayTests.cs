using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>TCP listeners, byte relay and its ends, and what the inbound side makes of bytes that are not HTTP.</summary>
public sealed class TcpRelayTests
{
    private static readonly ClusterConfig Tcp = ProxyFixture.Config with { Protocol = ClusterProtocol.Tcp };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task HalfClose_PassesOn_AndTheOtherDirectionGoesOn(bool clientFirst)
    {
        await using ProxyFixture proxy = await StartAsync(Tcp);
        using RawPeer client = await proxy.ConnectTcpAsync();
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        (RawPeer first, RawPeer last) = clientFirst ? (client, server) : (server, client);
        await first.SendAsync("hello");
        first.HalfClose();
        Assert.Equal("hello", await last.ReadToEndAsync());
        await last.SendAsync("good night");
        last.Dispose();
        Assert.Equal("good night", await first.ReadToEndAsync());
        Seen seen = await proxy.RecordAsync();
        Assert.True(seen.IsTcp);
        Assert.Equal((clientFirst ? (5, 10) : (10, 5), ResponseFlag.None), ((seen.Received, seen.Sent), seen.Flag));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Reset_EndsTheOtherSideAtOnce(bool byClient)
    {
        await using ProxyFixture proxy = await StartAsync(Tcp);
        using RawPeer client = await proxy.ConnectTcpAsync();
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        await client.SendAsync("a");
        await server.ReadAsync(1);
        (byClient ? client : server).Reset();
        await (byClient ? server : client).ReadToEndAsync();
        await proxy.RecordAsync();
    }

    [Fact]
    public async Task InboundDrain_LetsTheApplicationsConnectionsGoOn()
    {
        await using ProxyFixture proxy = await StartAsync(Tcp);
        using RawPeer client = await proxy.ConnectTcpAsync();
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        proxy.Host.BeginInboundDrain();
        await client.SendAsync("still here");
        Assert.Equal("still here", await server.ReadAsync(10));
        using RawPeer next = await proxy.ConnectTcpAsync();
        using RawPeer other = await proxy.Upstream.AcceptAsync();
        await other.SendAsync("and new ones");
        Assert.Equal("and new ones", await next.ReadAsync(12));
    }

    [Fact]
    public async Task LargeTransfer_LosesNothing()
    {
        await using ProxyFixture proxy = await StartAsync(Tcp);
        using RawPeer client = await proxy.ConnectTcpAsync();
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        Task<string> received = client.ReadToEndAsync();
        await server.SendAsync(new string('x', 3_000_000));
        server.Dispose();
        Assert.Equal(3_000_000, (await received).Length);
        client.Dispose();
        Assert.Equal(3_000_000, (await proxy.RecordAsync()).Sent);
    }

    [Fact]
    public async Task ConnectionLimit_ClosesWithoutAByte()
    {
        await using ProxyFixture proxy = await StartAsync(Tcp with { Limits = new CircuitBreakerConfig(MaxConnections: 1) });
        using RawPeer first = await proxy.ConnectTcpAsync();
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        using RawPeer second = await proxy.ConnectTcpAsync();
        Assert.Equal("", await second.ReadToEndAsync());
        Seen seen = await proxy.RecordAsync();
        Assert.Equal((ResponseFlag.UO, DecisionReason.ConnectionOverflow, 0L), (seen.Flag, seen.Reason, seen.Sent));
    }

    [Fact]
    public async Task NobodyThere_UH_AndRefused_UF_URX()
    {
        await using ProxyFixture proxy = await StartAsync(Tcp);
        proxy.Upstream.Dispose();
        using RawPeer refused = await proxy.ConnectTcpAsync();
        Assert.Equal("", await refused.ReadToEndAsync());
        Assert.Equal((ResponseFlag.UF, ResponseFlag.URX), (await proxy.RecordAsync()) is var s ? (s.Flag, s.Second) : default);
        await proxy.ApplyAsync(Tcp, [], [.. proxy.Host.Listeners.Bound]);
        using RawPeer alone = await proxy.ConnectTcpAsync();
        Assert.Equal("", await alone.ReadToEndAsync());
        Assert.Equal(ResponseFlag.UH, (await proxy.RecordAsync()).Flag);
    }

    [Theory]
    [InlineData(false, ResponseFlag.None)]
    [InlineData(true, ResponseFlag.DT)]
    public async Task IdlenessAndAge_EndIt(bool byAge, ResponseFlag flag)
    {
        FakeTimeProvider time = new();
        ConnectionConfig life = byAge
            ? new() { MaxConnectionDuration = TimeSpan.FromMinutes(1), TcpIdleTimeout = TimeSpan.Zero }
            : new() { TcpIdleTimeout = TimeSpan.FromMinutes(1) };
        await using ProxyFixture proxy = await StartAsync(Tcp with { Connection = life }, time);
        using RawPeer client = await proxy.ConnectTcpAsync();
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        await client.SendAsync("a");
        await server.ReadAsync(1); // the watch is set
        time.Advance(TimeSpan.FromSeconds(50));
        await client.SendAsync("b");
        await server.ReadAsync(1);
        time.Advance(TimeSpan.FromSeconds(11));
        if (!byAge)
        {
            await client.SendAsync("c"); // still open: the silence was 11 seconds
            await server.ReadAsync(1);
        }

        Task<string> end = server.ReadToEndAsync();
        while (!byAge && !end.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(61)); // the byte may be here before the relay has noted it: then the next minute counts
            await Task.WhenAny(end, Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System));
        }

        await end;
        await client.ReadToEndAsync();
        Assert.Equal(flag, (await proxy.RecordAsync()).Flag);
    }

    [Fact]
    public async Task ListenerThatLeaves_KeepsItsConnections_AndAnAddressMayChangeItsCluster()
    {
        await using ProxyFixture proxy = await StartAsync(Tcp);
        ListenerConfig listener = proxy.Host.Listeners.Bound[0];
        using RawPeer client = await proxy.ConnectTcpAsync();
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        await proxy.ApplyAsync(Tcp, [proxy.Upstream.Address], []);
        await Assert.ThrowsAnyAsync<SocketException>(() => RawPeer.ConnectAsync(new IPEndPoint(IPAddress.Loopback, listener.Port)));
        for (int i = 0; i < 100; i++)
        {
            await client.SendAsync("still here");
            await server.ReadAsync(10);
        }

        await proxy.ApplyAsync(Tcp, [proxy.Upstream.Address], [listener]);
        await proxy.ApplyAsync(Tcp with { Name = "outbound|9||b.test" }, [proxy.Upstream.Address], [listener with { Cluster = "outbound|9||b.test" }]);
        using RawPeer other = await proxy.ConnectTcpAsync();
        using RawPeer otherServer = await proxy.Upstream.AcceptAsync();
        await proxy.ApplyAsync(Tcp, [proxy.Upstream.Address], []);
    }

    [Theory]
    [InlineData("\u0016\u0003\u0001", true)]
    [InlineData("PRI * HTTP/2.0\r\n\r\n", true)]
    [InlineData("POST / HTTP/1.1\r\nHost: any\r\n\r\n", false)]
    public async Task InboundBytes_AreHttpOrOpaque(string bytes, bool opaque)
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync(inbound: true);
        using RawPeer client = await RawPeer.ConnectAsync(proxy.Host.Inbound!);
        await client.SendAsync(bytes[..1]);
        await client.SendAsync(bytes[1..]);
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        if (opaque)
        {
            Assert.Equal(bytes, await server.ReadAsync(bytes.Length));
            client.Dispose();
            server.Dispose();
        }
        else
        {
            Assert.StartsWith("POST / HTTP/1.1\r\nhost: any\r\n", await server.ReadHeadAsync(), StringComparison.Ordinal);
            await server.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
            await client.ReadHeadAsync();
        }

        Assert.Equal(opaque, (await proxy.RecordAsync()).IsTcp);
    }

    [Fact]
    public async Task Drain_EndsAnInboundConnectionThatHasSaidNothing()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync(inbound: true);
        using RawPeer client = await RawPeer.ConnectAsync(proxy.Host.Inbound!);
        await Eventually.HoldsAsync(() => proxy.Host.Connections == 1, "the connection is registered");
        Task drain = proxy.Host.DrainAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("", await client.ReadToEndAsync());
        await drain.WaitAsync(RawPeer.Patience);
    }

    /// <summary>In the line of a bulkhead, over sockets: whoever has sent and half-closed is relayed whole, whoever came and went leaves.</summary>
    [Fact]
    public async Task WaitForAPlace_KeepsWhoHasHalfClosed_AndForgetsWhoHasLeft()
    {
        await using ProxyFixture proxy = await StartAsync(Tcp with { Concurrency = new ConcurrencyConfig { MaxCalls = 1, MaxWait = TimeSpan.FromMinutes(1), MaxQueue = 5 } });
        using RawPeer first = await proxy.ConnectTcpAsync();
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        RawPeer silent = await proxy.ConnectTcpAsync();
        await Eventually.HoldsAsync(() => proxy.Cluster.ConcurrencyWaiting == 1, "it waits");
        silent.Dispose();
        Assert.Equal(ResponseFlag.DC, (await proxy.RecordAsync()).Flag);
        using RawPeer asks = await proxy.ConnectTcpAsync();
        await asks.SendAsync("get x");
        asks.HalfClose();
        await Eventually.HoldsAsync(() => proxy.Cluster.ConcurrencyWaiting == 1, "the next one waits");

        first.Dispose();
        server.Dispose();

        using RawPeer next = await proxy.Upstream.AcceptAsync();
        Assert.Equal("get x", await next.ReadToEndAsync());
        await next.SendAsync("y");
        next.Dispose();
        Assert.Equal("y", await asks.ReadToEndAsync());
    }

    private static async Task<ProxyFixture> StartAsync(ClusterConfig config, TimeProvider? time = null)
    {
        ProxyFixture proxy = await ProxyFixture.StartAsync(config, time);
        using Socket probe = new(SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)probe.LocalEndPoint!).Port;
        probe.Dispose();
        await proxy.ApplyAsync(config, [proxy.Upstream.Address], [new ListenerConfig("tcp", "127.0.0.1", port, ProxyFixture.Name, "ServiceEntry/default/db")]);
        return proxy;
    }
}
