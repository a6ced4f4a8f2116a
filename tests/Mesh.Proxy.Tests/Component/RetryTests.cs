using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Retries on the wire: semantics 4, vectors 13 and 15, and what our own rules add. Pauses are 0 unless a test says otherwise.</summary>
public sealed class RetryTests
{
    private const string Get = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    private const string Busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";

    [Fact]
    public async Task ConnectFailure_IsTriedTwiceMore_AndSaysSo()
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.ConnectFailure));
        pipeline.Upstreams.Refuses = "Connection refused";

        MemoryConnection client = await pipeline.SendAsync(Get);

        string head = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 503 ", head, StringComparison.Ordinal);
        Assert.Contains("x-mesh-outcome: not-sent\r\n", head, StringComparison.Ordinal);
        Assert.Contains(
            "retried and the latest reset reason: remote connection failure", await client.ReadUntilAsync("refused"), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.URX, ResponseFlag.UF, 3), (record.Flag, record.SecondFlag, record.Attempts));
        Assert.Equal(RetryConditions.ConnectFailure, record.RetriedOn);
        ClusterStats stats = pipeline.Cluster.Stats;
        Assert.Equal((2L, 1L, 0L, 3L), (stats.RqRetry.Value, stats.RqRetryLimitExceeded.Value, stats.RqRetrySuccess.Value, stats.CxConnectFail.Value));
        Assert.Equal(2, stats.RetriesOn[RetryConditions.ConnectFailure]);
    }

    [Fact]
    public async Task ResetAfterTheHead_IsNoConnectFailure()
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.ConnectFailure | RetryConditions.ResetBeforeRequest));
        (MemoryConnection client, MemoryConnection upstream, _) = await ExchangeAsync(pipeline, Get);

        upstream.Reset();

        Assert.StartsWith("HTTP/1.1 503 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((ResponseFlag.UC, ResponseFlag.None, 1), (record.Flag, record.SecondFlag, record.Attempts));
        Assert.Equal(0, pipeline.Cluster.Stats.RqRetry.Value);
    }

    [Fact]
    public async Task Answer_ThatIsRetried_IsDrained_AndItsConnectionServesTheNextAttempt()
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.GatewayError));
        (MemoryConnection client, MemoryConnection upstream, string head) = await ExchangeAsync(pipeline, Get);
        Assert.Contains("x-envoy-attempt-count: 1\r\n", head, StringComparison.Ordinal);

        await upstream.SendAsync(Busy);
        Assert.Contains("x-envoy-attempt-count: 2\r\n", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
        await upstream.SendAsync("HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n");
        Assert.Contains("x-envoy-attempt-count: 3\r\n", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
        await upstream.SendAsync(Ok);

        Assert.StartsWith("HTTP/1.1 200 ", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.None, 3), (record.Code, record.Flag, record.Attempts));
        ClusterStats stats = pipeline.Cluster.Stats;
        Assert.Equal((1, 2L, 1L), (pipeline.Upstreams.Made, stats.RqRetry.Value, stats.RqRetrySuccess.Value));
        Assert.Equal((1L, 1L, 0L, 1L), (stats.RetryRqByCode[503], stats.RetryRqByCode[502], stats.RqByCode[503], stats.RqByCode[200]));
        Assert.Equal(2, pipeline.Cluster.Endpoints[0].RqError.Value);
    }

    [Fact]
    public async Task Answer_ThatIsNotAllHere_CostsItsConnection()
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.ServerError));
        (MemoryConnection client, MemoryConnection first, _) = await ExchangeAsync(pipeline, Get);

        await first.SendAsync("HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\nnot");

        MemoryConnection second = await pipeline.Upstreams.AcceptAsync();
        Assert.Contains("x-envoy-attempt-count: 2\r\n", await second.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.True(first.IsDisposed);
        await second.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
    }

    [Fact]
    public async Task LastAnswer_GoesToTheClient_WithItsFlag()
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.ServerError, attempts: 1));
        (MemoryConnection client, MemoryConnection upstream, _) = await ExchangeAsync(pipeline, Get);
        await upstream.SendAsync(Busy);
        await upstream.ReadHeadAsync();

        await upstream.SendAsync(Busy);

        Assert.StartsWith("HTTP/1.1 503 Service Unavailable\r\n", await client.ReadUntilAsync("busy"), StringComparison.Ordinal);
        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((503, ResponseFlag.URX, ResponseFlag.None, "via_upstream"), (record.Code, record.Flag, record.SecondFlag, record.Details));
        Assert.Equal((1L, 0L), (pipeline.Cluster.Stats.RqRetryLimitExceeded.Value, pipeline.Cluster.Stats.RqRetrySuccess.Value));
    }

    [Fact]
    public async Task Retry_GoesToAnEndpointThatWasNotTried()
    {
        ScriptedRandom rehearsal = new();
        await using (Pipeline once = new(AtRandom, endpoints: 2, random: rehearsal))
        {
            await ExchangeAsync(once, Get);
        }

        int[] firstAttemptAndPause = new int[rehearsal.Draws + 1];
        await using Pipeline pipeline = new(
            AtRandom, endpoints: 2, retry: On(RetryConditions.Reset, attempts: 1), random: new ScriptedRandom([.. firstAttemptAndPause, 0, 0, 1]));
        (MemoryConnection client, MemoryConnection first, _) = await ExchangeAsync(pipeline, Get);

        first.End();

        MemoryConnection second = await pipeline.Upstreams.AcceptAsync();
        await second.ReadHeadAsync();
        await second.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Assert.All(pipeline.Cluster.Endpoints, static e => Assert.Equal(1, e.RqTotal.Value));

        static ClusterConfig AtRandom(ClusterConfig config) => config with { LoadBalancer = LoadBalancerPolicy.Random };
    }

    [Theory]
    [InlineData("Content-Length: 10\r\n\r\nhello", "world", "helloworld")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n7\r\nhello", "wo\r\n3\r\nrld\r\n0\r\n\r\n", "7\r\nhellowo\r\n3\r\nrld\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nkey: v\r\n\r\n", "", "5\r\nhello\r\n0\r\nkey: v\r\n\r\n")]
    public async Task Body_IsSentAgain_AndWhatIsMissingFollows(string before, string after, string whole)
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.Reset));
        (MemoryConnection client, MemoryConnection first, _) = await ExchangeAsync(pipeline, "POST / HTTP/1.1\r\nHost: a.test\r\n" + before);
        await first.ReadUntilAsync("hello");

        first.End();

        MemoryConnection second = await pipeline.Upstreams.AcceptAsync();
        await second.ReadHeadAsync();
        await client.SendAsync(after);
        Assert.Equal(whole, await second.ReadAsync(whole.Length));
        await second.SendAsync(Ok);
        Assert.StartsWith("HTTP/1.1 200 ", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
        Assert.DoesNotContain("close", await NextOkAsync(client, second), StringComparison.Ordinal); // the client's connection goes on
    }

    [Fact]
    public async Task Body_IsKeptAcrossSeveralAttempts()
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.Reset));
        (MemoryConnection client, MemoryConnection upstream, _) = await ExchangeAsync(pipeline, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n");
        foreach (string piece in (string[])["he", "ll"])
        {
            await client.SendAsync(piece);
            await upstream.ReadUntilAsync(piece);
            upstream.Reset();
            upstream = await pipeline.Upstreams.AcceptAsync();
            await upstream.ReadHeadAsync();
        }

        await client.SendAsync("o");

        Assert.Equal("hello", await upstream.ReadAsync(5));
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Assert.Equal(5, (await pipeline.Sink.NextAsync()).BytesReceived);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Body_ThatIsTooLong_IsSentOnce(bool isChunked)
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.Reset));
        string piece = new('x', 64 * 1024);
        string framing = isChunked ? "Transfer-Encoding: chunked\r\n\r\n110000\r\n" : $"Content-Length: {17 * 64 * 1024}\r\n\r\n";
        (MemoryConnection client, MemoryConnection upstream, _) = await ExchangeAsync(pipeline, "POST / HTTP/1.1\r\nHost: a.test\r\n" + framing);
        for (int i = 0; i < 17; i++) // one more than 1 MiB
        {
            await client.SendAsync(piece);
        }

        await upstream.ReadAsync(17 * 64 * 1024);
        Assert.Equal(0, pipeline.Context.RetryMemory.Used); // given up at once, not at the end
        await client.SendAsync(isChunked ? "\r\n0\r\n\r\n" : "");
        upstream.End();

        Assert.StartsWith("HTTP/1.1 503 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(ResponseFlag.UC, (await pipeline.Sink.NextAsync()).Flag);
        Assert.Equal((0L, 1L), (pipeline.Cluster.Stats.RqRetry.Value, pipeline.Cluster.Stats.RetryOrShadowAbandoned.Value));
    }

    [Fact]
    public async Task Body_OfARequestWithoutRetries_IsNotKept()
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.ConnectFailure));
        (MemoryConnection client, MemoryConnection upstream, _) = await ExchangeAsync(pipeline, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhel");
        await upstream.ReadUntilAsync("hel");
        Assert.Equal(0, pipeline.Context.RetryMemory.Used); // no condition of the policy could ever send it again
        await client.SendAsync("lo");
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Limit_OfRetries_LetsTheAnswerThrough(bool byBudget)
    {
        await using Pipeline pipeline = new(
            c => byBudget ? c with { RetryBudget = new RetryBudgetConfig(0, 0) } : c with { Limits = new CircuitBreakerConfig(MaxRetries: 0) },
            retry: On(RetryConditions.ServerError));
        (MemoryConnection client, MemoryConnection upstream, _) = await ExchangeAsync(pipeline, Get);

        await upstream.SendAsync(Busy);

        string answer = await client.ReadUntilAsync("busy");
        Assert.DoesNotContain("x-envoy-overloaded", answer, StringComparison.Ordinal);
        Assert.Equal(ResponseFlag.UO, (await pipeline.Sink.NextAsync()).Flag);
        Assert.Equal((0L, 1L), (pipeline.Cluster.Stats.RqRetry.Value, pipeline.Cluster.Stats.RqRetryOverflow.Value));
    }

    [Fact]
    public async Task Retry_CountsAgainstMaxRetries_WhileItWaits()
    {
        await using Pipeline pipeline = new(
            static c => c with { Limits = new CircuitBreakerConfig(MaxRetries: 1) }, retry: After20Ms);
        (_, MemoryConnection first, _) = await ExchangeAsync(pipeline, Get);
        await first.SendAsync(Busy);
        Assert.Equal(1, pipeline.Cluster.Stats.RqRetryActive.Value);

        MemoryConnection client = await pipeline.SendAsync(Get); // takes the connection that the waiting one has given back
        await first.ReadHeadAsync();
        await first.SendAsync(Busy);

        Assert.StartsWith("HTTP/1.1 503 ", await client.ReadUntilAsync("busy"), StringComparison.Ordinal);
        Assert.Equal(1, pipeline.Cluster.Stats.RqRetryOverflow.Value);
    }

    [Fact]
    public async Task Overflow_IsNeverRetried()
    {
        await using Pipeline pipeline = new(static c => c with { Limits = new CircuitBreakerConfig(MaxRequests: 0) }, retry: On((RetryConditions)0x7fff));

        MemoryConnection client = await pipeline.SendAsync(Get);

        Assert.Contains("x-envoy-overloaded: true\r\n", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal((ResponseFlag.UO, 1), (await pipeline.Sink.NextAsync()) is var r ? (r.Flag, r.Attempts) : default);
    }

    [Fact]
    public async Task Pause_EndsWithItsClient()
    {
        await using Pipeline pipeline = new(retry: After20Ms);
        (MemoryConnection client, MemoryConnection upstream, _) = await ExchangeAsync(pipeline, Get);
        await upstream.SendAsync(Busy);
        Assert.Equal("", upstream.ReadAvailable());

        client.End();

        Finished record = await pipeline.Sink.NextAsync();
        Assert.Equal((0, ResponseFlag.DC, 1), (record.Code, record.Flag, record.Attempts));
        pipeline.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("", upstream.ReadAvailable());
    }

    [Fact]
    public async Task Pause_IsOver_NotAMillisecondEarlier()
    {
        await using Pipeline pipeline = new(retry: After20Ms);
        (MemoryConnection client, MemoryConnection upstream, _) = await ExchangeAsync(pipeline, Get);
        await upstream.SendAsync(Busy);
        pipeline.Time.Advance(TimeSpan.FromMilliseconds(19));
        Assert.Equal("", upstream.ReadAvailable());

        pipeline.Time.Advance(TimeSpan.FromMilliseconds(1));

        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
    }

    [Fact]
    public async Task StaleConnection_IsReplayedFirst_AndCostsNoRetry()
    {
        await using Pipeline pipeline = new(retry: On(RetryConditions.Reset, attempts: 1));
        (MemoryConnection client, MemoryConnection stale, _) = await ExchangeAsync(pipeline, Get);
        await stale.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        await client.SendAsync(Get);
        await stale.ReadHeadAsync();

        stale.End();

        MemoryConnection second = await pipeline.Upstreams.AcceptAsync();
        await second.ReadHeadAsync();
        Assert.Equal((1L, 0L), (pipeline.Cluster.Stats.RqReplayed.Value, pipeline.Cluster.Stats.RqRetry.Value));
        second.End();
        MemoryConnection third = await pipeline.Upstreams.AcceptAsync();
        Assert.Contains("x-envoy-attempt-count: 3\r\n", await third.ReadHeadAsync(), StringComparison.Ordinal);
        await third.SendAsync(Ok);
        await client.ReadUntilAsync("ok");
        Assert.Equal(1, pipeline.Cluster.Stats.RqRetry.Value);
    }

    private static RetryConfig After20Ms =>
        On(RetryConditions.ServerError) with { Backoff = new BackoffConfig { Jitter = BackoffJitter.None, Base = TimeSpan.FromMilliseconds(20) } };

    internal static RetryConfig On(RetryConditions conditions, int attempts = 2) => new() { Conditions = conditions, Attempts = attempts };

    internal static async Task<(MemoryConnection Client, MemoryConnection Upstream, string Head)> ExchangeAsync(Pipeline pipeline, string request)
    {
        MemoryConnection client = await pipeline.SendAsync(request);
        MemoryConnection upstream = await pipeline.Upstreams.AcceptAsync();
        return (client, upstream, await upstream.ReadHeadAsync());
    }

    private static async Task<string> NextOkAsync(MemoryConnection client, MemoryConnection upstream)
    {
        await client.SendAsync(Get);
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(Ok);
        return await client.ReadUntilAsync("ok");
    }
}
