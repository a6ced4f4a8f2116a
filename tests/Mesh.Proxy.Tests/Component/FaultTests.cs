using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Injected faults on the wire (semantics 6.3).</summary>
public sealed class FaultTests
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task Abort_IsAnsweredWithoutTheUpstream_AndNotRetried()
    {
        await using Pipeline pipeline = new(routes: [With(new FaultConfig { AbortStatus = 503, AbortPercent = 100 }) with
        {
            Retry = new RetryConfig { Conditions = RetryConditions.ServerError },
        }]);
        MemoryConnection client = await pipeline.SendAsync(Get);

        string head = await client.ReadHeadAsync();

        Assert.StartsWith("HTTP/1.1 503 Service Unavailable\r\nx-request-id: ", head, StringComparison.Ordinal);
        Assert.Contains("\r\nx-mesh-reason: fault_abort; rule=default/a#spec.http[0].fault.abort;", head, StringComparison.Ordinal);
        Assert.Equal("fault filter abort", await client.ReadAsync(18));
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((503, ResponseFlag.FI, "fault_filter_abort", 0), (record.Code, record.Flag, record.Details, record.Attempts));
        Assert.Equal(0, pipeline.Upstreams.Made);
    }

    [Theory]
    [InlineData(9.5, 9, true)]
    [InlineData(9.5, 10, false)]
    [InlineData(0, 0, false)]
    public async Task Abort_HitsItsShare(double percent, int drawn, bool isHit)
    {
        ScriptedRandom rehearsal = new();
        await using (new Pipeline(random: rehearsal))
        {
        }

        await using Pipeline pipeline = new(
            random: new ScriptedRandom([.. new int[rehearsal.Draws], drawn]), routes: [With(new FaultConfig { AbortStatus = 500, AbortPercent = percent })]);
        MemoryConnection client = await pipeline.SendAsync(Get);
        if (!isHit)
        {
            MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(Ok);
        }

        Assert.StartsWith(isHit ? "HTTP/1.1 500 " : "HTTP/1.1 200 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Delay_PassesBeforeTheRequestLeaves_AndCountsTowardsNoTimeout()
    {
        await using Pipeline pipeline = new(routes: [With(new FaultConfig { Delay = TimeSpan.FromSeconds(5), DelayPercent = 100 }) with { Timeout = TimeSpan.FromSeconds(1) }]);
        MemoryConnection client = await pipeline.SendAsync(Get);
        pipeline.Time.Advance(TimeSpan.FromSeconds(4));
        Assert.Equal(0, pipeline.Upstreams.Made);

        pipeline.Time.Advance(TimeSpan.FromSeconds(1));

        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        Assert.StartsWith("HTTP/1.1 200 ", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.DI), (record.Code, record.Flag));
    }

    [Fact]
    public async Task Delay_ThenAbort_ShowsBoth()
    {
        await using Pipeline pipeline = new(routes: [With(new FaultConfig { Delay = TimeSpan.FromSeconds(1), DelayPercent = 100, AbortStatus = 429, AbortPercent = 100 })]);
        MemoryConnection client = await pipeline.SendAsync(Get);

        pipeline.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.StartsWith("HTTP/1.1 429 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.DI, ResponseFlag.FI), (record.Flag, record.SecondFlag));
    }

    [Fact]
    public async Task Delay_EndsWithItsClient()
    {
        await using Pipeline pipeline = new(routes: [With(new FaultConfig { Delay = TimeSpan.FromHours(1), DelayPercent = 100 })]);
        MemoryConnection client = await pipeline.SendAsync(Get);

        client.Reset();

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((0, ResponseFlag.DI, ResponseFlag.DC), (record.Code, record.Flag, record.SecondFlag));
        Assert.Equal(0, pipeline.Upstreams.Made);
    }

    [Fact]
    public async Task Delay_LongerThanSilenceMayBe_EndsInATimeout()
    {
        await using Pipeline pipeline = new(
            limits: new ConnectionLimits { StreamIdle = TimeSpan.FromSeconds(10) }, routes: [With(new FaultConfig { Delay = TimeSpan.FromHours(1), DelayPercent = 100 })]);
        MemoryConnection client = await pipeline.SendAsync(Get);

        pipeline.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.StartsWith("HTTP/1.1 504 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(ResponseFlag.SI, (await pipeline.Sink.NextAsync()).SecondFlag);
    }

    private static HttpRouteConfig With(FaultConfig fault) =>
        new() { Name = "r", Source = "default/a#spec.http[0]", Clusters = [new WeightedClusterConfig(Pipeline.Name)], Fault = fault };
}
