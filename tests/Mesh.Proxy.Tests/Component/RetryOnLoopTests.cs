using System.Globalization;
using System.Net.Sockets;
using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Retries with real sockets, clocks and event loops: what memory cannot show, the way back to the loop above all.</summary>
public sealed class RetryOnLoopTests
{
    private const string Oops = "HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops";

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

    [Fact]
    public async Task ManyClients_AndAnUpstreamOfEveryMood_AllGetAnAnswer()
    {
        const int Clients = 12;
        const int Requests = 60;
        ProxyFixture proxy = await ProxyFixture.StartAsync();
        Task serving = ServeAsync(proxy.Upstream);
        await using (proxy)
        {
            int[] cuts = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(() => AskAsync(proxy, Requests))));
            ClusterStats stats = proxy.Cluster.Stats;
            await Eventually.HoldsAsync(() => proxy.Stats.Outbound.RqActive.Value == 0 && stats.RqRetryActive.Value == 0, "all are answered"); // a client may read faster
            int unread = (Clients * Requests) - (int)stats.RqCompleted.Value; // sent while the connection was being cut: the time of the request before was over just after its last byte
            int late = 0; // answers that had begun when their time was over
            for (int i = 0; i < stats.RqCompleted.Value; i++)
            {
                Seen seen = await proxy.RecordAsync();
                late += seen is { Flag: ResponseFlag.UT, Status: not 504 } ? 1 : 0;
            }

            Assert.InRange(cuts.Sum(), unread, late + unread); // nobody is cut off for anything else
            Assert.InRange(unread, 0, Clients * Requests / 20);
            Assert.True(stats.RqRetry.Value > 0 && stats.RqPerTryTimeout.Value > 0);
        }

        await serving; // its connections end with the proxy
    }

    /// <summary>Returns how often the route's time passed just when the answer had begun: then the client is cut off, as it must be.</summary>
    private static async Task<int> AskAsync(ProxyFixture proxy, int requests)
    {
        int cuts = 0;
        RawPeer client = await proxy.ConnectAsync();
        for (int i = 0; i < requests; i++)
        {
            try
            {
                await AskOnceAsync(client);
            }
            catch (Exception cut) when (cut is EndOfStreamException or SocketException)
            {
                cuts++;
                client.Dispose();
                client = await proxy.ConnectAsync();
            }
        }

        client.Dispose();
        return cuts;
    }

    private static async Task AskOnceAsync(RawPeer client)
    {
        await client.SendAsync(
            "POST / HTTP/1.1\r\nHost: a.test\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 2\r\nx-envoy-upstream-rq-timeout-ms: 40\r\n" +
            "x-envoy-upstream-rq-per-try-timeout-ms: 5\r\nContent-Length: 5\r\n\r\nhello");
        string head = await client.ReadHeadAsync();
        Assert.Contains(int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture), (int[])[200, 500, 503, 504]);
        Assert.DoesNotContain("connection: close", head, StringComparison.Ordinal); // no failure of the upstream's is the client's
        string length = head.Split("\r\ncontent-length: ", StringSplitOptions.None)[1].Split('\r')[0];
        await client.ReadAsync(int.Parse(length, CultureInfo.InvariantCulture));
    }

    // In turn: an answer, an error, an end, and nothing at all.
    private static async Task ServeAsync(ScriptedUpstream upstream)
    {
        int turn = 0;
        List<Task> peers = [];
        while (true)
        {
            RawPeer peer;
            try
            {
                peer = await upstream.AcceptAsync();
            }
            catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
            {
                break;
            }

            peers.Add(TalkAsync(peer));
        }

        await Task.WhenAll(peers);

        async Task TalkAsync(RawPeer peer)
        {
            using (peer)
            {
                try
                {
                    while (true)
                    {
                        await peer.ReadUntilAsync("hello");
                        switch (Interlocked.Increment(ref turn) % 5)
                        {
                            case 0:
                                await peer.SendAsync(Oops);
                                break;
                            case 1:
                                return;
                            case 2:
                                await peer.ReadToEndAsync();
                                return;
                            default:
                                await peer.SendAsync("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                                break;
                        }
                    }
                }
                catch (Exception gone) when (gone is EndOfStreamException or SocketException)
                {
                    // The proxy has given the connection up.
                }
            }
        }
    }
}
