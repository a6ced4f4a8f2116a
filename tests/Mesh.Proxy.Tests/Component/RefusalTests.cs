using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Fuzz;
using Mesh.Proxy.Tests.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>The tables of refused shapes through the real pipeline: what came back, what was counted, and that the other side got nothing.</summary>
public sealed class RefusalTests
{
    private const string Get = "GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [MemberData(nameof(RefusedRequests.Heads), MemberType = typeof(RefusedRequests))]
    public async Task Request_IsAnsweredClosedAndCounted_AndNoUpstreamIsAsked(string name)
    {
        RefusedRequest shape = RefusedRequests.Get(name);
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(shape.Raw);

        await AssertRefusedAsync(pipeline, client, shape);
        Assert.Equal(0, pipeline.Upstreams.Made);
        Assert.Equal(1, pipeline.Stats.Outbound.RqTotal.Value);
    }

    [Theory]
    [MemberData(nameof(RefusedRequests.BrokenBodies), MemberType = typeof(RefusedRequests))]
    public async Task RequestBody_IsAnsweredClosedAndCounted_AndTheUpstreamGetsNothing(string name)
    {
        RefusedRequest shape = RefusedRequests.Get(name);
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(shape.Raw);

        await AssertRefusedAsync(pipeline, client, shape);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        Assert.True(upstream.IsAborted);
        Assert.Equal("", await upstream.ReadToEndAsync());
        Assert.Equal(1, pipeline.Cluster.Stats.RqTxReset.Value);
    }

    [Theory]
    [MemberData(nameof(RefusedRequests.BrokenBodies), MemberType = typeof(RefusedRequests))]
    public async Task RequestBody_ThatBreaksAfterItsHeadWentOn_IsNeverWholeForTheUpstream(string name)
    {
        byte[] bytes = Wire.Bytes(RefusedRequests.Get(name).Raw);
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect();
        int head = bytes.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        await client.SendAsync(bytes.AsMemory(0, head));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        string got = upstream.ReadAvailable();
        for (int at = head; at < bytes.Length && !upstream.IsAborted; at++)
        {
            await client.SendAsync(bytes.AsMemory(at, 1));
            got += upstream.IsAborted ? "" : upstream.ReadAvailable();
        }

        Assert.True(upstream.IsAborted);
        Assert.False(GullibleReader.Request(Wire.Bytes(got)).IsWhole, got);
        Assert.StartsWith("HTTP/1.1 400 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal((400, ResponseFlag.DPE), (await pipeline.Sink.NextAsync()) is var record ? (record.Code, record.Flag) : default);
    }

    [Theory]
    [MemberData(nameof(AcceptedRequests.Names), MemberType = typeof(AcceptedRequests))]
    public async Task Request_OddButLegal_ReachesTheUpstreamOnce(string name)
    {
        AcceptedRequest shape = AcceptedRequests.Get(name);
        await using Pipeline pipeline = new();
        await pipeline.SendAsync(shape.Raw);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();

        byte[] got = Wire.Bytes(upstream.ReadAvailable());
        GullibleMessage read = GullibleReader.Request(got);
        Assert.StartsWith(shape.Line + "\r\nhost: a.test\r\n", Wire.Text(got), StringComparison.Ordinal);
        Assert.Equal((true, got.Length, (long)shape.Body.Length), (read.IsWhole, read.Length, read.Payload));
        Assert.Contains(shape.Body, Wire.Text(got), StringComparison.Ordinal);
        Assert.Equal(0, pipeline.Stats.Outbound.CxProtocolError.Value);
    }

    [Theory]
    [MemberData(nameof(RefusedResponses.Heads), MemberType = typeof(RefusedResponses))]
    public async Task Response_Is502_AndItsConnectionIsNotUsedAgain(string name)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Wire.Bytes(RefusedResponses.Get(name).Raw));

        string head = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 502 ", head, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", head + client.ReadAvailable(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((502, ResponseFlag.UPE, "upstream_reset_before_response_started{protocol_error}"), (record.Code, record.Flag, record.Details));
        Assert.Equal(1, pipeline.Cluster.Stats.CxProtocolError.Value);

        await client.SendAsync(Get);
        MemoryConnection next = await pipeline.Upstreams.AcceptAsync();
        await next.ReadHeadAsync();
        await next.SendAsync(Ok);
        Assert.EndsWith("\r\n\r\nok", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(RefusedResponses.BrokenBodies), MemberType = typeof(RefusedResponses))]
    public async Task ResponseBody_CutsTheClientOff(string name)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Wire.Bytes(RefusedResponses.Get(name).Raw));

        Assert.DoesNotContain("hidden", await client.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.True(client.IsAborted);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.UPE, "upstream_reset_after_response_started{protocol_error}"), (record.Code, record.Flag, record.Details));
        Assert.Equal(1, pipeline.Cluster.Stats.CxProtocolError.Value);
    }

    [Theory]
    [InlineData("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]
    [InlineData("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")]
    [InlineData("GET", "HTTP/1.1 204 No Content\r\n\r\n")]
    [InlineData("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n")]
    [InlineData("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")]
    public async Task Response_WithAnotherBehindIt_IsNeverTakenForTheNext(string method, string response)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Get.Replace("GET", method, StringComparison.Ordinal));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(response + RefusedResponses.Hidden);

        await client.ReadHeadAsync();
        Assert.DoesNotContain("hidden", client.ReadAvailable(), StringComparison.Ordinal);
        await client.SendAsync(Get);
        MemoryConnection next = await pipeline.Upstreams.AcceptAsync();
        await next.ReadHeadAsync();
        await next.SendAsync(Ok);
        Assert.EndsWith("\r\n\r\nok", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
    }

    private static async Task AssertRefusedAsync(Pipeline pipeline, MemoryConnection client, RefusedRequest shape)
    {
        string head = await client.ReadHeadAsync();
        Assert.StartsWith($"HTTP/1.1 {shape.Status} ", head, StringComparison.Ordinal);
        Assert.Contains("connection: close\r\n", head, StringComparison.Ordinal);
        Assert.Equal("", await client.ReadToEndAsync());
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((shape.Status, ResponseFlag.DPE, shape.Details), (record.Code, record.Flag, record.Details));
        Assert.Equal(1, pipeline.Stats.Outbound.CxProtocolError.Value);
    }
}
