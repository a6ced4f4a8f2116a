using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>x-request-id (semantics 6.2, adr/0050): who has none gets one, and everything that happens to the request is found under it.</summary>
public sealed class RequestIdTests
{
    private const string Get = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Request_WithoutAnId_GetsARandomUuid_AndTheLogHasIt(bool isInbound)
    {
        await using Pipeline pipeline = new(random: new Random(7));
        string[] ids = [await ForwardAsync(pipeline, isInbound), await ForwardAsync(pipeline, isInbound)];

        Assert.All(ids, static id => Assert.Matches("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", id));
        Assert.NotEqual(ids[0], ids[1]);
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("00000000-0000-0000-0000-000000000000")] // Envoy would write the trace decision into it (pack_trace_reason)
    [InlineData("")]
    public async Task Request_WithAnId_KeepsItAsItCame(string id)
    {
        await using Pipeline pipeline = new();
        await pipeline.SendAsync($"GET /x HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: {id}\r\n\r\n");

        Assert.Equal([id], UpstreamRequest.Values(await (await pipeline.Upstreams.AcceptAsync()).ReadHeadAsync(), "x-request-id"));
    }

    [Fact]
    public async Task Attempts_OfOneRequest_ShareItsId_AndSoDoesTheRefusal()
    {
        RetryConfig retry = new() { Attempts = 1, Conditions = RetryConditions.Reset, Backoff = new BackoffConfig { Strategy = BackoffStrategy.Fixed, Base = TimeSpan.Zero, Max = TimeSpan.Zero } };
        await using Pipeline pipeline = new(retry: retry, random: new Random(7));
        MemoryConnection client = await pipeline.SendAsync(Get);
        List<string> ids = [];
        for (int i = 0; i < 2; i++)
        {
            MemoryConnection upstream = await NextAsync(pipeline);
            ids.AddRange(UpstreamRequest.Values(await upstream.ReadHeadAsync(), "x-request-id"));
            upstream.Reset();
        }

        string refusal = await client.ReadHeadAsync();

        Assert.StartsWith("HTTP/1.1 503 ", refusal, StringComparison.Ordinal);
        Assert.Equal([ids[0], ids[0]], [ids[1], Assert.Single(UpstreamRequest.Values(refusal, "x-request-id"))]);
        Assert.Equal((ids[0], 2), ((await pipeline.Sink.NextAsync()) is var record ? (record.RequestId, record.Attempts) : default));
    }

    [Fact]
    public async Task Copy_OfARequest_HasItsId()
    {
        HttpRouteConfig route = new() { Name = "r", Clusters = [new WeightedClusterConfig(Pipeline.Name)], Mirrors = [new MirrorConfig(Pipeline.OtherName)] };
        await using Pipeline pipeline = new(random: new Random(7), routes: [route]);
        await pipeline.SendAsync(Get);
        string[] heads = [await (await pipeline.Upstreams.AcceptAsync()).ReadHeadAsync(), await (await pipeline.Upstreams.AcceptAsync()).ReadHeadAsync()];

        Assert.Single(heads.Select(static h => Assert.Single(UpstreamRequest.Values(h, "x-request-id"))).Distinct());
    }

    private static async Task<string> ForwardAsync(Pipeline pipeline, bool isInbound)
    {
        MemoryConnection client = await pipeline.SendAsync(Get, isInbound ? pipeline.Inbound : pipeline.Outbound);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        string id = Assert.Single(UpstreamRequest.Values(await upstream.ReadHeadAsync(), "x-request-id"));
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        Assert.Empty(UpstreamRequest.Values(await client.ReadHeadAsync(), "x-request-id")); // Envoy's always_set_request_id_in_response is off
        Assert.Equal(id, (await pipeline.Sink.NextAsync()).RequestId);
        return id;
    }

    // A pause before the attempt ends when time moves.
    private static async Task<MemoryConnection> NextAsync(Pipeline pipeline)
    {
        Task<MemoryConnection> next = pipeline.Upstreams.AcceptAsync();
        while (!next.IsCompleted)
        {
            pipeline.Time.Advance(TimeSpan.FromMilliseconds(25));
            await Task.WhenAny(next, Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System));
        }

        return await next;
    }
}
