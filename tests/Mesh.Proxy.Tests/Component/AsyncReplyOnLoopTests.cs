using System.Collections.Concurrent;
using System.Globalization;
using Mesh.Proxy.AsyncReplies;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Late answers with real sockets, clocks and event loops: callers on many connections, who come back on others.</summary>
public sealed class AsyncReplyOnLoopTests
{
    private const int BodyBytes = 200_000; // more than the connection in memory takes at once
    private const string Prefer = "Prefer: respond-async\r\n";

    [Fact]
    public async Task ManyCallers_OfSlowAndQuickCalls_EachFindsItsOwnAnswer()
    {
        const int Callers = 8;
        const int Rounds = 4;
        ProxyFixture proxy = await ProxyFixture.StartAsync(ProxyFixture.Config with { AsyncReply = new AsyncReplyConfig { After = TimeSpan.FromMilliseconds(20), MaxKept = 1000 } });
        ConcurrentDictionary<string, TaskCompletionSource> told = new(); // a slow upstream answers when the call's own caller has been sent away
        Task serving = ServeAsync(proxy.Upstream, told);
        await using (proxy)
        {
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => Task.Run(() => CallAsync(proxy, i, Rounds, told))));

            AsyncReplyStore kept = proxy.Host.Clusters.AsyncReplies;
            Assert.Equal(Callers * Rounds, kept.Count);
            long expected = Callers * Rounds * (long)BodyBytes;
            await Eventually.HoldsAsync(() => kept.Bytes == expected, $"{expected} bytes, not {kept.Bytes}"); // what was promised beyond them, and the requests' bodies, are given back
            Assert.Equal((Callers * (long)Rounds, 0L), (proxy.Cluster.Stats.AsyncReply!.Accepted.Value, proxy.Cluster.Stats.AsyncReply.Lost.Value));
            Assert.Equal(2L * Callers * Rounds, proxy.Cluster.Stats.RqByCode[200]);
        }

        await serving;
    }

    private static async Task CallAsync(ProxyFixture proxy, int caller, int rounds, ConcurrentDictionary<string, TaskCompletionSource> told)
    {
        using RawPeer client = await proxy.ConnectAsync();
        for (int round = 0; round < rounds; round++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"{caller}-{round}");
            await client.SendAsync($"GET /quick/{name} HTTP/1.1\r\nHost: a.test\r\n\r\n");
            Assert.Equal(Body($"/quick/{name}"), await ReadBodyAsync(client));

            await client.SendAsync($"POST /slow/{name} HTTP/1.1\r\nHost: a.test\r\n{Prefer}Content-Length: 4\r\n\r\nbody");
            string accepted = await client.ReadHeadAsync();
            Assert.StartsWith("HTTP/1.1 202 ", accepted, StringComparison.Ordinal);
            string location = Assert.Single(UpstreamRequest.Values(accepted, "location"));
            using RawPeer watcher = await proxy.ConnectAsync();
            await watcher.SendAsync($"GET {location} HTTP/1.1\r\nHost: a.test\r\nAccept: text/event-stream\r\n\r\n");
            await watcher.ReadHeadAsync();
            Told(told, $"/slow/{name}").SetResult();
            Assert.Contains("\"status\":200", await watcher.ReadUntilAsync("}\n\n"), StringComparison.Ordinal);

            await client.SendAsync($"GET {location} HTTP/1.1\r\nHost: a.test\r\n\r\n");
            Assert.Equal(Body($"/slow/{name}"), await ReadBodyAsync(client));
        }
    }

    private static async Task<string> ReadBodyAsync(RawPeer client)
    {
        string head = await client.ReadHeadAsync();
        Assert.StartsWith("HTTP/1.1 200 ", head, StringComparison.Ordinal);
        return await client.ReadAsync(AnsweringUpstreams.LengthOf(head));
    }

    private static TaskCompletionSource Told(ConcurrentDictionary<string, TaskCompletionSource> told, string path) =>
        told.GetOrAdd(path, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

    private static string Body(string path) => path.PadRight(BodyBytes, '.');

    private static async Task ServeAsync(ScriptedUpstream upstream, ConcurrentDictionary<string, TaskCompletionSource> told)
    {
        List<Task> serving = [];
        try
        {
            while (true)
            {
                serving.Add(KeepAsync(await upstream.AcceptAsync(), told));
            }
        }
        catch (Exception end) when (end is ObjectDisposedException or System.Net.Sockets.SocketException or TimeoutException)
        {
            await Task.WhenAll(serving);
        }
    }

    private static async Task KeepAsync(RawPeer peer, ConcurrentDictionary<string, TaskCompletionSource> told)
    {
        using (peer)
        {
            try
            {
                while (true)
                {
                    string head = await peer.ReadHeadAsync();
                    string path = head.Split(' ')[1];
                    if (path.StartsWith("/slow/", StringComparison.Ordinal))
                    {
                        await peer.ReadAsync(4);
                        await Told(told, path).Task.WaitAsync(RawPeer.Patience);
                    }

                    await peer.SendAsync(AnsweringUpstreams.Text(200, Body(path)));
                }
            }
            catch (Exception end) when (end is EndOfStreamException or System.Net.Sockets.SocketException)
            {
                // the proxy has ended the connection
            }
        }
    }
}
