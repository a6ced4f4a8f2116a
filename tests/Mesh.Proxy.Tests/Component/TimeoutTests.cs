using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Limits of time of a request: semantics 5.1, vector 12, and the pending and write timeout of our own.</summary>
public sealed class TimeoutTests
{
    private const string Get = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(250);

    [Fact]
    public async Task Route_ThatTakesTooLong_Is504_AndTheClientGoesOn()
    {
        await using Pipeline pipeline = new(
            static c => c with { PanicThresholdPercent = 0, Outlier = new OutlierConfig { ConsecutiveGatewayFailure = 1, MaxEjectionPercent = 100 } },
            timeout: Limit);
        (MemoryConnection client, MemoryConnection upstream, string head) = await RetryTests.ExchangeAsync(pipeline, Get);
        Assert.Contains("x-envoy-expected-rq-timeout-ms: 250\r\n", head, StringComparison.Ordinal);
        pipeline.Time.Advance(Limit - TimeSpan.FromMilliseconds(1));
        Assert.Equal("", client.ReadAvailable());

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(1));

        string answer = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 504 Gateway Timeout\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-reason: route_timeout; rule=default/a#spec.http[0].timeout; limit=250; scope=sidecar\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: unknown\r\n", answer, StringComparison.Ordinal);
        Assert.Equal("upstream request timeout", await client.ReadUntilAsync("timeout"));
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((504, ResponseFlag.UT, "response_timeout"), (record.Code, record.Flag, record.Details));
        Assert.Equal((1L, 1L), (pipeline.Cluster.Stats.RqTimeout.Value, pipeline.Cluster.Endpoints[0].RqTimeout.Value));
        Assert.True(pipeline.Cluster.Endpoints[0].IsEjected); // the detector gets a 504
        Assert.True(upstream.IsAborted);
        Assert.DoesNotContain("connection: close", answer, StringComparison.Ordinal);
        await client.SendAsync(Get);
        Assert.Contains("no_healthy_upstream", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attempts_EachWithTheirTime_EndWithTheRoutes()
    {
        await using Pipeline pipeline = new(
            timeout: Limit, retry: new RetryConfig { Conditions = RetryConditions.Reset, Attempts = 5, PerTryTimeout = TimeSpan.FromMilliseconds(100) });
        (MemoryConnection client, _, string head) = await RetryTests.ExchangeAsync(pipeline, Get);
        Assert.Contains("x-envoy-expected-rq-timeout-ms: 100\r\n", head, StringComparison.Ordinal);
        for (int attempt = 2; attempt <= 3; attempt++)
        {
            pipeline.Time.Advance(TimeSpan.FromMilliseconds(99));
            Assert.Equal(attempt - 1, pipeline.Upstreams.Made);
            pipeline.Time.Advance(TimeSpan.FromMilliseconds(1));
            MemoryConnection next = await pipeline.Upstreams.AcceptAsync();
            Assert.Contains($"x-envoy-attempt-count: {attempt}\r\n", await next.ReadHeadAsync(), StringComparison.Ordinal);
        }

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(49));
        Assert.Equal("", client.ReadAvailable());
        pipeline.Time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Contains("HTTP/1.1 504 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.UT, ResponseFlag.None, "response_timeout", 3), (record.Flag, record.SecondFlag, record.Details, record.Attempts));
        ClusterStats stats = pipeline.Cluster.Stats;
        Assert.Equal((2L, 1L, 2L), (stats.RqPerTryTimeout.Value, stats.RqTimeout.Value, stats.RqRetry.Value));
    }

    [Theory]
    [InlineData(RetryConditions.ConnectFailure, ResponseFlag.UT, ResponseFlag.None)]
    [InlineData(RetryConditions.None, ResponseFlag.UT, ResponseFlag.None)]
    public async Task Try_ThatTakesTooLong_IsRetriedOnlyAsAReset(RetryConditions conditions, ResponseFlag flag, ResponseFlag second)
    {
        await using Pipeline pipeline = new(retry: new RetryConfig { Conditions = conditions, PerTryTimeout = Limit });
        (MemoryConnection client, _, _) = await RetryTests.ExchangeAsync(pipeline, Get);

        pipeline.Time.Advance(Limit);

        Assert.Contains("x-mesh-reason: per_try_timeout; ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((504, flag, second, "upstream_per_try_timeout"), (record.Code, record.Flag, record.SecondFlag, record.Details));
    }

    [Fact]
    public async Task TryTimeout_AboveTheRoutes_IsIgnored()
    {
        await using Pipeline pipeline = new(timeout: Limit, retry: new RetryConfig { Conditions = RetryConditions.Reset, PerTryTimeout = Limit });
        (MemoryConnection client, _, _) = await RetryTests.ExchangeAsync(pipeline, Get);

        pipeline.Time.Advance(Limit);

        Assert.Contains("route_timeout", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal((0L, 1L), (pipeline.Cluster.Stats.RqPerTryTimeout.Value, pipeline.Cluster.Stats.RqTimeout.Value));
    }

    [Fact]
    public async Task TryTimeout_EndsWithTheHead_TheRoutesDoesNot()
    {
        await using Pipeline pipeline = new(timeout: Limit, retry: new RetryConfig { Conditions = RetryConditions.Reset, PerTryTimeout = Limit / 2 });
        (MemoryConnection client, MemoryConnection upstream, _) = await RetryTests.ExchangeAsync(pipeline, Get);
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        pipeline.Time.Advance(Limit / 2);
        Assert.Contains("half", client.ReadAvailable(), StringComparison.Ordinal);
        Assert.False(client.IsAborted);

        pipeline.Time.Advance(Limit / 2);

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.UT, "response_timeout"), (record.Code, record.Flag, record.Details));
        Assert.True(client.IsAborted);
        Assert.Equal(1, pipeline.Cluster.Stats.RqTimeout.Value);
    }

    [Fact]
    public async Task Route_CountsFromTheEndOfTheRequest()
    {
        await using Pipeline pipeline = new(timeout: Limit);
        (MemoryConnection client, _, _) = await RetryTests.ExchangeAsync(pipeline, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhel");
        pipeline.Time.Advance(10 * Limit); // the client takes its time
        await client.SendAsync("lo");
        pipeline.Time.Advance(Limit - TimeSpan.FromMilliseconds(1));
        Assert.Equal("", client.ReadAvailable());

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Contains("HTTP/1.1 504 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Content-Length: 2\r\n\r\nhi")]
    public async Task Route_CountsTheWaitForAConnection(string body)
    {
        await using Pipeline pipeline = new(timeout: Limit);
        pipeline.Upstreams.Hangs = true;
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\n" + (body.Length == 0 ? "\r\n" : body));

        pipeline.Time.Advance(Limit);

        string answer = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 504 ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: not-sent\r\n", answer, StringComparison.Ordinal);
        Assert.Equal((1L, 0L), (pipeline.Cluster.Stats.RqTimeout.Value, pipeline.Cluster.Stats.RqPendingActive.Value));
    }

    [Fact]
    public async Task Route_CountsThePauses()
    {
        await using Pipeline pipeline = new(
            timeout: Limit,
            retry: RetryTests.On(RetryConditions.ServerError) with { Backoff = new BackoffConfig { Jitter = BackoffJitter.None, Base = 2 * Limit, Max = 2 * Limit } });
        (MemoryConnection client, MemoryConnection upstream, _) = await RetryTests.ExchangeAsync(pipeline, Get);
        await upstream.SendAsync("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");

        pipeline.Time.Advance(Limit);

        Assert.Contains("HTTP/1.1 504 ", await client.ReadUntilAsync("upstream request timeout"), StringComparison.Ordinal);
        Assert.Equal((504, 1), (await pipeline.Sink.NextAsync()) is var r ? (r.Code, r.Attempts) : default);
        await client.SendAsync(Get); // the next one has its own time
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        Assert.StartsWith("HTTP/1.1 200 ", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wait_ForAConnection_IsBounded()
    {
        await using Pipeline pipeline = new(
            static c => c with { PendingTimeout = Limit, Limits = new CircuitBreakerConfig(MaxConnections: 1) },
            retry: RetryTests.On(RetryConditions.ServerError | RetryConditions.Reset));
        (MemoryConnection busy, MemoryConnection upstream, _) = await RetryTests.ExchangeAsync(pipeline, Get);
        MemoryConnection early = await pipeline.SendAsync(Get);
        pipeline.Time.Advance(Limit / 2);
        MemoryConnection late = await pipeline.SendAsync(Get);

        pipeline.Time.Advance(Limit / 2);

        string answer = await early.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 503 ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-reason: pending_timeout; rule=default; limit=250; ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: not-sent\r\n", answer, StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((503, ResponseFlag.UO, "upstream_reset_before_response_started{pending_timeout}"), (record.Code, record.Flag, record.Details));
        Assert.Equal((1L, 1L), (pipeline.Cluster.Stats.RqPendingTimeout.Value, pipeline.Cluster.Stats.RqPendingActive.Value));
        await upstream.SendAsync(Ok);
        await busy.ReadUntilAsync("ok");
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        Assert.StartsWith("HTTP/1.1 200 ", await late.ReadUntilAsync("ok"), StringComparison.Ordinal); // its own time was not over
    }

    [Fact]
    public async Task Upstream_ThatTakesNothing_Is504()
    {
        await using Pipeline pipeline = new(static c => c with { WriteTimeout = Limit });
        pipeline.Upstreams.WindowBytes = 4096;
        MemoryConnection client = await pipeline.SendAsync($"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20000\r\n\r\n{new string('x', 10_000)}");
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        pipeline.Time.Advance(Limit / 2);
        await upstream.ReadHeadAsync();
        await upstream.ReadAsync(10_000); // takes what it has been given: the wait for the client is not its fault
        pipeline.Time.Advance(4 * Limit);
        Assert.Equal("", client.ReadAvailable());
        await client.SendAsync(new string('x', 9000));

        pipeline.Time.Advance(Limit);

        string answer = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 504 ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-reason: upstream_write_timeout; ", answer, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: unknown\r\n", answer, StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((504, ResponseFlag.UT, "upstream_write_timeout"), (record.Code, record.Flag, record.Details));
        Assert.Equal((1L, 0L), (pipeline.Cluster.Stats.RqWriteTimeout.Value, pipeline.Cluster.Stats.RqTimeout.Value));
    }
}
