using Mesh.Proxy.Telemetry;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Retries with real sockets, clocks and event loops: what memory cannot show, the way back to the loop above all.</summary>
public sealed class RetryOnLoopTests
{
    private const string Oops = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops";

    [Fact]
    public async Task Attempts_WithPauses_SendTheBodyEachTime()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        (RawPeer client, RawPeer server, _) = await proxy.ExchangeAsync(
            "POST / HTTP/1.1\r\nHost: a.test\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 20\r\nContent-Length: 5\r\n\r\nhello");
        for (int attempt = 1; attempt <= 10; attempt++)
        {
            Assert.Equal("hello", await server.ReadAsync(5));
            await server.SendAsync(Oops);
            Assert.Contains($"x-envoy-attempt-count: {attempt + 1}\r\n", await server.ReadHeadAsync(), StringComparison.Ordinal);
        }

        await server.ReadAsync(5);
        server.Dispose(); // not all attempts fail in the same way
        using RawPeer next = await proxy.Upstream.AcceptAsync();
        await next.ReadHeadAsync();
        Assert.Equal("hello", await next.ReadAsync(5));
        await next.SendAsync("HTTP/1.1 204 No Content\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 204 ", await client.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal(11, proxy.Cluster.Stats.RqRetry.Value);
    }

    [Fact]
    public async Task Times_AreOver_AndTheClientGoesOn()
    {
        await using ProxyFixture proxy = await ProxyFixture.StartAsync();
        using RawPeer client = await proxy.ConnectAsync();
        for (int i = 1; i <= 3; i++)
        {
            await client.SendAsync(
                "GET / HTTP/1.1\r\nHost: a.test\r\nx-envoy-upstream-rq-per-try-timeout-ms: 10\r\nx-envoy-retry-on: reset\r\nx-envoy-max-retries: 1\r\n\r\n");
            for (int attempt = 1; attempt <= 2; attempt++)
            {
                using RawPeer server = await proxy.Upstream.AcceptAsync();
                Assert.Contains($"x-envoy-attempt-count: {attempt}\r\n", await server.ReadHeadAsync(), StringComparison.Ordinal);
                await server.ReadToEndAsync(); // the proxy gives it up
            }

            Assert.StartsWith("HTTP/1.1 504 ", await client.ReadUntilAsync("upstream request timeout"), StringComparison.Ordinal);
            Seen seen = await proxy.RecordAsync();
            Assert.Equal((504, ResponseFlag.URX, ResponseFlag.UT), (seen.Status, seen.Flag, seen.Second));
        }

        ClusterStats stats = proxy.Cluster.Stats;
        Assert.Equal((6L, 3L, 0L), (stats.RqPerTryTimeout.Value, stats.RqRetryLimitExceeded.Value, stats.RqTimeout.Value));
    }
}
