using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Upstream;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Requests that one side leaves in the middle.</summary>
public sealed class BrokenOffTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n";

    [Theory]
    [InlineData("Content-Length: 10\r\n\r\nabc", false, ResponseFlag.UC)]
    [InlineData("Content-Length: 10\r\n\r\nabc", true, ResponseFlag.UC)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false, ResponseFlag.UC)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabcXY", false, ResponseFlag.UPE)]
    [InlineData("X: y\r\n\r\nabc", true, ResponseFlag.UC)]
    public async Task UpstreamGone_InsideTheBody_CutsTheClientOff(string rest, bool isReset, ResponseFlag flag)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 200 OK\r\n" + rest);
        await client.ReadUntilAsync("abc");

        (isReset ? (Action)upstream.Reset : upstream.End)();

        await client.ReadToEndAsync();
        Assert.True(client.IsAborted); // a clean end would make the part look like the whole
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, flag), (record.Code, record.Flag));
        Assert.StartsWith("upstream_reset_after_response_started{", record.Details, StringComparison.Ordinal);
        Assert.Equal(1, pipeline.Cluster.Stats.RqRxReset.Value);
    }

    [Fact]
    public async Task ClientGone_WhileItsRequestWaitsForAConnection_LeavesTheQueue()
    {
        await using Pipeline pipeline = new();
        pipeline.Upstreams.Hangs = true;
        MemoryConnection client = await pipeline.SendAsync(Get);
        Assert.Equal(1, pipeline.Cluster.Stats.RqPendingActive.Value);

        client.Reset();

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((0, ResponseFlag.DC, "downstream_remote_disconnect"), (record.Code, record.Flag, record.Details));
        Assert.Equal((0L, 1L), (pipeline.Cluster.Stats.RqPendingActive.Value, pipeline.Cluster.Stats.RqCancelled.Value));
    }

    [Fact]
    public async Task ClientGone_WhileTheUpstreamThinks_AbortsTheUpstreamAndBlamesNobody()
    {
        await using Pipeline pipeline = new(static c => c.Outlier(static o => o with { Consecutive5xx = 1, MaxEjectionPercent = 100 }));
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        client.Reset();

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((0, ResponseFlag.DC), (record.Code, record.Flag));
        Assert.True(upstream.IsAborted);
        Assert.False(pipeline.Cluster.Endpoints[0].IsEjected);
        Assert.Equal((1L, 0L), (pipeline.Cluster.Stats.RqTxReset.Value, pipeline.Cluster.Stats.RqActive.Value));
    }

    [Fact]
    public async Task ClientGone_InsideTheAnswer_AbortsTheUpstream()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        await client.ReadUntilAsync("abc");

        client.Reset();

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.DC), (record.Code, record.Flag));
        Assert.True(upstream.IsAborted);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ClientGone_InsideItsBody_AbortsTheUpstream(bool isReset)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Post + "abc");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadUntilAsync("abc");

        (isReset ? (Action)client.Reset : client.End)();

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((0, ResponseFlag.DC, 3L), (record.Code, record.Flag, record.BytesReceived));
        Assert.True(upstream.IsAborted);
    }

    [Fact]
    public async Task Answer_BeforeTheRequestIsComplete_PassesAndEndsBothConnections()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Post + "abc");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadUntilAsync("abc");

        await upstream.SendAsync("HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno");

        string answer = await client.ReadUntilAsync("\r\n\r\nno");
        Assert.StartsWith("HTTP/1.1 413 Too Much\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("connection: close\r\n", answer, StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((413, ResponseFlag.None), (record.Code, record.Flag));
        Assert.True(upstream.IsDisposed);
        client.End();
        await client.ReadToEndAsync();
        Assert.False(client.IsAborted);
    }

    [Fact]
    public async Task Answer_ThatBeginsEarly_GoesOnWhileTheRequestStillComes()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadUntilAsync("a\r\n");

        await upstream.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n");
        await client.ReadUntilAsync("A\r\n");
        await client.SendAsync("1\r\nb\r\n0\r\n\r\n");
        await upstream.ReadUntilAsync("b\r\n0\r\n\r\n");
        await upstream.SendAsync("1\r\nB\r\n0\r\n\r\n");

        await client.ReadUntilAsync("B\r\n0\r\n\r\n");
        Assert.Equal((200, ResponseFlag.None), ((await pipeline.Sink.NextAsync()) is { } r ? (r.Code, r.Flag) : default));
    }

    [Fact]
    public async Task UpstreamThatStopsReading_ButAnswers_IsHeard()
    {
        await using Pipeline pipeline = new();
        pipeline.Upstreams.WindowBytes = 100;
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n" + new string('x', 5000));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        await upstream.SendAsync("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 503 Busy\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(503, (await pipeline.Sink.NextAsync()).Code);
    }

    [Fact]
    public async Task IdleClient_ThatLeaves_EndsQuietly()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect();

        client.End();

        Assert.Equal("", await client.ReadToEndAsync());
        Assert.Equal(0, pipeline.Stats.Outbound.RqTotal.Value);
        Assert.Equal(0, pipeline.Stats.Outbound.CxProtocolError.Value);
    }

    [Fact]
    public async Task TruncatedHead_IsCountedAndClosed()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("GET / HTT");

        client.End();

        Assert.Equal("", await client.ReadToEndAsync());
        Assert.Equal(1, pipeline.Stats.Outbound.CxProtocolError.Value);
    }

    [Fact]
    public async Task Stop_EndsAnIdleConnection_AndABusyOneAfterItsRequest()
    {
        await using Pipeline pipeline = new();
        MemoryConnection idle = pipeline.Connect();
        MemoryConnection busy = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        pipeline.Context.IsDraining = true;
        pipeline.Registry.StopAll();

        Assert.Equal("", await idle.ReadToEndAsync());
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        Assert.Contains("connection: close\r\n", await busy.ReadUntilAsync("ok"), StringComparison.Ordinal);
        busy.End();
        Assert.Equal("", await busy.ReadToEndAsync());
    }

    [Fact]
    public async Task ClientFromElsewhere_IsClosedAndCounted()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect(from: new System.Net.IPEndPoint(System.Net.IPAddress.Parse("10.9.9.9"), 1));

        Assert.Equal("", await client.ReadToEndAsync());
        Assert.Equal(1, pipeline.Stats.Outbound.CxNotRedirected.Value);
        Assert.False(client.IsAborted); // an end in order, no reset
    }
}
