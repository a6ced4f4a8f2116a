using Mesh.Proxy.Breakers;
using Mesh.Testing;
using Xunit;
using static Mesh.Proxy.Tests.Component.BreakerCalls;

namespace Mesh.Proxy.Tests.Component;

/// <summary>A circuit breaker among queues, tunnels, retries, mirrors and uploads.</summary>
public sealed class BreakerInThePathTests
{
    [Fact]
    public async Task UpstreamThatNeverAccepts_OpensItByTheTimeOfTheRoute()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker("host: a.test\nslidingWindowSize: 2\nminimumNumberOfCalls: 2"), RuleTexts.Route("timeout: 1s"));
        scene.Upstreams.Hangs = true;
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(504, (await scene.SettleAsync(await scene.SendAsync())).Status);
        }

        Assert.Equal(BreakerState.Open, scene.Cluster().BreakerState);
    }

    [Fact]
    public async Task UpstreamThatSaysNothing_OpensItByTheStreamIdleTimeout()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker("host: b.test\nslidingWindowSize: 1\nminimumNumberOfCalls: 1"));
        scene.Upstreams.Answer = static _ => null;
        MemoryConnection client = await scene.SendAsync(host: "b.test");
        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 1, "the request is there");

        scene.Time.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal(504, (await scene.ReadAsync(client)).Status);

        Assert.Equal(BreakerState.Open, scene.Cluster("b.test").BreakerState);
    }

    [Fact]
    public async Task SlowUpload_IsNotTheUpstreamsTime()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker("host: b.test\nslidingWindowSize: 1\nminimumNumberOfCalls: 1\nslowCallDurationThreshold: 2s"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.Connect();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 2\r\n\r\na");
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.ReadAsync(1);
        scene.Time.Advance(TimeSpan.FromSeconds(10));
        await client.SendAsync("b");
        await upstream.ReadAsync(1);
        scene.Time.Advance(TimeSpan.FromSeconds(1));
        await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
        await client.ReadHeadAsync();

        Assert.Equal((BreakerState.Closed, new BreakerFigures(1, 0, 0)), (scene.Cluster("b.test").BreakerState, scene.Cluster("b.test").BreakerFigures));
    }

    [Fact]
    public async Task Tunnel_IsGoodFromItsBeginning()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker("host: b.test"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.Connect();
        await client.SendAsync("CONNECT b.test:80 HTTP/1.1\r\nHost: b.test:80\r\n\r\n");
        await scene.Upstreams.AcceptAsync();
        Assert.StartsWith("HTTP/1.1 200 ", await client.ReadHeadAsync(), StringComparison.Ordinal);

        Assert.Equal(new BreakerFigures(1, 0, 0), scene.Cluster("b.test").BreakerFigures);
    }

    [Fact]
    public async Task Trial_TakesNoPlaceForWhoWaitsInTheQueue()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker("host: b.test\nslidingWindowSize: 1\nminimumNumberOfCalls: 1\npermittedNumberOfCallsInHalfOpenState: 1"),
            RuleTexts.Policy("connectionPool: {tcp: {maxConnections: 1}}", "b.test"));
        scene.Upstreams.IsManual = true;
        MemoryConnection first = await scene.SendAsync(host: "b.test");
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\no"); // it holds the only connection, and has opened the circuit
        await first.ReadHeadAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(60));
        MemoryConnection second = await scene.SendAsync(host: "b.test");
        MemoryConnection third = await scene.SendAsync(host: "b.test");
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RqPendingActive.Value == 2, "both wait");

        Assert.Equal(BreakerState.HalfOpen, scene.Cluster("b.test").BreakerState);
        Assert.False(scene.Cluster("b.test").BreakerFor(null)!.IsShut(scene.Time.GetTimestamp()));

        await upstream.SendAsync("k");
        await upstream.ReadHeadAsync();
        Assert.True(scene.Cluster("b.test").BreakerFor(null)!.IsShut(scene.Time.GetTimestamp()));
        await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
        Assert.StartsWith("HTTP/1.1 200 ", await second.ReadHeadAsync(), StringComparison.Ordinal);
        await upstream.ReadHeadAsync(); // the trial went well, so the third goes out too
        await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
        Assert.StartsWith("HTTP/1.1 200 ", await third.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Recovery_DrawsOnceForAllAttempts()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, new RecoveryLuck(), RuleTexts.Services, RuleTexts.Breaker("host: a.test\nslidingWindowSize: 2\nminimumNumberOfCalls: 2\npermittedNumberOfCallsInHalfOpenState: 1\nrecoveryDuration: 1h"),
            RuleTexts.Route("retries: {attempts: 1, retryOn: 5xx}"));
        Answer(scene, 500);
        await scene.SettleAsync(await scene.SendAsync());
        scene.Time.Advance(TimeSpan.FromSeconds(60));
        Answer(scene, 200);
        await scene.CallAsync();
        Assert.Equal(BreakerState.Closed, scene.Cluster().BreakerState);
        int seen = 0;
        scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(Interlocked.Increment(ref seen) == 1 ? 500 : 200, "");

        Assert.Equal(200, (await scene.SettleAsync(await scene.SendAsync())).Status);
    }

    [Fact]
    public async Task ExemptPath_IsTriedAgainAtAnOpenCircuit()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker("host: a.test\nstate: forcedOpen\nexemptPaths: [/cancel]"), RuleTexts.Route("retries: {attempts: 1, retryOn: 5xx}"));
        int seen = 0;
        scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(Interlocked.Increment(ref seen) == 1 ? 500 : 200, "");

        Assert.Equal(200, (await scene.SettleAsync(await scene.SendAsync("/cancel"))).Status);
    }

    [Fact]
    public async Task OverloadOfAnInstance_AndOurOwnLimits_CountAsNothing()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small), RuleTexts.Policy("connectionPool: {http: {http2MaxRequests: 1}}", "b.test"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(503, "", "x-envoy-overloaded: true\r\n");
        await CallsAsync(scene, 5);
        scene.Upstreams.Answer = static _ => null;
        await scene.SendAsync(host: "b.test");
        Assert.Equal("503 503 503 503", await CallsAsync(scene, 4));

        Assert.Equal((BreakerState.Closed, 0), (scene.Cluster("b.test").BreakerState, scene.Cluster("b.test").BreakerFigures.Calls));
    }

    [Fact]
    public async Task RequestThatWaited_DoesNotGoOutWhenTheCircuitHasOpened()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker("host: b.test\nslidingWindowSize: 1\nminimumNumberOfCalls: 1"), RuleTexts.Policy("connectionPool: {tcp: {maxConnections: 1}}", "b.test"));
        scene.Upstreams.IsManual = true;
        MemoryConnection first = await scene.SendAsync(host: "b.test");
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        MemoryConnection second = await scene.SendAsync(host: "b.test");
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RqPendingActive.Value == 1, "the second waits");

        await upstream.SendAsync(AnsweringUpstreams.Text(500, ""));

        Assert.StartsWith("HTTP/1.1 500 ", await first.ReadHeadAsync(), StringComparison.Ordinal);
        Assert.Contains("x-mesh-breaker: open\r\n", await second.ReadHeadAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mirror_LeavesAnOpenCircuitInPeace()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker("host: b.test\nslidingWindowSize: 1\nminimumNumberOfCalls: 1"), RuleTexts.Route("mirror: {host: b.test}"));
        Answer(scene, 500);
        await CallsAsync(scene, 1);

        await scene.CallAsync();

        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RqByCode[503] == 1, "the copy is refused");
        Assert.Single(scene.Upstreams.Seen, static s => s.Address.StartsWith("10.0.1.1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Retry_DoesNotKnockAtAnOpenCircuit()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker("host: a.test\nslidingWindowSize: 2\nminimumNumberOfCalls: 2"), RuleTexts.Route("retries: {attempts: 5, retryOn: 5xx}"));
        Answer(scene, 500);

        Answered answer = await scene.SettleAsync(await scene.SendAsync());

        Assert.Equal((500, 2), (answer.Status, scene.Upstreams.Seen.Count)); // the upstream's own answer, not ours
    }

    /// <summary>Chance that lets the first call of a recovery in, and no other.</summary>
    private sealed class RecoveryLuck : Random
    {
        private int _draws;

        public override double NextDouble() => Interlocked.Increment(ref _draws) == 1 ? 0.05 : 0.5;

        public override int Next(int maxValue) => 0;

        public override long NextInt64(long maxValue) => 0;
    }
}
