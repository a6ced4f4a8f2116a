using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Callers that say how long they wait (adr/0023).</summary>
public sealed class CallerDeadlineTests
{
    private const string Waits100 = "GET /late HTTP/1.1\r\nHost: a.test\r\nx-envoy-expected-rq-timeout-ms: 100\r\n\r\n";
    private const string Get = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    private const string Busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task TimeThatIsOverInTheQueue_IsAnsweredWithoutSending(bool isInbound)
    {
        await using Pipeline pipeline = new(configure: static c => c with { Limits = c.Limits with { MaxConnections = 1 } });
        MemoryConnection first = await pipeline.SendAsync(Get, isInbound ? pipeline.Inbound : null);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        MemoryConnection late = await pipeline.SendAsync(Waits100, isInbound ? pipeline.Inbound : null);
        pipeline.Time.Advance(TimeSpan.FromMilliseconds(100));

        await upstream.SendAsync(Ok);

        await first.ReadUntilAsync("ok");
        string head = await late.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 504 ", head, StringComparison.Ordinal);
        Assert.Contains("x-mesh-reason: caller_deadline; limit=100; scope=sidecar\r\nx-mesh-outcome: not-sent\r\n", head, StringComparison.Ordinal);
        Finished[] both = [await pipeline.Sink.NextAsync(), await pipeline.Sink.NextAsync()]; // either may end first
        Finished record = Assert.Single(both, static r => r.Code == 504);
        Assert.Equal((ResponseFlag.UT, "caller_deadline_exceeded"), (record.Flag, record.Details));
        Assert.Equal(1, pipeline.Clusters.Find(record.Cluster!)!.Stats.RqCallerDeadline.Value);

        await first.SendAsync(Get); // the connection that it was given is still good
        Assert.StartsWith("GET /x ", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
        await upstream.SendAsync(Ok);
        await first.ReadUntilAsync("ok");
    }

    [Fact]
    public async Task TimeThatIsOverInAPause_EndsTheRetries()
    {
        BackoffConfig pause = new() { Strategy = BackoffStrategy.Fixed, Base = TimeSpan.FromMilliseconds(200), Max = TimeSpan.FromSeconds(1), Jitter = BackoffJitter.None };
        await using Pipeline pipeline = new(retry: new RetryConfig { Conditions = RetryConditions.ServerError, Attempts = 5, Backoff = pause });
        MemoryConnection client = await pipeline.SendAsync(Waits100);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Busy);

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(200));

        Assert.Contains("caller_deadline", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(1, pipeline.Cluster.Stats.RqTotal.Value);
    }

    [Fact]
    public async Task TimeThatIsOverInADelay_IsAnsweredWithoutSending()
    {
        FaultConfig delay = new() { Delay = TimeSpan.FromMilliseconds(100), DelayPercent = 100 };
        await using Pipeline pipeline = new(routes: [new HttpRouteConfig { Name = "r", Clusters = [new WeightedClusterConfig(Pipeline.Name)], Fault = delay }]);
        MemoryConnection client = await pipeline.SendAsync(Waits100);

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(100));

        Assert.Contains("caller_deadline", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(0, pipeline.Upstreams.Made);
    }

    [Theory]
    [InlineData(0, "caller_deadline; limit=100;")]
    [InlineData(250, "caller_deadline; limit=100;")]
    [InlineData(50, "route_timeout; rule=default/a#spec.http[0].timeout; limit=50;")]
    [EffectOf("ResiliencePolicy", "profile")]
    public async Task ProfileSafe_EndsWhatTakesLongerThanTheCallerWaits(int route, string reason)
    {
        await using Pipeline pipeline = new(
            configure: static c => c with { HonoursCallerDeadline = true }, timeout: TimeSpan.FromMilliseconds(route));
        MemoryConnection client = await pipeline.SendAsync(Waits100);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        int expected = route is 0 or > 100 ? 100 : route;
        Assert.Contains($"x-envoy-expected-rq-timeout-ms: {expected}\r\n", await upstream.ReadHeadAsync(), StringComparison.Ordinal);

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(expected));

        Assert.Contains(reason, await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.True(upstream.IsAborted);
    }

    [Theory]
    [InlineData("100")]
    [InlineData("0")]
    [InlineData("soon")]
    public async Task WhatIsUnderWay_GoesOn_AsInIstio(string value)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = await pipeline.SendAsync(Waits100.Replace("100", value, StringComparison.Ordinal));
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        pipeline.Time.Advance(TimeSpan.FromSeconds(1));

        await upstream.SendAsync(Ok);

        Assert.StartsWith("HTTP/1.1 200 ", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
    }
}
