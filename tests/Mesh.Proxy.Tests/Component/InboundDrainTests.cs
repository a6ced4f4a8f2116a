using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>A drain in front of the application, which still lives and calls (semantics 9.6).</summary>
public sealed class InboundDrainTests
{
    private const string Request = "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n";
    private const string Answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    [Fact]
    public async Task IdleConnections_EndOnlyOnTheInboundSide()
    {
        await using Pipeline pipeline = new();
        MemoryConnection inbound = pipeline.Connect(pipeline.Inbound);
        MemoryConnection outbound = pipeline.Connect();
        Begin(pipeline);
        Assert.Equal("", await inbound.ReadToEndAsync());
        await outbound.SendAsync(Request);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Answer);
        Assert.DoesNotContain("connection: close", await outbound.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task NewInboundConnections_AreServedOnce()
    {
        await using Pipeline pipeline = new();
        Begin(pipeline);
        MemoryConnection client = await pipeline.SendAsync(Request, pipeline.Inbound);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Answer);
        Assert.Contains("connection: close", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    private static void Begin(Pipeline pipeline)
    {
        pipeline.Context.IsInboundDraining = true;
        pipeline.Registry.StopAll(isInboundOnly: true);
    }
}
