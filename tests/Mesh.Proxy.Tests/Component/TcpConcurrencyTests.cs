using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>The bulkhead of connections that carry bytes: each is one call from its beginning to its end.</summary>
public sealed class TcpConcurrencyTests
{
    private const int Port = 6379;
    private const string One = "host: cache.test\nconcurrency: {maxConcurrentCalls: 1, maxWaitDuration: 2s, maxQueue: 2}";

    [Theory]
    [EffectOf("ResiliencePolicy", "concurrency.maxConcurrentCalls")]
    [InlineData("concurrency: {maxConcurrentCalls: 2}", 2)]
    [InlineData("concurrency: {}", 25)]
    [InlineData("concurrency: {maxConcurrentCalls: 2, adaptive: {minConcurrency: 4}}", 2)] // no answers, nothing to learn
    [EffectOf("ResiliencePolicy", "mode")]
    [InlineData("concurrency: {maxConcurrentCalls: 2}\nmode: shadow", 30)]
    [InlineData("concurrency: {maxConcurrentCalls: 2}\nport: 6380", 30)]
    public async Task ThirtyConnections_SomePass_TheRestIsClosed(string fields, int passing)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience($"host: cache.test\n{fields}"));
        scene.Upstreams.IsManual = true;
        List<MemoryConnection> clients = [];
        for (int i = 0; i < 30; i++)
        {
            clients.Add(scene.ConnectTcp(Port));
        }

        await Eventually.HoldsAsync(() => clients.Count(static c => c.IsDisposed) == 30 - passing, $"{passing} stay");
        Assert.Equal(passing, scene.Upstreams.Dials.Count);
        Assert.All(clients.Take(passing), static c => Assert.False(c.IsDisposed));
    }

    [Fact]
    public async Task Refusal_SaysWhy_AndThePlaceIsFreeAgainWhenBothSidesHaveEnded()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: cache.test\nconcurrency: {maxConcurrentCalls: 1}"));
        (MemoryConnection client, MemoryConnection upstream) = await OccupyAsync(scene);

        MemoryConnection refused = scene.ConnectTcp(Port);

        Assert.Equal("", await refused.ReadToEndAsync());
        Finished record = await scene.Sink.NextAsync();
        Assert.Equal((ResponseFlag.UO, "reached_concurrency_limit", true, "outbound|6379||cache.test"), (record.Flag, record.Details, record.IsTcp, record.Cluster));
        DecisionRecord why = new(DecisionReason.ConcurrencyOverflow, "default/rp#spec", "concurrency.maxConcurrentCalls", 1, 1);
        Assert.Equal(why, record.Decision);
        Assert.Equal(why, Assert.Single(scene.Clusters.Decisions.Read()).Decision);
        ClusterStats stats = scene.Cluster("cache.test", Port).Stats;
        Assert.Equal((1, 1, 1, 1), (stats.Concurrency!.Rejected.Value, scene.Cluster("cache.test", Port).ConcurrencyActive, scene.Sink.TcpOpened, scene.Upstreams.Dials.Count));

        client.End();
        Assert.Equal(1, scene.Cluster("cache.test", Port).ConcurrencyActive); // the other direction goes on
        upstream.End();
        await Eventually.HoldsAsync(() => scene.Cluster("cache.test", Port).ConcurrencyActive == 0, "the place is free");
        await OccupyAsync(scene);
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "concurrency.maxQueue")]
    public async Task Wait_IsInTheOrderOfArrival_AndTheLineHasAnEnd()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        (MemoryConnection client, _) = await OccupyAsync(scene);
        MemoryConnection first = await JoinAsync(scene, "1", 1);
        await JoinAsync(scene, "2", 2);

        Assert.Equal("", await scene.ConnectTcp(Port).ReadToEndAsync());
        Assert.Equal("concurrency.maxQueue", (await scene.Sink.NextAsync()).Decision.Field);
        client.Reset();
        (_, MemoryConnection served) = await scene.Upstreams.AcceptAsync();
        Assert.Equal("1", await served.ReadAsync(1));
        Assert.Equal((1, 1), (scene.Cluster("cache.test", Port).ConcurrencyActive, scene.Cluster("cache.test", Port).ConcurrencyWaiting));
        await scene.Sink.NextAsync(); // the one that was reset
        first.Reset();
        (_, served) = await scene.Upstreams.AcceptAsync();
        Assert.Equal("2", await served.ReadAsync(1));

        Finished waited = await scene.Sink.NextAsync();
        Assert.Equal((false, "concurrency.maxConcurrentCalls"), (waited.Decision.IsSet, waited.Waited.Field)); // no refusal
        Assert.Equal((2, 1), (scene.Cluster("cache.test", Port).Stats.Concurrency!.Waited.Value, scene.Cluster("cache.test", Port).Stats.Concurrency!.Rejected.Value));
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "concurrency.maxWaitDuration")]
    public async Task MaxWaitDuration_EndsTheWait()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        await OccupyAsync(scene);
        MemoryConnection waiting = await JoinAsync(scene, "1", 1);

        scene.Time.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal("", await waiting.ReadToEndAsync());
        Finished record = await scene.Sink.NextAsync();
        Assert.Equal((ResponseFlag.UO, new DecisionRecord(DecisionReason.ConcurrencyOverflow, "default/rp#spec", "concurrency.maxWaitDuration", 2000, 2000)), (record.Flag, record.Decision));
        Assert.Equal((1, 0), (scene.Cluster("cache.test", Port).ConcurrencyActive, scene.Cluster("cache.test", Port).ConcurrencyWaiting));
    }

    [Fact]
    public async Task ClientThatEndsInTheLine_LeavesIt_UnlessItHasSentSomething()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        (MemoryConnection client, _) = await OccupyAsync(scene);
        MemoryConnection silent = await JoinAsync(scene, "", 1);
        MemoryConnection asks = await JoinAsync(scene, "get x", 2);

        silent.End();
        asks.End(); // its side alone, perhaps: it has asked for something
        await Eventually.HoldsAsync(() => scene.Cluster("cache.test", Port).ConcurrencyWaiting == 1, "the silent one has left");
        Assert.Equal((ResponseFlag.DC, false), ((await scene.Sink.NextAsync()) is { } left ? (left.Flag, left.Decision.IsSet) : default));
        client.Reset();

        (_, MemoryConnection served) = await scene.Upstreams.AcceptAsync();
        Assert.Equal("get x", await served.ReadAsync(5));
        await served.SendAsync("y");
        Assert.Equal("y", await asks.ReadAsync(1));
        served.End();
        Assert.Equal(0, scene.Cluster("cache.test", Port).Stats.Concurrency!.Rejected.Value);
    }

    [Fact]
    public async Task ClientThatIsReset_LeavesTheLine()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        await OccupyAsync(scene);
        MemoryConnection asks = await JoinAsync(scene, "get x", 1);

        asks.Reset();

        await Eventually.HoldsAsync(() => scene.Cluster("cache.test", Port).ConcurrencyWaiting == 0, "it has left");
    }

    [Fact]
    public async Task Drain_ClosesWhoWaits_AndLeavesWhoHasAPlace()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        (MemoryConnection client, MemoryConnection upstream) = await OccupyAsync(scene);
        MemoryConnection waiting = await JoinAsync(scene, "1", 1);

        scene.Drain();

        Assert.Equal("", await waiting.ReadToEndAsync());
        Assert.Equal(DecisionReason.Draining, (await scene.Sink.NextAsync()).Decision.Reason);
        Assert.Equal("", await scene.ConnectTcp(Port).ReadToEndAsync()); // nobody waits any more
        await client.SendAsync("still here");
        Assert.Equal("still here", await upstream.ReadAsync(10));
    }

    [Fact]
    public async Task Push_ThatTakesTheRuleAway_LetsThemIn()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        await OccupyAsync(scene);
        await JoinAsync(scene, "1", 1);

        await scene.ApplyAsync(RuleTexts.Services);

        Assert.Equal("1", await (await scene.Upstreams.AcceptAsync()).Connection.ReadAsync(1));
    }

    [Fact]
    public async Task ShadowMode_CountsWhatItWouldRefuse_AndClosesNobody()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: cache.test\nmode: shadow\nconcurrency: {maxConcurrentCalls: 1, maxWaitDuration: 1s}"));
        await OccupyAsync(scene);
        (MemoryConnection second, _) = await OccupyAsync(scene);
        second.Reset();

        ConcurrencyStats stats = scene.Cluster("cache.test", Port).Stats.Concurrency!;
        Assert.Equal((1, 0, 0), (stats.ShadowRejected.Value, stats.Rejected.Value, stats.Waited.Value));
        Finished record = await scene.Sink.NextAsync();
        Assert.Equal((false, DecisionReason.ConcurrencyOverflow), (record.Decision.IsSet, record.Shadow.Reason));
    }

    /// <summary>In front of the application TLS and HTTP/2 pass as bytes on a port of HTTP too: they hold no places of its calls.</summary>
    [Theory]
    [EffectOf("ResiliencePolicy", "side")]
    [InlineData(8080, false)]
    [InlineData(3306, true)] // of a protocol whose servers speak first
    public async Task CalleeSide_CountsConnectionsOfBytes_WhereThePortIsOfTcp(int port, bool isCounted)
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            RuleTexts.Caller with { ServicePort = port, AppAddress = $"127.0.0.1:{port}" }, null, RuleTexts.Resilience("host: caller\nside: callee\nconcurrency: {maxConcurrentCalls: 1}"));
        scene.Upstreams.IsManual = true;
        MemoryConnection first = scene.ConnectInbound();
        await first.SendAsync("\u0016\u0003\u0001");
        await (await scene.Upstreams.AcceptAsync()).Connection.ReadAsync(3);

        MemoryConnection second = scene.ConnectInbound();
        await second.SendAsync("\u0016\u0003\u0001");
        if (isCounted)
        {
            Assert.Equal("", await second.ReadToEndAsync());
            return;
        }

        await (await scene.Upstreams.AcceptAsync()).Connection.ReadAsync(3);
        MemoryConnection third = scene.ConnectInbound();
        await third.SendAsync("GET / HTTP/1.1\r\nHost: caller\r\n\r\n");
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "x"));
        Assert.Equal(200, (await scene.ReadAsync(third)).Status);
    }

    [Fact]
    public async Task Tunnel_ToAPortOfTcp_TakesAPlaceToo()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: cache.test\nconcurrency: {maxConcurrentCalls: 1}"));
        (MemoryConnection client, _) = await OccupyAsync(scene);

        MemoryConnection refused = await scene.SendAsync("cache.test:6379", "cache.test:6379", method: "CONNECT");
        Assert.Equal(503, (await scene.ReadAsync(refused)).Status);
        client.Reset();
        await Eventually.HoldsAsync(() => scene.Cluster("cache.test", Port).ConcurrencyActive == 0, "the place is free");

        MemoryConnection tunnel = await scene.SendAsync("cache.test:6379", "cache.test:6379", method: "CONNECT");
        Assert.StartsWith("HTTP/1.1 200 ", await tunnel.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal("", await scene.ConnectTcp(Port).ReadToEndAsync());
    }

    // A connection takes a place, and is relayed.
    private static async Task<(MemoryConnection Client, MemoryConnection Upstream)> OccupyAsync(RuleScene scene)
    {
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.ConnectTcp(Port);
        await client.SendAsync("0");
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadAsync(1);
        return (client, upstream);
    }

    private static async Task<MemoryConnection> JoinAsync(RuleScene scene, string bytes, int waiting)
    {
        MemoryConnection client = scene.ConnectTcp(Port);
        if (bytes.Length > 0)
        {
            await client.SendAsync(bytes);
        }

        await Eventually.HoldsAsync(() => scene.Cluster("cache.test", Port).ConcurrencyWaiting == waiting, $"{waiting} wait");
        return client;
    }
}
