using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Requests that reach the upstream, byte by byte on both sides.</summary>
public sealed class HttpForwardingTests
{
    private const string Get = "GET /p?q=1 HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    [Fact]
    public async Task Get_WithLength_GoesThroughAndIsRecorded()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, string head) = await proxy.ExchangeAsync(Get);
        Assert.StartsWith("GET /p?q=1 HTTP/1.1\r\nhost: a.test\r\n", head, StringComparison.Ordinal);
        Assert.Contains("x-forwarded-proto: http\r\n", head, StringComparison.Ordinal);
        await server.SendAsync(Ok);
        string answer = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", answer, StringComparison.Ordinal);
        Assert.Matches("x-envoy-upstream-service-time: [0-9]+\r\n", answer);
        Assert.DoesNotContain("connection:", answer, StringComparison.Ordinal);
        Assert.Equal("ok", await client.ReadAsync(2));
        Seen seen = await proxy.RecordAsync();
        Assert.Equal((200, ResponseFlag.None, "via_upstream", 2L), (seen.Status, seen.Flag, seen.Details, seen.Sent));
        Assert.Contains($"x-request-id: {seen.RequestId}\r\n", head, StringComparison.Ordinal);
        Assert.True(Guid.TryParse(seen.RequestId, out _));
    }

    [Fact]
    public async Task HeadersForOneConnection_AreTakenOut()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, string head) = await proxy.ExchangeAsync(
            "GET http://a.test/x HTTP/1.1\r\nHost: other\r\nConnection: X-Gone, x-request-id\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\n" +
            "TE: gzip\r\nX-Request-Id: mine\r\nX-Stays: 1\r\n\r\n");
        Assert.Equal("GET /x HTTP/1.1\r\nhost: a.test\r\nX-Request-Id: mine\r\nX-Stays: 1\r\nx-forwarded-proto: http\r\nx-envoy-attempt-count: 1\r\n\r\n", head);
        await server.SendAsync("HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\ncontent-length: 0\r\n\r\n");
        string answer = await client.ReadHeadAsync();
        Assert.DoesNotContain("hop", answer, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("keep-alive", answer, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Bodies_GoBothWays_ByLengthAndByChunks()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, string head) = await proxy.ExchangeAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello");
        Assert.Contains("Content-Length: 5\r\n", head, StringComparison.Ordinal);
        Assert.Equal("hello", await server.ReadAsync(5));
        const string sent = "3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n";
        const string chunks = "3\r\nabc\r\n0\r\nT: 1\r\n\r\n";
        await server.SendAsync("HTTP/1.1 201 Made\r\ntransfer-encoding: chunked\r\n\r\n" + sent);
        Assert.StartsWith("HTTP/1.1 201 Made\r\ntransfer-encoding: chunked\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(chunks, await client.ReadAsync(chunks.Length));
        Seen seen = await proxy.RecordAsync();
        Assert.Equal((5L, 3L), (seen.Received, seen.Sent));

        await client.SendAsync("PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + sent);
        Assert.Contains("transfer-encoding: chunked\r\n", await server.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(chunks, await server.ReadAsync(chunks.Length));
        await server.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Assert.Equal(3, (await proxy.RecordAsync()).Received);
        Assert.Equal(1, proxy.Cluster.Stats.CxTotal.Value);
    }

    [Theory]
    [InlineData("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")]
    [InlineData("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")]
    [InlineData("GET", "HTTP/1.1 204 No Content\r\n\r\n")]
    [InlineData("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n")]
    public async Task AnswerWithoutBody_LeavesBothConnectionsUsable(string method, string response)
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync($"{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        await server.SendAsync(response);
        await client.ReadHeadAsync();
        await client.SendAsync(Get);
        await server.ReadHeadAsync();
        await server.SendAsync(Ok);
        await client.ReadUntilAsync("\r\n\r\nok");
    }

    [Fact]
    public async Task InterimResponses_AndExpect_PassThrough()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, string head) = await proxy.ExchangeAsync(
            "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
        Assert.Contains("Expect: 100-continue\r\n", head, StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
        Assert.Equal("HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n", await client.ReadHeadAsync());
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await client.ReadHeadAsync());
        await client.SendAsync("abc");
        Assert.Equal("abc", await server.ReadAsync(3));
        await server.SendAsync(Ok);
        await client.ReadUntilAsync("\r\n\r\nok");
        Assert.Equal(200, (await proxy.RecordAsync()).Status);
    }

    [Fact]
    public async Task PipelinedRequests_AreAnsweredInOrder()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get + Get.Replace("/p", "/second", StringComparison.Ordinal));
        await server.SendAsync(Ok);
        Assert.StartsWith("GET /second", await server.ReadHeadAsync(), StringComparison.Ordinal);
        await server.SendAsync(Ok.Replace("ok", "no", StringComparison.Ordinal));
        await client.ReadUntilAsync("\r\n\r\nok");
        await client.ReadUntilAsync("\r\n\r\nno");
    }

    [Fact]
    public async Task OldClient_GetsNoChunksAndAnEnd()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, string head) = await proxy.ExchangeAsync("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n");
        Assert.StartsWith("GET / HTTP/1.1\r\n", head, StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        string all = await client.ReadToEndAsync();
        Assert.EndsWith("connection: close\r\n\r\nabcde", all, StringComparison.Ordinal);
        Assert.DoesNotContain("transfer-encoding", all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnswerUntilClose_EndsTheClientsConnectionToo()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        await server.SendAsync("HTTP/1.1 200 OK\r\n\r\nall there is");
        server.Dispose();
        Assert.EndsWith("connection: close\r\n\r\nall there is", await client.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.Equal((200, ResponseFlag.None), (await proxy.RecordAsync()) is var s ? (s.Status, s.Flag) : default);
    }

    [Fact]
    public async Task AnswerUntilClose_CutOffByReset_IsNotTakenForTheWhole()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        await server.SendAsync("HTTP/1.1 200 OK\r\n\r\npart");
        await client.ReadUntilAsync("part");
        server.Reset();
        await client.ReadToEndAsync();
        Assert.Equal(ResponseFlag.UC, (await proxy.RecordAsync()).Flag);
    }

    [Fact]
    public async Task EarlyAnswer_OvertakesTheUploadAndEndsBothConnections()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nbegin");
        await server.SendAsync("HTTP/1.1 413 Too Much\r\ncontent-length: 2\r\n\r\nno");
        Assert.Contains("connection: close\r\n\r\nno", await client.ReadToEndAsync(), StringComparison.Ordinal);
        await server.ReadToEndAsync();
        Seen seen = await proxy.RecordAsync();
        Assert.Equal((413, ResponseFlag.None), (seen.Status, seen.Flag));
    }

    [Fact]
    public async Task UpstreamThatCloses_IsNotUsedAgain()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        await server.SendAsync("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        await client.ReadUntilAsync("\r\n\r\nok");
        await client.SendAsync(Get);
        using RawPeer second = await proxy.Upstream.AcceptAsync();
        await second.ReadHeadAsync();
        await second.SendAsync(Ok);
        await client.ReadUntilAsync("\r\n\r\nok");
    }

    // A reset takes away what was sent before it and not yet read (RFC 9112, 9.6), and pipes drop what they hold when they end with an error.
    // So the answer may be lost, but what the client sees is the whole, a refusal, or a broken connection: never a part that looks whole.
    [Fact]
    public async Task UpstreamThatResetsAfterItsAnswer_HarmsNobody()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        for (int i = 0; i < 20; i++)
        {
            (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
            await server.SendAsync(Ok);
            server.Reset();
            string answer = await client.ReadToEndAsync();
            Seen seen = await proxy.RecordAsync();
            Assert.True(
                seen.Flag == ResponseFlag.None ? answer.EndsWith("\r\n\r\nok", StringComparison.Ordinal)
                : seen.Status == 503 ? answer.StartsWith("HTTP/1.1 503 ", StringComparison.Ordinal) && answer.EndsWith("termination", StringComparison.Ordinal)
                : !answer.EndsWith("ok", StringComparison.Ordinal),
                $"{seen}: {answer}");
            client.Dispose();
            await Eventually.HoldsAsync(() => proxy.Cluster.Stats.CxActive.Value == 0, "the pool has noticed");
        }
    }

    [Fact]
    public async Task ClientThatLeavesWhileWaiting_EndsTheUpstreamConnection()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync(ProxyFixture.Config with
        {
            Outlier = new OutlierConfig { Consecutive5xx = 1, MaxEjectionPercent = 100 },
        });
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        client.Dispose();
        await server.ReadToEndAsync();
        Seen seen = await proxy.RecordAsync();
        Assert.Equal((0, ResponseFlag.DC, "downstream_remote_disconnect"), (seen.Status, seen.Flag, seen.Details));
        (_, RawPeer next, _) = await proxy.ExchangeAsync(Get); // not ejected
        await next.SendAsync(Ok);
        Assert.Equal(200, (await proxy.RecordAsync()).Status);
    }

    [Fact]
    public async Task ClientThatBreaksItsBody_IsNotChargedToTheUpstream()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        await client.SendAsync("nonsense\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", await client.ReadToEndAsync(), StringComparison.Ordinal);
        await server.ReadToEndAsync();
        Seen seen = await proxy.RecordAsync();
        Assert.Equal((400, ResponseFlag.DPE, "http1.codec_error"), (seen.Status, seen.Flag, seen.Details));
    }

    [Fact]
    public async Task Upgrade_BecomesATunnelWithHalfClose()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, string head) = await proxy.ExchangeAsync(
            "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        Assert.Contains("connection: upgrade\r\nupgrade: websocket\r\n", head, StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nfirst");
        await client.ReadUntilAsync("connection: upgrade\r\nupgrade: websocket\r\n\r\nfirst");
        await TunnelBothWaysAsync(client, server);
        Assert.Equal((101, ResponseFlag.None, 7L), (await proxy.RecordAsync()) is var s ? (s.Status, s.Flag, s.Received) : default);
    }

    [Fact]
    public async Task Connect_BecomesATunnelWithHalfClose()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        using RawPeer client = await proxy.ConnectAsync();
        await client.SendAsync("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n");
        using RawPeer server = await proxy.Upstream.AcceptAsync();
        Assert.Equal("HTTP/1.1 200 OK\r\n\r\n", await client.ReadHeadAsync());
        await TunnelBothWaysAsync(client, server);
        Assert.Equal((200, ResponseFlag.None, 7L), (await proxy.RecordAsync()) is var s ? (s.Status, s.Flag, s.Received) : default);
    }

    private static async Task TunnelBothWaysAsync(RawPeer client, RawPeer server)
    {
        await client.SendAsync("goodbye");
        client.HalfClose();
        Assert.Equal("goodbye", await server.ReadToEndAsync());
        await server.SendAsync("late answer");
        server.Dispose();
        Assert.Equal("late answer", await client.ReadToEndAsync());
    }

    [Fact]
    public async Task Drain_FinishesWhatRunsAndEndsWhatIsIdle()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        using RawPeer idle = await proxy.ConnectAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        await Eventually.HoldsAsync(() => proxy.Host.Connections == 2, "both connections are accepted");
        Task drain = proxy.Host.DrainAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("", await idle.ReadToEndAsync());
        await server.SendAsync(Ok);
        Assert.Contains("connection: close\r\n\r\nok", await client.ReadToEndAsync(), StringComparison.Ordinal);
        await drain.WaitAsync(RawPeer.Patience);
    }

    [Fact]
    public async Task Drain_InTheMiddleOfABody_EndsTheConnectionAfterIt()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(Get);
        await server.SendAsync("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab");
        await client.ReadUntilAsync("ab");
        Task drain = proxy.Host.DrainAsync(TimeSpan.FromSeconds(30));
        await server.SendAsync("cd");
        Assert.Equal("cd", await client.ReadToEndAsync());
        await drain.WaitAsync(RawPeer.Patience);
    }
}
