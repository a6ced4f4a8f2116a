using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Upstream;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Requests and answers that go through, as they look on both wires.</summary>
public sealed class ForwardingTests
{
    private const string Get = "GET /x HTTP/1.1\r\nHost: a.test\r\nx-request-id: 1\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task Get_AbsoluteForm_ArrivesInOriginFormWithItsHost()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("GET http://A.test/p?q=1 HTTP/1.1\r\nHost: other\r\nAccept: */*\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        Assert.Equal(
            "GET /p?q=1 HTTP/1.1\r\nhost: A.test\r\nAccept: */*\r\nx-forwarded-proto: http\r\nx-request-id: 00000000-0000-4000-8000-000000000000\r\nx-envoy-attempt-count: 1\r\n\r\n",
            await upstream.ReadHeadAsync());
        await upstream.SendAsync("HTTP/1.1 200 Fine\r\nServer: app\r\nContent-Length: 2\r\n\r\nok");
        Assert.Equal("HTTP/1.1 200 Fine\r\nServer: app\r\nContent-Length: 2\r\nx-envoy-upstream-service-time: 0\r\n\r\n", await client.ReadHeadAsync());
        Assert.Equal("ok", await client.ReadAsync(2));
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.None, "via_upstream", "GET", "/p?q=1", "A.test"), (record.Code, record.Flag, record.Details, record.Method, record.Path, record.Authority));
        Assert.Equal((0L, 2L, "10.0.0.1:80", Pipeline.Name, "a.test:80"), (record.BytesReceived, record.BytesSent, record.UpstreamHost, record.Cluster, record.RouteName));
        Assert.Equal((1L, 1L), (pipeline.Cluster.Stats.RqCompleted.Value, pipeline.Cluster.Stats.RqTotal.Value));
    }

    [Theory]
    [InlineData("GET /", "a.test")]
    [InlineData("GET /", "A.TEST:80")]
    [InlineData("GET http://a.test?q", "x")]
    [InlineData("GET /", "deep.wild.test")]
    public async Task Target_InEveryForm_FindsItsService(string start, string host)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync($"{start} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        Assert.StartsWith("GET /", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
        await upstream.SendAsync(Ok);
        Assert.StartsWith("HTTP/1.1 200 OK", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task HeadersOfOneConnection_DoNotPass_EitherWay()
    {
        string longName = "x-" + new string('l', 80);
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(
            $"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-Mine, {longName}, host\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n" +
            $"X-Mine: 1\r\n{longName}: 1\r\nUpgrade: h2c\r\nTE: gzip\r\nX-Kept: 2\r\nx-request-id: 1\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        Assert.Equal("GET / HTTP/1.1\r\nhost: a.test\r\nX-Kept: 2\r\nx-request-id: 1\r\nx-forwarded-proto: http\r\nx-envoy-attempt-count: 1\r\n\r\n", await upstream.ReadHeadAsync());
        await upstream.SendAsync("HTTP/1.1 204 No Content\r\nConnection: X-Theirs\r\nX-Theirs: 1\r\nKeep-Alive: x\r\nX-Kept: 3\r\n\r\n");
        Assert.Equal("HTTP/1.1 204 No Content\r\nX-Kept: 3\r\nx-envoy-upstream-service-time: 0\r\n\r\n", await client.ReadHeadAsync());
    }

    [Fact]
    public async Task Requests_OneAfterTheOther_UseOneConnectionOnEachSide()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        for (int i = 0; i < 3; i++)
        {
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(Ok);
            await client.ReadUntilAsync("ok");
            await client.SendAsync(Get);
        }

        Assert.Equal(1, pipeline.Upstreams.Made);
    }

    [Fact]
    public async Task Requests_Pipelined_AreAnsweredInOrderAndNeverPipelinedUpstream()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(
            "POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\none\r\n" + Get.Replace("/x", "/2", StringComparison.Ordinal));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        Assert.StartsWith("POST /1 ", await upstream.ReadUntilAsync("one"), StringComparison.Ordinal);
        Assert.Equal("", upstream.ReadAvailable());
        await upstream.SendAsync(Ok.Replace("ok", "11", StringComparison.Ordinal));
        Assert.StartsWith("GET /2 ", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
        await upstream.SendAsync(Ok.Replace("ok", "22", StringComparison.Ordinal));

        await client.ReadUntilAsync("\r\n\r\n11");
        await client.ReadUntilAsync("\r\n\r\n22");
    }

    [Fact]
    public async Task Post_WithLength_StreamsWhileItComes()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\nabc");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        await upstream.ReadUntilAsync("\r\n\r\nabc");
        await client.SendAsync("def");
        Assert.Equal("def", await upstream.ReadAsync(3));
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((6L, 2L), (record.BytesReceived, record.BytesSent));
    }

    [Fact]
    public async Task Chunked_BothWays_IsWrittenAnew_WithTrailersWithoutExtensions()
    {
        const string Sent = "0003;a=b\r\nabc\r\n0;c\r\nX-Sum:1 \r\n\r\n";
        const string Body = "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n";
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + Sent);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        string head = await upstream.ReadHeadAsync();
        Assert.Contains("transfer-encoding: chunked\r\n", head, StringComparison.Ordinal);
        Assert.Equal(Body, await upstream.ReadAsync(Body.Length));
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + Sent);
        Assert.Contains("transfer-encoding: chunked\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(Body, await client.ReadAsync(Body.Length));
        await client.SendAsync(Get);
        Assert.StartsWith("GET /x", await upstream.ReadHeadAsync(), StringComparison.Ordinal); // both connections went on
    }

    [Fact]
    public async Task Chunked_EveryByteAlone_PassesBothWays()
    {
        const string Sent = "1\r\na\r\n00A\r\n0123456789\r\n000\r\nt: 1\r\n\r\n";
        const string Body = "1\r\na\r\na\r\n0123456789\r\n0\r\nt: 1\r\n\r\n";
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect();
        foreach (char c in "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + Sent)
        {
            await client.SendAsync(c.ToString());
        }

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        Assert.Equal(Body, await upstream.ReadAsync(Body.Length));
        foreach (char c in "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + Sent)
        {
            await upstream.SendAsync(c.ToString());
        }

        await client.ReadHeadAsync();
        Assert.Equal(Body, await client.ReadAsync(Body.Length));
        Assert.Equal(11, (await pipeline.Sink.NextAsync()).BytesSent);
    }

    [Theory]
    [InlineData("HEAD", "200 OK\r\nContent-Length: 5")]
    [InlineData("HEAD", "200 OK\r\nTransfer-Encoding: chunked")]
    [InlineData("GET", "204 No Content")]
    [InlineData("GET", "304 Not Modified\r\nContent-Length: 5")]
    [InlineData("GET", "200 OK\r\nContent-Length: 0")]
    public async Task Answer_WithoutBody_LeavesBothConnectionsUsable(string method, string answer)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync($"{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        await upstream.SendAsync($"HTTP/1.1 {answer}\r\n\r\n");
        await client.ReadHeadAsync();
        await client.SendAsync(Get);

        Assert.StartsWith("GET /x", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_UntilClose_EndsWithTheConnection()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        await upstream.SendAsync("HTTP/1.0 200 OK\r\n\r\nall ");
        await upstream.SendAsync("of it");
        upstream.End();

        Assert.Contains("connection: close\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("all of it", await client.ReadToEndAsync());
        Assert.False(client.IsAborted);
    }

    [Fact]
    public async Task Interim_100And103_PassBeforeTheAnswer()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.Contains("Expect: 100-continue\r\n", await upstream.ReadHeadAsync(), StringComparison.Ordinal);

        await upstream.SendAsync("HTTP/1.1 100 Continue\r\n\r\n");
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await client.ReadHeadAsync());
        await client.SendAsync("body");
        Assert.Equal("body", await upstream.ReadAsync(4));
        await upstream.SendAsync("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + Ok);
        Assert.Equal("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", await client.ReadHeadAsync());
        Assert.StartsWith("HTTP/1.1 200 OK", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        Assert.Equal(1, pipeline.Upstreams.Made);
    }

    [Fact]
    public async Task Http10Client_GetsNoChunksAndNoInterim_AndAClose()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("GET http://a.test/ HTTP/1.0\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.StartsWith("GET / HTTP/1.1\r\n", await upstream.ReadHeadAsync(), StringComparison.Ordinal);

        await upstream.SendAsync("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");

        string head = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 200 OK", head, StringComparison.Ordinal);
        Assert.Contains("connection: close\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("chunked", head, StringComparison.Ordinal);
        Assert.Equal("abcde", await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Http10Client_WithKeepAlive_KeepsItsConnection()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        await upstream.SendAsync(Ok);

        Assert.Contains("connection: keep-alive\r\n", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        Assert.False(client.IsDisposed);
    }

    [Theory]
    [InlineData("Connection: close\r\n", "")]
    [InlineData("", "surplus")]
    public async Task Upstream_ThatClosesOrSendsTooMuch_IsNotUsedAgain(string header, string surplus)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection first = await pipeline.Upstreams.AcceptAsync();
        await first.ReadHeadAsync();

        await first.SendAsync($"HTTP/1.1 200 OK\r\n{header}Content-Length: 2\r\n\r\nok{surplus}");
        Assert.DoesNotContain("connection: close", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        await client.SendAsync(Get);

        Assert.StartsWith("GET /x", await (await pipeline.Upstreams.AcceptAsync()).ReadHeadAsync(), StringComparison.Ordinal);
        Assert.True(first.IsDisposed);
    }

    [Fact]
    public async Task Client_ThatSaysClose_IsClosedAfterTheAnswerAndTheUpstreamKept()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Close\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        await upstream.SendAsync(Ok);

        Assert.Contains("connection: close\r\n", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        client.End();
        Assert.Equal("", await client.ReadToEndAsync());
        Assert.False(upstream.IsDisposed);
    }

    [Fact]
    public async Task SlowReader_HoldsTheSenderBack()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect(windowBytes: 1000);
        await client.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n");

        for (int i = 0; i < 6; i++)
        {
            await upstream.SendAsync(new string((char)('a' + i), 1000));
        }

        string early = client.ReadAvailable();
        Assert.DoesNotContain("c", early[early.IndexOf("\r\n\r\n", StringComparison.Ordinal)..], StringComparison.Ordinal); // the rest waits with the sender
        int rest = 6000 - (early.Length - early.IndexOf("\r\n\r\n", StringComparison.Ordinal) - 4);
        Assert.EndsWith("f", await client.ReadAsync(rest), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inbound_SendsEverythingToTheApplication_HostUntouched()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("GET /x HTTP/1.1\r\nHost: Whatever:99\r\nx-request-id: 1\r\nx-forwarded-proto: https\r\n\r\n", pipeline.Inbound);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        Assert.Equal("GET /x HTTP/1.1\r\nhost: Whatever:99\r\nx-request-id: 1\r\nx-forwarded-proto: https\r\n\r\n", await upstream.ReadHeadAsync());
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((true, Pipeline.InboundName, "default"), (record.IsInbound, record.Cluster, record.RouteName));
    }

    [Fact]
    public async Task MaxRequestsPerConnection_OfOne_MakesAConnectionForEach()
    {
        await using Pipeline pipeline = new(static c => c.Life(static l => l with { MaxRequestsPerConnection = 1 }));
        MemoryConnection client = pipeline.Connect();
        for (int i = 0; i < 3; i++)
        {
            await client.SendAsync(Get);
            MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(Ok);
            await client.ReadUntilAsync("ok");
        }

        Assert.Equal(3, pipeline.Upstreams.Made);
    }
}
