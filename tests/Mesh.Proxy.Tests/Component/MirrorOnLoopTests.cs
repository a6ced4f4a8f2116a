using System.Collections.Immutable;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Copies with real sockets, clocks and event loops, for a mirror of every mood: no caller notices, and nothing is left behind.</summary>
public sealed class MirrorOnLoopTests
{
    private const string Copies = "outbound|80||copies.test";
    private const int BodyBytes = 300_000; // more than a socket takes at once

    [Fact]
    public async Task ManyClients_AndAMirrorOfEveryMood_NobodyNotices()
    {
        const int Clients = 8;
        const int Requests = 25;
        using ScriptedUpstream mirror = new();
        ProxyFixture proxy = await StartAsync(mirror.Address);
        Task primary = ServeAsync(proxy.Upstream, static (peer, _) => AnswerAsync(peer));
        Task moody = ServeAsync(mirror, MoodAsync);
        await using (proxy)
        {
            await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(() => AskAsync(proxy, Requests))));

            Assert.Equal(Clients * Requests, proxy.Cluster.Stats.RqByCode[200]);
            Cluster copies = proxy.Host.Clusters.Find(Copies)!;
            await Eventually.HoldsAsync(
                () => copies.Stats.RqCompleted.Value == Clients * Requests && copies.Stats.RqActive.Value == 0, "every copy has come to an end");
            Assert.True(copies.Stats.RqByCode[200] > 0 && copies.Stats.RqByCode[503] > 0 && copies.Stats.RqByCode[504] > 0 && copies.Stats.RqByCode[502] > 0);
            Assert.Equal(0, copies.Stats.RqShadowDropped.Value); // so the bytes of each were given back
        }

        mirror.Dispose();
        await Task.WhenAll(primary, moody);
    }

    private static async Task<ProxyFixture> StartAsync(string mirror)
    {
        ProxyFixture proxy = await ProxyFixture.StartAsync();
        ClusterConfig copies = ProxyFixture.Config with { Name = Copies };
        HttpRouteConfig route = new()
        {
            Name = "r",
            Clusters = [new WeightedClusterConfig(ProxyFixture.Name)],
            Mirrors = [new MirrorConfig(Copies)],
            Timeout = TimeSpan.FromSeconds(5),
        };
        ApplyResult result = await proxy.Host.Applier.ApplyAsync(ProxySnapshot.Empty with
        {
            Version = "mirrored",
            Clusters = ImmutableDictionary<string, ClusterConfig>.Empty.Add(ProxyFixture.Name, ProxyFixture.Config).Add(Copies, copies),
            Endpoints = ImmutableDictionary<string, ImmutableArray<EndpointConfig>>.Empty
                .Add(ProxyFixture.Name, [new EndpointConfig(proxy.Upstream.Address)]).Add(Copies, [new EndpointConfig(mirror)]),
            Routes = new RouteConfig([new VirtualHostConfig("a.test:80", 80, ["a.test"], ProxyFixture.Name) { Routes = [route] }]),
        });
        Assert.True(result.IsAccepted);
        return proxy;
    }

    private static async Task AskAsync(ProxyFixture proxy, int requests)
    {
        using RawPeer client = await proxy.ConnectAsync();
        string body = new('b', BodyBytes);
        for (int i = 0; i < requests; i++)
        {
            await client.SendAsync($"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {BodyBytes}\r\n\r\n{body}");
            Assert.StartsWith("HTTP/1.1 200 ", await client.ReadUntilAsync("\r\n\r\nok"), StringComparison.Ordinal);
        }
    }

    private static async Task ServeAsync(ScriptedUpstream upstream, Func<RawPeer, int, Task<bool>> answer)
    {
        List<Task> serving = [];
        try
        {
            for (int i = 0; ; i++)
            {
                serving.Add(KeepAsync(await upstream.AcceptAsync(), i, answer));
            }
        }
        catch (Exception end) when (end is ObjectDisposedException or System.Net.Sockets.SocketException or TimeoutException)
        {
            await Task.WhenAll(serving);
        }
    }

    private static async Task KeepAsync(RawPeer peer, int number, Func<RawPeer, int, Task<bool>> answer)
    {
        using (peer)
        {
            try
            {
                while (await answer(peer, number++))
                {
                }
            }
            catch (Exception end) when (end is EndOfStreamException or System.Net.Sockets.SocketException)
            {
                // the proxy has ended the connection
            }
        }
    }

    private static async Task<bool> AnswerAsync(RawPeer peer)
    {
        await peer.ReadHeadAsync();
        await peer.ReadAsync(BodyBytes);
        await peer.SendAsync("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        return true;
    }

    private static async Task<bool> MoodAsync(RawPeer peer, int number)
    {
        switch (number % 8)
        {
            case 0:
                await peer.ReadToEndAsync(); // never answers
                return false;
            case 1:
                await peer.ReadHeadAsync();
                peer.Reset(); // in the middle of the body
                return false;
            case 2:
                await peer.ReadHeadAsync();
                await peer.ReadAsync(BodyBytes);
                await peer.SendAsync("what?\r\n\r\n");
                return false;
            default:
                return await AnswerAsync(peer);
        }
    }
}
