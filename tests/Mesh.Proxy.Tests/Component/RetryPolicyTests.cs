using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Who may ask for retries and who may forbid them: header fields of the request (semantics 4.1), and our own rules.</summary>
public sealed class RetryPolicyTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    private const string Oops = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops";
    private const string Control = "X-Envoy-Retry-On: 5xx\r\nx-envoy-max-retries: 1\r\nx-envoy-retriable-status-codes: 418\r\nx-envoy-hedge-on-per-try-timeout: true\r\n";

    [Fact]
    public async Task Wish_OfTheOwnApplication_IsObeyed_AndGoesNoFurther()
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection upstream, string head) = await SendAsync(pipeline, "GET", Control);
        Assert.DoesNotContain("retr", head, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("hedge", head, StringComparison.Ordinal);
        await upstream.SendAsync(Oops);
        await upstream.ReadHeadAsync();

        await upstream.SendAsync(Oops);

        Assert.StartsWith("HTTP/1.1 500 ", await client.ReadUntilAsync("oops"), StringComparison.Ordinal);
        Assert.Equal(ResponseFlag.URX, (await pipeline.Sink.NextAsync()).Flag);
    }

    [Fact]
    public async Task Wish_FromOutside_IsOnlyTakenAway()
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection upstream, string head) = await SendAsync(pipeline, "GET", Control, pipeline.Inbound);
        Assert.DoesNotContain("retr", head, StringComparison.OrdinalIgnoreCase);

        await upstream.SendAsync(Oops);

        Assert.StartsWith("HTTP/1.1 500 ", await client.ReadUntilAsync("oops"), StringComparison.Ordinal);
        Assert.Equal((ResponseFlag.None, 1), (await pipeline.Sink.NextAsync()) is var r ? (r.Flag, r.Attempts) : default);
    }

    [Fact]
    public async Task Application_ThatRefuses_IsTriedTwiceMore_AsByIstio()
    {
        await using Pipeline pipeline = new();
        pipeline.Upstreams.Refuses = "Connection refused";
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", pipeline.Inbound);
        Assert.Contains("x-mesh-outcome: not-sent\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.URX, ResponseFlag.UF, 3, RetryConditions.ResetBeforeRequest), (record.Flag, record.SecondFlag, record.Attempts, record.RetriedOn));
    }

    [Theory]
    [InlineData("", "HTTP/1.1 504 Gateway Timeout\r\n", 504)]
    [InlineData("x-envoy-upstream-rq-timeout-alt-response: 1\r\n", "HTTP/1.1 204 No Content\r\n", 204)]
    public async Task Wish_OfATimeout_TakesTheRoutesPlace(string field, string line, int status)
    {
        await using Pipeline pipeline = new(timeout: TimeSpan.FromHours(1));
        (MemoryConnection client, _, string head) = await SendAsync(
            pipeline, "GET", "x-envoy-upstream-rq-timeout-ms: 80\r\nx-envoy-expected-rq-timeout-ms: 7\r\n" + field);
        Assert.Contains("x-envoy-expected-rq-timeout-ms: 80\r\n", head, StringComparison.Ordinal);
        Assert.DoesNotContain("expected-rq-timeout-ms: 7\r\n", head, StringComparison.Ordinal);

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(80));

        string answer = await client.ReadHeadAsync();
        Assert.StartsWith(line, answer, StringComparison.Ordinal);
        Assert.Equal(status != 204, answer.Contains("content-length", StringComparison.Ordinal));
        Assert.Equal(status, (await pipeline.Sink.NextAsync()).Code);
    }

    [Fact]
    public async Task Wish_OfAHeader_IsLookedForInTheAnswer()
    {
        await using Pipeline pipeline = new();
        (MemoryConnection client, MemoryConnection upstream, _) = await SendAsync(
            pipeline, "GET", "x-envoy-retry-on: retriable-headers\r\nx-envoy-retriable-header-names: x-again, x-later\r\n");

        await upstream.SendAsync("HTTP/1.1 200 OK\r\nX-Later: 1\r\nContent-Length: 0\r\n\r\n");

        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Assert.Equal(RetryConditions.RetriableHeaders, (await pipeline.Sink.NextAsync()).RetriedOn);
    }

    [Theory]
    [InlineData("grpc-status: 14\r\n", RetryConditions.GrpcUnavailable, 2)]
    [InlineData("grpc-status: 5\r\n", RetryConditions.None, 1)]
    [InlineData("grpc-status: 14\r\nx-envoy-ratelimited: true\r\n", RetryConditions.None, 1)]
    public async Task Grpc_IsReadFromTheHeadOfTheAnswer(string fields, RetryConditions matched, int attempts)
    {
        await using Pipeline pipeline = new(retry: RetryTests.On(RetryConditions.GrpcUnavailable | RetryConditions.GrpcCancelled));
        (MemoryConnection client, MemoryConnection upstream, _) = await SendAsync(pipeline, "GET");
        await upstream.SendAsync($"HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok");
        if (attempts > 1)
        {
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(Ok);
        }

        await client.ReadUntilAsync("ok");
        Assert.Equal((matched, attempts), (await pipeline.Sink.NextAsync()) is var r ? (r.RetriedOn, r.Attempts) : default);
    }

    [Theory]
    [InlineData("GET", "", true)]
    [InlineData("POST", "", false)]
    [InlineData("POST", "Idempotency-Key: 7\r\n", true)]
    public async Task Method_MustBeHarmless_OnceAByteWasSent(string method, string field, bool isRetried)
    {
        await using Pipeline pipeline = new(retry: RetryTests.On(RetryConditions.ServerError) with { Methods = ["GET", "PUT"] });
        (MemoryConnection client, MemoryConnection upstream, _) = await SendAsync(pipeline, method, field);
        await upstream.SendAsync(Oops);
        if (isRetried)
        {
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(Ok);
        }

        await client.ReadHeadAsync();
        Assert.Equal(isRetried ? (200, 1L, 0L) : (500, 0L, 0L), ((await pipeline.Sink.NextAsync()).Code, pipeline.Cluster.Stats.RqRetry.Value, pipeline.Cluster.Stats.RqRetryLimitExceeded.Value));
    }

    [Fact]
    public async Task Method_DoesNotMatter_BeforeAByteWasSent()
    {
        await using Pipeline pipeline = new(retry: RetryTests.On(RetryConditions.ConnectFailure) with { Methods = ["GET"] });
        pipeline.Upstreams.Refuses = "Connection refused";
        MemoryConnection client = await pipeline.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi");
        await client.ReadHeadAsync();
        Assert.Equal(3, (await pipeline.Sink.NextAsync()).Attempts);
    }

    [Theory]
    [InlineData("x-envoy-attempt-count: 2\r\n", false)]
    [InlineData("x-envoy-attempt-count: 1\r\n", false)]
    [InlineData("", true)]
    public async Task Request_MadeForAnother_IsLeftToTheLayerAbove(string header, bool isRetried)
    {
        await using Pipeline pipeline = new(retry: RetryTests.On(RetryConditions.ServerError, attempts: 1) with { LeavesToCaller = true });
        (MemoryConnection client, MemoryConnection upstream, _) = await SendAsync(pipeline, "GET", header);
        await upstream.SendAsync(Oops);
        if (isRetried)
        {
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(Oops);
        }

        await client.ReadUntilAsync("oops");
        Assert.Equal(isRetried ? 2 : 1, (await pipeline.Sink.NextAsync()).Attempts);
    }

    [Theory]
    [InlineData("2")]
    [InlineData("Tue, 01 Jan 2030 00:00:02 GMT")] // two seconds after the clock's beginning
    public async Task RetryAfter_IsWaitedFor(string after)
    {
        await using Pipeline pipeline = new(retry: RetryTests.On(RetryConditions.ServerError) with { MaxRetryAfter = TimeSpan.FromSeconds(3) });
        (MemoryConnection client, MemoryConnection upstream, _) = await SendAsync(pipeline, "GET");
        await upstream.SendAsync($"HTTP/1.1 503 Busy\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n");
        pipeline.Time.Advance(TimeSpan.FromMilliseconds(1999));
        Assert.Equal("", upstream.ReadAvailable());

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(1));

        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
    }

    [Theory]
    [InlineData(3, true)] // longer than the rule waits: the caller is told
    [InlineData(0, false)] // the rule does not look at it
    public async Task RetryAfter_ThatIsTooLong_GoesToTheCaller(int max, bool isPassed)
    {
        await using Pipeline pipeline = new(retry: RetryTests.On(RetryConditions.ServerError) with { MaxRetryAfter = TimeSpan.FromSeconds(max) });
        (MemoryConnection client, MemoryConnection upstream, _) = await SendAsync(pipeline, "GET");
        await upstream.SendAsync("HTTP/1.1 503 Busy\r\nRetry-After: 4\r\nContent-Length: 0\r\n\r\n");
        if (!isPassed)
        {
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(Ok);
        }

        Assert.Equal(isPassed, (await client.ReadHeadAsync()).Contains("Retry-After: 4\r\n", StringComparison.Ordinal));
    }

    private static async Task<(MemoryConnection Client, MemoryConnection Upstream, string Head)> SendAsync(
        Pipeline pipeline, string method, string fields = "", ListenerSide? side = null)
    {
        MemoryConnection client = await pipeline.SendAsync($"{method} / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n", side);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        return (client, upstream, await upstream.ReadHeadAsync());
    }
}
