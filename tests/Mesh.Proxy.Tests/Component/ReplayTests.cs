using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Requests that meet a connection which the upstream has just closed: sent again once, and only when that cannot do harm.</summary>
public sealed class ReplayTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData("GET", "", false)]
    [InlineData("GET", "", true)]
    [InlineData("HEAD", "", false)]
    [InlineData("DELETE", "", true)]
    [InlineData("OPTIONS", "", true)]
    [InlineData("PUT", "Content-Length: 5\r\n", false)]
    [InlineData("PUT", "Transfer-Encoding: chunked\r\n", true)]
    public async Task Idempotent_OnAStaleConnection_IsSentAgainOnce(string method, string framing, bool isReset)
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection stale) = await WarmAsync(pipeline);
        await client.SendAsync($"{method} /again HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n");
        string head = await stale.ReadHeadAsync();
        string id = head.Split("\r\n").Single(static line => line.StartsWith("x-request-id: ", StringComparison.Ordinal));

        (isReset ? (Action)stale.Reset : stale.End)();

        MemoryConnection fresh = await pipeline.Upstreams.AcceptAsync();
        string again = await fresh.ReadHeadAsync();
        Assert.StartsWith($"{method} /again HTTP/1.1\r\n", again, StringComparison.Ordinal);
        Assert.Contains(id, again, StringComparison.Ordinal); // the same request, not another
        Assert.Contains("x-envoy-attempt-count: 2\r\n", again, StringComparison.Ordinal);
        if (framing.Length > 0)
        {
            await client.SendAsync(framing.StartsWith('C') ? "hello" : "5\r\nhello\r\n0\r\n\r\n");
            await fresh.ReadUntilAsync("hello");
        }

        await fresh.SendAsync(method == "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : Ok);
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.None), (record.Code, record.Flag));
        Assert.Equal((1L, 0L, 3L), (pipeline.Cluster.Stats.RqReplayed.Value, pipeline.Cluster.Stats.RqRxReset.Value, pipeline.Cluster.Stats.RqTotal.Value));
    }

    [Theory]
    [InlineData("POST /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "POST")] // may have been acted on
    [InlineData("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n", "POST")]
    [InlineData("PATCH /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n", "PATCH")]
    [InlineData("PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhel", "PUT")] // part of the body is gone
    public async Task Unsafe_OnAStaleConnection_Is503_AndItsOutcomeUnknown(string request, string method)
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection stale) = await WarmAsync(pipeline);
        await client.SendAsync(request);
        Assert.StartsWith(method, await stale.ReadHeadAsync(), StringComparison.Ordinal);

        stale.End();

        string answer = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 503 ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: unknown\r\n", answer, StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((503, ResponseFlag.UC), (record.Code, record.Flag));
        Assert.Equal((0L, 1), (pipeline.Cluster.Stats.RqReplayed.Value, pipeline.Upstreams.Made));
    }

    [Fact]
    public async Task FreshConnection_ThatCloses_IsNoChance()
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();

        upstream.End();

        Assert.StartsWith("HTTP/1.1 503 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal((0L, 1), (pipeline.Cluster.Stats.RqReplayed.Value, pipeline.Upstreams.Made));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 O", "answered")]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n", "unknown")]
    public async Task Connection_ThatClosesAfterAByte_IsNotTriedAgain(string said, string outcome)
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection upstream) = await WarmAsync(pipeline);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(said);

        upstream.End();

        string answer = await client.ReadUntilAsync("termination");
        Assert.Contains("HTTP/1.1 503 ", answer, StringComparison.Ordinal);
        Assert.Contains($"x-mesh-outcome: {outcome}\r\n", answer, StringComparison.Ordinal);
        Assert.Equal((0L, 1), (pipeline.Cluster.Stats.RqReplayed.Value, pipeline.Upstreams.Made));
    }

    [Fact]
    public async Task Replay_ThatFailsToo_IsTheEnd()
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection stale) = await WarmAsync(pipeline);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        await stale.ReadHeadAsync();
        stale.End();
        MemoryConnection second = await pipeline.Upstreams.AcceptAsync();
        await second.ReadHeadAsync();

        second.End();

        Assert.StartsWith("HTTP/1.1 503 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(ResponseFlag.UC, (await pipeline.Sink.NextAsync()).Flag);
        Assert.Equal((1L, 2), (pipeline.Cluster.Stats.RqReplayed.Value, pipeline.Upstreams.Made));
    }

    [Fact]
    public async Task Replay_WithNobodyToConnectTo_SaysSo()
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection stale) = await WarmAsync(pipeline);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        await stale.ReadHeadAsync();
        pipeline.Upstreams.Refuses = "Connection refused";

        stale.End();

        string answer = await client.ReadHeadAsync();
        Assert.Contains("x-mesh-reason: connect_failure", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: unknown\r\n", answer, StringComparison.Ordinal); // of the first attempt nobody knows
        Assert.Equal(ResponseFlag.UF, (await pipeline.Sink.NextAsync()).Flag);
    }

    [Fact]
    public async Task ConnectionClosedWhileIdle_IsNoticedBeforeItsUse()
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection stale) = await WarmAsync(pipeline);
        stale.End();

        await client.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");

        MemoryConnection fresh = await pipeline.Upstreams.AcceptAsync();
        await fresh.ReadUntilAsync("hi");
        await fresh.SendAsync(Ok);
        Assert.StartsWith("HTTP/1.1 200 OK", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("", stale.ReadAvailable());
        Assert.Equal(0, pipeline.Cluster.Stats.RqReplayed.Value);
    }

    [Fact]
    public async Task StaleConnection_IsNotHeldAgainstItsEndpoint()
    {
        await using Pipeline pipeline = new(static c => c with { Outlier = new OutlierConfig { Consecutive5xx = 1, MaxEjectionPercent = 100 } });
        (MemoryConnection client, MemoryConnection stale) = await WarmAsync(pipeline);
        await client.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        await stale.ReadHeadAsync();
        stale.End();
        MemoryConnection fresh = await pipeline.Upstreams.AcceptAsync();
        await fresh.ReadHeadAsync();
        Assert.False(pipeline.Cluster.Endpoints[0].IsEjected);
    }

    /// <summary>A client and an upstream connection that have carried one request.</summary>
    private static async Task<(MemoryConnection Client, MemoryConnection Upstream)> WarmAsync(Pipeline pipeline)
    {
        MemoryConnection client = await pipeline.SendAsync("GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        await pipeline.Sink.NextAsync();
        return (client, upstream);
    }
}
