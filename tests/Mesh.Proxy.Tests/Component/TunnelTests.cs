using Mesh.Proxy.Telemetry;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Connections that stop being HTTP: WebSocket and CONNECT.</summary>
public sealed class TunnelTests
{
    private const string Upgrade = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n";

    [Fact]
    public async Task Upgrade_Accepted_RelaysBothWays()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Upgrade + "\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        string head = await upstream.ReadHeadAsync();
        Assert.Contains("connection: upgrade\r\nupgrade: websocket\r\n", head, StringComparison.Ordinal);

        await upstream.SendAsync("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello");
        Assert.Contains("connection: upgrade\r\nupgrade: websocket\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("hello", await client.ReadAsync(5));
        await client.SendAsync("GET / not http");
        Assert.Equal("GET / not http", await upstream.ReadAsync(14));
        upstream.End();
        client.End();

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((101, 14L, 5L), (record.Code, record.BytesReceived, record.BytesSent));
        Assert.True(upstream.IsDisposed);
    }

    [Fact]
    public async Task Upgrade_Declined_StaysHttp()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Upgrade + "\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        await upstream.SendAsync("HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 426 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        await client.SendAsync("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n");
        Assert.StartsWith("GET /x", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Upgrade_AcceptedBeforeItsBodyWasSent_IsAProtocolError()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Upgrade + "Content-Length: 5\r\n\r\nab");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadUntilAsync("ab");

        await upstream.SendAsync("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 502 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(ResponseFlag.UPE, (await pipeline.Sink.NextAsync()).Flag);
    }

    [Fact]
    public async Task Connect_ToAKnownService_IsATunnel()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        Assert.Equal("HTTP/1.1 200 OK\r\n\r\n", await client.ReadHeadAsync());
        await client.SendAsync("\u0016\u0003\u0001");
        Assert.Equal("\u0016\u0003\u0001", await upstream.ReadAsync(3));
        await upstream.SendAsync("answer");
        Assert.Equal("answer", await client.ReadAsync(6));
        client.End();
        upstream.End();
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, 3L, 6L, "CONNECT"), (record.Code, record.BytesReceived, record.BytesSent, record.Method));
        Assert.Equal((3L, 6L), (pipeline.Cluster.Stats.CxTxBytes.Value, pipeline.Cluster.Stats.CxRxBytes.Value));
    }

    [Fact]
    public async Task Tunnel_ClientEndsItsSide_StillGetsTheRest()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await client.ReadHeadAsync();
        await client.SendAsync("question");
        await upstream.ReadAsync(8);

        client.End();
        await upstream.SendAsync("late answer");
        upstream.End();

        Assert.Equal("late answer", await client.ReadToEndAsync());
        Assert.False(upstream.IsAborted);
    }

    [Fact]
    public async Task Connect_ToAnUnknownService_IsRefused()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("CONNECT nobody.test:443 HTTP/1.1\r\nHost: nobody.test:443\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 502 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }
}
