using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Limits of time and number for clients: each has its status, flag, counter and reason, and what is within them is not touched.</summary>
public sealed class LimitTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData("G")]
    [InlineData("GET / HTTP/1.1\r\nHost: a.test\r\n")]
    [InlineData("\r\n\r\nGET")]
    public async Task Head_ThatTakesTooLong_Is408(string piece)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(piece);
        for (int i = 0; i < 6; i++)
        {
            await client.SendAsync("x"); // a byte now and then does not help
            Assert.Equal("", client.ReadAvailable());
            pipeline.Time.Advance(TimeSpan.FromSeconds(10));
        }

        string answer = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 408 Request Timeout\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-reason: request_header_timeout; limit=60000; scope=sidecar\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: not-sent\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("connection: close\r\n", answer, StringComparison.Ordinal);
        Assert.Equal("request header timeout", await client.ReadToEndAsync());
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((408, ResponseFlag.SI, "request_header_timeout"), (record.Code, record.Flag, record.Details));
        Assert.Equal((1L, 0L), (pipeline.Stats.Outbound.RqHeaderTimeout.Value, pipeline.Stats.Outbound.CxIdleTimeout.Value));
    }

    [Fact]
    public async Task EmptyLines_BeginNoHead()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("\r\n");
        pipeline.Time.Advance(TimeSpan.FromMinutes(30));
        await client.SendAsync(Get);
        Assert.StartsWith("GET /", await (await pipeline.Upstreams.AcceptAsync()).ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task IdleConnection_IsClosedWithoutAByte(bool afterARequest)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect();
        if (afterARequest)
        {
            pipeline.Time.Advance(TimeSpan.FromMinutes(59));
            await client.SendAsync(Get);
            MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(Ok);
            await client.ReadUntilAsync("ok");
        }

        pipeline.Time.Advance(TimeSpan.FromMinutes(59));
        Assert.False(client.IsDisposed);
        pipeline.Time.Advance(TimeSpan.FromMinutes(1));

        Assert.True(client.IsDisposed);
        Assert.Equal("", await client.ReadToEndAsync());
        Assert.Equal(1, pipeline.Stats.Outbound.CxIdleTimeout.Value);
    }

    [Fact]
    public async Task Body_ThatStandsStill_Is408_AndEndsTheUpstreamConnection()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Post + "abc");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadUntilAsync("abc");
        pipeline.Time.Advance(TimeSpan.FromMinutes(4));
        await client.SendAsync("d"); // moves
        pipeline.Time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal("", client.ReadAvailable());

        pipeline.Time.Advance(TimeSpan.FromMinutes(1));

        string answer = await client.ReadToEndAsync();
        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-reason: stream_idle_timeout; limit=300000; scope=sidecar\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: unknown\r\n", answer, StringComparison.Ordinal);
        Assert.EndsWith("stream timeout", answer, StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((408, ResponseFlag.SI, "stream_idle_timeout"), (record.Code, record.Flag, record.Details));
        Assert.Equal(1, pipeline.Stats.Outbound.RqIdleTimeout.Value);
        Assert.True(upstream.IsAborted);
    }

    [Fact]
    public async Task Upstream_ThatDoesNotAnswer_Is504()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        pipeline.Time.Advance(TimeSpan.FromMinutes(5));

        Assert.StartsWith("HTTP/1.1 504 Gateway Timeout\r\n", await client.ReadToEndAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((504, ResponseFlag.SI), (record.Code, record.Flag));
        Assert.Equal((1L, 0L), (pipeline.Cluster.Stats.RqTxReset.Value, pipeline.Cluster.Stats.RqActive.Value));
    }

    [Fact]
    public async Task Request_ThatWaitsForAConnectionTooLong_Is504_AndWasNotSent()
    {
        await using Pipeline pipeline = new(static c => c with
        {
            Limits = new(MaxConnections: 1),
            Connection = c.Connection with { ConnectTimeout = TimeSpan.FromHours(1) },
        });
        pipeline.Upstreams.Hangs = true;
        MemoryConnection client = await pipeline.SendAsync(Get);

        pipeline.Time.Advance(TimeSpan.FromMinutes(5));

        string answer = await client.ReadToEndAsync();
        Assert.StartsWith("HTTP/1.1 504 ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: not-sent\r\n", answer, StringComparison.Ordinal);
        Assert.Equal((0L, 1L), (pipeline.Cluster.Stats.RqPendingActive.Value, pipeline.Cluster.Stats.RqCancelled.Value));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    public async Task Answer_ThatStandsStill_CutsBothOff(long window)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect(windowBytes: window); // with a window of 10 the client is the one who does not read
        await client.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");

        pipeline.Time.Advance(TimeSpan.FromMinutes(5));

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.SI, "stream_idle_timeout"), (record.Code, record.Flag, record.Details));
        Assert.True(client.IsAborted);
        Assert.True(upstream.IsAborted);
        Assert.Equal(1, pipeline.Stats.Outbound.RqIdleTimeout.Value);
    }

    [Fact]
    public async Task Tunnel_IsNotTheStreamsBusiness()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await client.ReadHeadAsync();
        pipeline.Time.Advance(TimeSpan.FromMinutes(50));
        await client.SendAsync("abc");
        Assert.Equal("abc", await upstream.ReadAsync(3));
        client.End();
        upstream.End();
    }

    [Fact]
    public async Task LimitsOfZero_AreOff()
    {
        await using Pipeline pipeline = new(limits: new ConnectionLimits { RequestHeaders = TimeSpan.Zero, StreamIdle = TimeSpan.Zero, Idle = TimeSpan.Zero });
        MemoryConnection client = pipeline.Connect();
        pipeline.Time.Advance(TimeSpan.FromDays(1));
        await client.SendAsync("GET / HTTP/1.1\r\n");
        pipeline.Time.Advance(TimeSpan.FromDays(1));
        await client.SendAsync("Host: a.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        pipeline.Time.Advance(TimeSpan.FromDays(1));
        await upstream.SendAsync(Ok);
        Assert.StartsWith("HTTP/1.1 200 OK", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task LastRequestOfAConnection_IsAnsweredWithClose()
    {
        await using Pipeline pipeline = new(limits: new ConnectionLimits { MaxRequestsPerConnection = 2 });
        MemoryConnection client = await pipeline.SendAsync(Get + Get + Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        Assert.DoesNotContain("connection: close", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);

        Assert.Contains("connection: close\r\n", await client.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.Equal((2L, 1L), (pipeline.Stats.Outbound.RqTotal.Value, pipeline.Stats.Outbound.CxMaxRequestsReached.Value));
        Assert.False(upstream.IsDisposed);
    }

    [Fact]
    public async Task OneConnectionTooMany_IsClosedWithoutAByte_AndTheOthersStay()
    {
        await using Pipeline pipeline = new(limits: new ConnectionLimits { MaxConnections = 2 });
        MemoryConnection first = pipeline.Connect();
        MemoryConnection tcp = pipeline.Connect(pipeline.Tcp);
        MemoryConnection newest = pipeline.Connect(pipeline.Inbound);

        Assert.Equal("", await newest.ReadToEndAsync());
        Assert.False(newest.IsAborted); // an end in order, no reset
        Assert.Equal((1L, 0L), (pipeline.Stats.Inbound.CxOverloadReject.Value, pipeline.Stats.Inbound.CxActive.Value));
        tcp.Reset();
        await (await pipeline.Upstreams.AcceptAsync()).ReadToEndAsync();
        MemoryConnection next = await pipeline.SendAsync(Get);
        Assert.StartsWith("GET /", await (await pipeline.Upstreams.AcceptAsync()).ReadHeadAsync(), StringComparison.Ordinal);
        Assert.False(first.IsDisposed || next.IsDisposed);
    }

    [Fact]
    public async Task Exchange_OfAnIdleConnection_ServesAnother_AndShowsNothingOfTheFirst()
    {
        await using Pipeline pipeline = new();
        MemoryConnection first = await pipeline.SendAsync("POST /first HTTP/1.1\r\nHost: a.test\r\nx-request-id: 1\r\nUser-Agent: x\r\nContent-Length: 3\r\n\r\nabc");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadUntilAsync("abc");
        await upstream.SendAsync(Ok);
        await first.ReadUntilAsync("ok");
        await pipeline.Sink.NextAsync();
        Assert.Equal(1, pipeline.Exchanges.Idle);

        MemoryConnection second = await pipeline.SendAsync("HEAD /second HTTP/1.0\r\nHost: lost.test\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 503 ", await second.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((503, ResponseFlag.NC, "HEAD", "/second", null, null), (record.Code, record.Flag, record.Method, record.Path, record.UpstreamHost, record.Cluster));
        Assert.Equal((0L, 0L, "00000000-0000-4000-8000-000000000000"), (record.BytesReceived, record.BytesSent, record.RequestId)); // ours, by a chance of zeros
        Assert.False(first.IsDisposed);
    }
}
