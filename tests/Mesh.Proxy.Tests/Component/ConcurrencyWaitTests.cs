using Mesh.Proxy.Breakers;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Calls that wait for a place of a bulkhead, and what it has to do with retries, tunnels, fallbacks, breakers and pushes.</summary>
public sealed class ConcurrencyWaitTests
{
    private const string One = "host: b.test\nconcurrency: {maxConcurrentCalls: 1, maxWaitDuration: 2s, maxQueue: 2}";

    [Fact]
    [EffectOf("ResiliencePolicy", "concurrency.maxQueue")]
    public async Task Wait_IsInTheOrderOfArrival_AndTheLineHasAnEnd()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        MemoryConnection upstream = await OccupyAsync(scene);
        MemoryConnection first = await JoinAsync(scene, "/1", 1);
        MemoryConnection second = await JoinAsync(scene, "/2", 2);

        Answered third = await scene.CallAsync("/3", "b.test");
        Assert.Equal(["concurrency_overflow; rule=default/rp#spec.concurrency.maxQueue; limit=2; now=2; scope=sidecar"], third["x-mesh-reason"]);
        await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
        Assert.StartsWith("GET /1", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal((1, 1), (scene.Cluster("b.test").ConcurrencyActive, scene.Cluster("b.test").ConcurrencyWaiting));
        await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
        Assert.StartsWith("GET /2", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
        await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));

        Assert.Equal((200, 200), ((await scene.ReadAsync(first)).Status, (await scene.ReadAsync(second)).Status));
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").ConcurrencyActive == 0, "all have left");
        Assert.Equal((2, 1), (scene.Cluster("b.test").Stats.Concurrency!.Waited.Value, scene.Cluster("b.test").Stats.Concurrency!.Rejected.Value));
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "concurrency.maxWaitDuration")]
    public async Task MaxWaitDuration_EndsTheWait()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        await OccupyAsync(scene);
        MemoryConnection waiting = await JoinAsync(scene, "/1", 1);

        scene.Time.Advance(TimeSpan.FromSeconds(2));

        Answered answer = await scene.ReadAsync(waiting);
        Assert.Equal((503, "not-sent"), (answer.Status, Assert.Single(answer["x-mesh-outcome"])));
        Assert.Equal(["concurrency_overflow; rule=default/rp#spec.concurrency.maxWaitDuration; limit=2000; now=2000; scope=sidecar"], answer["x-mesh-reason"]);
        Assert.Equal((1, 0), (scene.Cluster("b.test").ConcurrencyActive, scene.Cluster("b.test").ConcurrencyWaiting));
    }

    [Fact]
    public async Task ClientThatLeaves_MakesRoom()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        MemoryConnection upstream = await OccupyAsync(scene);
        MemoryConnection first = await JoinAsync(scene, "/1", 1);
        await JoinAsync(scene, "/2", 2);

        first.Reset();
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").ConcurrencyWaiting == 1, "the first has left");
        await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));

        Assert.StartsWith("GET /2", await upstream.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task RouteTimeout_EndsTheWait()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Resilience(One.Replace("b.test", "a.test", StringComparison.Ordinal)), RuleTexts.Route("timeout: 300ms"));
        await OccupyAsync(scene, "a.test");
        MemoryConnection second = await JoinAsync(scene, "/", 1, "a.test");

        scene.Time.Advance(TimeSpan.FromMilliseconds(300));

        Answered answer = await scene.ReadAsync(second);
        Assert.Equal((504, "not-sent"), (answer.Status, Assert.Single(answer["x-mesh-outcome"])));
        Assert.Equal((0, 0), (scene.Cluster().ConcurrencyWaiting, scene.Cluster().Stats.Concurrency!.Rejected.Value));
    }

    [Fact]
    public async Task Drain_AnswersWhoWaits_AndLetsNobodyWait()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        await OccupyAsync(scene);
        MemoryConnection waiting = await JoinAsync(scene, "/1", 1);

        scene.Drain();

        Assert.Equal(["draining; rule=default/rp#spec.concurrency.maxWaitDuration; scope=sidecar"], (await scene.ReadAsync(waiting))["x-mesh-reason"]);
        Assert.Equal(503, (await scene.CallAsync(host: "b.test")).Status);
    }

    [Fact]
    public async Task Push_KeepsWhatIsCounted_AndARaisedLimitLetsWaitersIn()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience(One));
        await OccupyAsync(scene);
        await JoinAsync(scene, "/1", 1);

        await scene.ApplyAsync(RuleTexts.Services, RuleTexts.Resilience(One.Replace("Calls: 1", "Calls: 2", StringComparison.Ordinal)));
        (_, MemoryConnection second) = await scene.Upstreams.AcceptAsync();
        Assert.StartsWith("GET /1", await second.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Equal((2, 0), (scene.Cluster("b.test").ConcurrencyActive, scene.Cluster("b.test").ConcurrencyWaiting));
        await JoinAsync(scene, "/2", 1);
        await scene.ApplyAsync(RuleTexts.Services); // the rule is gone: whoever waits goes on
        (_, MemoryConnection third) = await scene.Upstreams.AcceptAsync();
        Assert.StartsWith("GET /2", await third.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Retries_KeepTheirPlace()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Resilience("host: a.test\nconcurrency: {maxConcurrentCalls: 1}"), RuleTexts.Route("retries: {attempts: 2, retryOn: 5xx}"));
        scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(scene.Upstreams.Seen.Count < 3 ? 500 : 200, "");

        Answered answer = await scene.SettleAsync(await scene.SendAsync());

        Assert.Equal((200, 3), (answer.Status, scene.Upstreams.Seen.Count));
        Assert.Equal(0, scene.Cluster().Stats.Concurrency!.Rejected.Value);
        await Eventually.HoldsAsync(() => scene.Cluster().ConcurrencyActive == 0, "the one place is free");
    }

    [Fact]
    public async Task Tunnel_HoldsItsPlaceTillItsEnd()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: b.test\nconcurrency: {maxConcurrentCalls: 1}"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = await scene.SendAsync(host: "b.test", headers: "Connection: upgrade\r\nUpgrade: websocket\r\n");
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        await client.ReadHeadAsync();

        Assert.Equal(503, (await scene.CallAsync(host: "b.test")).Status);
        client.Reset();
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").ConcurrencyActive == 0, "the tunnel has left");
    }

    [Fact]
    public async Task Refusals_AreNothingToTheBreaker_NorToTheDetector()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Resilience("host: b.test\nconcurrency: {maxConcurrentCalls: 1}"),
            RuleTexts.Breaker("host: b.test\nslidingWindowSize: 2\nminimumNumberOfCalls: 2"),
            RuleTexts.Policy("outlierDetection: {consecutive5xxErrors: 1}", "b.test"));
        await OccupyAsync(scene);
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(503, (await scene.CallAsync(host: "b.test")).Status);
        }

        Assert.Equal((BreakerState.Closed, 0), (scene.Cluster("b.test").BreakerState, scene.Cluster("b.test").BreakerFigures.Calls));
        Assert.Equal((5, 0), (scene.Cluster("b.test").Stats.Concurrency!.Rejected.Value, scene.Cluster("b.test").Stats.EjectionsEnforcedTotal.Value));
    }

    [Fact]
    public async Task Fallback_ForOverflow_AnswersInItsPlace_AndAnotherHostHasPlacesOfItsOwn()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Resilience("host: b.test\nconcurrency: {maxConcurrentCalls: 1}"),
            RuleTexts.Resilience("host: a.test\nconcurrency: {maxConcurrentCalls: 1, maxWaitDuration: 1s}", "other"),
            RuleTexts.Fallback("host: b.test\ntriggers: [overflow]\ndestination: {host: a.test}\nstatic: {status: 299, body: sorry}"));
        MemoryConnection busy = await OccupyAsync(scene);
        MemoryConnection elsewhere = await scene.SendAsync(host: "b.test");
        (string address, MemoryConnection other) = await scene.Upstreams.AcceptAsync();
        Assert.StartsWith("10.0.0.", address, StringComparison.Ordinal);
        await other.ReadHeadAsync();
        Assert.Equal((1, 1), (scene.Cluster("b.test").ConcurrencyActive, scene.Cluster().ConcurrencyActive));

        Assert.Equal(299, (await scene.CallAsync(host: "b.test")).Status); // both are full, and nobody waits twice
        await other.SendAsync(AnsweringUpstreams.Text(200, ""));
        Assert.Equal(200, (await scene.ReadAsync(elsewhere)).Status);
        await busy.SendAsync(AnsweringUpstreams.Text(200, ""));
        await Eventually.HoldsAsync(() => (scene.Cluster("b.test").ConcurrencyActive, scene.Cluster().ConcurrencyActive) == (0, 0), "both are empty");
    }

    // A call takes the only place, and its upstream does not answer yet.
    private static async Task<MemoryConnection> OccupyAsync(RuleScene scene, string host = "b.test")
    {
        scene.Upstreams.IsManual = true;
        await scene.SendAsync("/0", host);
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        return upstream;
    }

    private static async Task<MemoryConnection> JoinAsync(RuleScene scene, string path, int waiting, string host = "b.test")
    {
        MemoryConnection client = await scene.SendAsync(path, host);
        await Eventually.HoldsAsync(() => scene.Cluster(host).ConcurrencyWaiting == waiting, $"{waiting} wait");
        return client;
    }
}
