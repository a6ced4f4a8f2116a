using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
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
    public async Task Connect_ToAnUnknownServiceWhereAllMustBeRegistered_IsRefused()
    {
        await using Pipeline pipeline = new();
        pipeline.Policy = OutboundTrafficPolicy.RegistryOnly;
        MemoryConnection client = await pipeline.SendAsync("CONNECT nobody.test:443 HTTP/1.1\r\nHost: nobody.test:443\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 502 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connect_ToAnUpstreamThatRefuses_IsAnsweredAsAnyRequest()
    {
        await using Pipeline pipeline = new();
        pipeline.Upstreams.Refuses = "Connection refused";
        MemoryConnection client = await pipeline.SendAsync("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n");

        string answer = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 503 ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: not-sent\r\n", answer, StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((503, ResponseFlag.UF, "Connection refused"), (record.Code, record.Flag, record.TransportFailure));
    }

    [Fact]
    public async Task Connect_ThatSucceeds_EndsASeriesOfFailures()
    {
        await using Pipeline pipeline = new(static c => c with
        {
            Outlier = new OutlierConfig { SplitLocalOrigin = true, ConsecutiveLocalOriginFailure = 2, MaxEjectionPercent = 100 },
        });
        foreach (bool refuses in (bool[])[true, false, true])
        {
            pipeline.Upstreams.Refuses = refuses ? "Connection refused" : null;
            MemoryConnection client = await pipeline.SendAsync("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n");
            Assert.StartsWith(refuses ? "HTTP/1.1 503 " : "HTTP/1.1 200 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
            client.Reset();
        }

        Assert.False(pipeline.Cluster.Endpoints[0].IsEjected);
    }

    [Fact]
    public async Task Tunnel_OlderThanMaxConnectionDuration_Ends_DT()
    {
        await using Pipeline pipeline = new(static c => c with
        {
            Connection = c.Connection with { MaxConnectionDuration = TimeSpan.FromMinutes(1), TcpIdleTimeout = TimeSpan.Zero },
        });
        MemoryConnection client = await pipeline.SendAsync("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await client.ReadHeadAsync();
        pipeline.Time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(client.IsAborted);

        pipeline.Time.Advance(TimeSpan.FromSeconds(2));

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.DT), (record.Code, record.Flag));
        Assert.True(client.IsAborted && upstream.IsAborted);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [EffectOf("ResiliencePolicy", "writeTimeout")]
    public async Task Upstream_ThatTakesNothing_IsCutOff_UT(bool isTunnel)
    {
        TimeSpan limit = TimeSpan.FromSeconds(2);
        await using Pipeline pipeline = new(c => c with { WriteTimeout = limit, ResilienceSource = "default/r#spec" });
        pipeline.Upstreams.WindowBytes = 4096;
        MemoryConnection client = isTunnel ? await pipeline.SendAsync("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n") : pipeline.Connect(pipeline.Tcp);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await client.ReadAsync(isTunnel ? "HTTP/1.1 200 OK\r\n\r\n".Length : 0);
        await client.SendAsync(new string('x', 10_000));
        pipeline.Time.Advance(limit * 0.75);
        await upstream.ReadAsync(10_000); // takes all: the time that follows is not its fault
        pipeline.Time.Advance(3 * limit);
        await client.SendAsync(new string('x', 10_000));
        pipeline.Time.Advance(limit * 0.75);
        Assert.False(client.IsAborted);

        pipeline.Time.Advance(limit * 0.25);

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.UT, "upstream_write_timeout", DecisionReason.UpstreamWriteTimeout), (record.Flag, record.Details, record.Decision.Reason));
        Assert.Equal(("default/r#spec", "writeTimeout", 2000L), (record.Decision.Rule, record.Decision.Field, record.Decision.Limit));
        Assert.Equal(1, pipeline.Cluster.Stats.RqWriteTimeout.Value);
        Assert.True(client.IsAborted && upstream.IsAborted);
    }

    [Fact]
    public async Task Client_ThatTakesNothing_IsNotTheUpstreamsFault()
    {
        await using Pipeline pipeline = new(static c => c with { WriteTimeout = TimeSpan.FromSeconds(2) });
        MemoryConnection client = pipeline.Connect(pipeline.Tcp, windowBytes: 4096);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.SendAsync(new string('x', 10_000));

        pipeline.Time.Advance(TimeSpan.FromMinutes(1));

        Assert.False(client.IsAborted);
        Assert.Equal(10_000, (await client.ReadAsync(10_000)).Length);
    }

    [Fact]
    public async Task Connect_ToAServiceThatIsNotHttp_IsATunnel_AndARequestIsNot()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("CONNECT tls.test:443 HTTP/1.1\r\nHost: tls.test:443\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Equal("HTTP/1.1 200 OK\r\n\r\n", await client.ReadHeadAsync());
        client.End();
        upstream.End();
        Assert.Equal((Pipeline.OtherName, 200), (await pipeline.Sink.NextAsync()) is var r ? (r.Cluster, r.Code) : default);

        MemoryConnection plain = await pipeline.SendAsync("GET http://tls.test:443/ HTTP/1.1\r\nHost: tls.test:443\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 502 ", await plain.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(DecisionReason.UnknownService, (await pipeline.Sink.NextAsync()).Decision.Reason);
    }

    [Fact]
    public async Task Tcp_TooManyConnecting_URX()
    {
        await using Pipeline pipeline = new(static c => c with { Limits = new CircuitBreakerConfig(MaxPendingRequests: 1) });
        pipeline.Upstreams.Hangs = true;
        MemoryConnection waiting = pipeline.Connect(pipeline.Tcp);
        MemoryConnection refused = pipeline.Connect(pipeline.Tcp);

        Assert.Equal("", await refused.ReadToEndAsync());
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.URX, DecisionReason.PendingOverflow, true), (record.Flag, record.Decision.Reason, record.IsTcp));
        Assert.Equal(1, pipeline.Cluster.Stats.CxConnectAttemptsExceeded.Value);
        Assert.False(waiting.IsDisposed);
        pipeline.Time.Advance(TimeSpan.FromSeconds(10)); // connectTimeout
        Assert.Equal((ResponseFlag.UF, ResponseFlag.URX), (await pipeline.Sink.NextAsync()) is var r ? (r.Flag, r.SecondFlag) : default);
    }
}
