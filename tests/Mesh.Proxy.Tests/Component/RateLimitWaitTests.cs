using Mesh.Proxy.Breakers;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Requests that wait in line for a token, and what a limit has to do with retries, ejection and breakers.</summary>
public sealed class RateLimitWaitTests
{
    private const string Waiting = "host: b.test\ntokens: 1\ninterval: 1s\nburst: 1\nwhenExceeded: {wait: {maxWait: 2s, maxQueue: 2}}";

    [Fact]
    [EffectOf("RateLimit", "whenExceeded.wait.maxQueue")]
    public async Task Wait_SendsOneASecond_InTheOrderOfArrival()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(Waiting.Replace("2s", "9s", StringComparison.Ordinal)));
        Assert.Equal(200, (await scene.CallAsync("/0", "b.test")).Status);
        MemoryConnection first = await JoinAsync(scene, "/1", 1);
        MemoryConnection second = await JoinAsync(scene, "/2", 2);
        Answered third = await scene.CallAsync("/3", "b.test");
        Assert.Equal((429, "3"), (third.Status, Assert.Single(third["retry-after"])));
        Assert.Equal(["rate_limited; rule=default/rl#spec.whenExceeded.wait.maxQueue; limit=2; now=2; scope=sidecar"], third["x-mesh-reason"]);

        scene.Time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Single(scene.Upstreams.Seen);
        scene.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(200, (await scene.ReadAsync(first)).Status);
        Assert.Equal(2, scene.Upstreams.Seen.Count);
        scene.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(200, (await scene.ReadAsync(second)).Status);

        Assert.Equal("/0 /1 /2", string.Join(' ', scene.Upstreams.Seen.Select(static s => s.Line.Split(' ')[1])));
        RateLimitStats stats = scene.Cluster("b.test").Stats.RateLimit!;
        Assert.Equal((3, 2, 1, 0), (stats.Ok.Value, stats.Waited.Value, stats.Limited.Value, stats.Waiting.Value));
    }

    [Fact]
    [EffectOf("RateLimit", "whenExceeded.wait.maxWait")]
    public async Task MaxWait_RefusesAtOnceWhoWouldWaitLonger()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(Waiting.Replace("2s", "500ms", StringComparison.Ordinal)));
        await scene.CallAsync(host: "b.test");

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Equal(["rate_limited; rule=default/rl#spec.whenExceeded.wait.maxWait; limit=500; now=1000; scope=sidecar"], refused["x-mesh-reason"]);
    }

    [Fact]
    public async Task MaxWait_IsKeptWhenASmallerSharePutsATokenOff()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit("host: b.test\nscope: mesh\ntokens: 10\ninterval: 10s\nburst: 1\nwhenExceeded: {wait: {maxWait: 2s}}"));
        Follow(10, 1);
        Assert.Equal(200, (await scene.CallAsync(host: "b.test")).Status);
        MemoryConnection waiting = await JoinAsync(scene, "/1", 1);
        Follow(1, 2);

        scene.Time.Advance(TimeSpan.FromMilliseconds(1999));
        Assert.Equal("", waiting.ReadAvailable());
        scene.Time.Advance(TimeSpan.FromMilliseconds(1));

        Answered refused = await scene.ReadAsync(waiting);
        Assert.Equal((429, "8"), (refused.Status, Assert.Single(refused["retry-after"])));
        Assert.Equal(["rate_limited; rule=default/rl#spec.whenExceeded.wait.maxWait; limit=2000; now=10000; scope=mesh"], refused["x-mesh-reason"]);
        Assert.Equal((1, 0), (scene.Cluster("b.test").Stats.RateLimit!.Limited.Value, scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value));

        void Follow(int share, long epoch) => scene.Cluster("b.test").Follow(new LimitOrder("RateLimit/default/rl", scene.Cluster("b.test").Name, "tokens", share, 10, epoch));
    }

    [Fact]
    public async Task ClientThatLeaves_MakesRoom_AndThoseBehindMoveUp()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(Waiting));
        await scene.CallAsync(host: "b.test");
        MemoryConnection first = await JoinAsync(scene, "/1", 1);
        MemoryConnection second = await JoinAsync(scene, "/2", 2);

        first.Reset();
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value == 1, "the first has left");
        scene.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(200, (await scene.ReadAsync(second)).Status);
        Assert.Equal(2, scene.Upstreams.Seen.Count);
    }

    /// <summary>667 a second, and an upstream that never answers: calls of the class leave evenly all the same, and others go first.</summary>
    [Fact]
    public async Task Pacing_SpreadsAClassOfCallsEvenly_HoweverSlowTheUpstream()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(
            "host: b.test\ntokens: 40000\ninterval: 1m\nburst: 1\nmatch: {headers: {x-class: {exact: batch}}}\nwhenExceeded: {wait: {maxWait: 10s, maxQueue: 1000}}"));
        scene.Upstreams.Answer = static _ => null;
        for (int i = 0; i < 280; i++)
        {
            await scene.SendAsync("/batch", "b.test", "x-class: batch\r\n");
        }

        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value == 279, "all but the first wait");
        await scene.SendAsync("/user", "b.test");
        await Eventually.HoldsAsync(() => Sent("/user") == 1 && Sent("/batch") == 1, "who is not of the class goes first");

        int before = 1;
        for (int slice = 1; slice <= 4; slice++)
        {
            scene.Time.Advance(TimeSpan.FromMilliseconds(100));
            int due = (slice * 200 / 3) + 1; // a straight line from the first call on
            await Eventually.HoldsAsync(() => Sent("/batch") == due, $"{due} calls after {slice} slices");
            Assert.InRange(due - before, 66, 68);
            before = due;
        }

        int Sent(string path) => scene.Upstreams.Seen.Count(s => s.Line.Contains(path, StringComparison.Ordinal));
    }

    [Fact]
    public async Task RouteTimeout_EndsTheWait()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit(Waiting.Replace("b.test", "a.test", StringComparison.Ordinal)), RuleTexts.Route("timeout: 300ms"));
        await scene.CallAsync();
        MemoryConnection second = await JoinAsync(scene, "/", 1, "a.test");

        scene.Time.Advance(TimeSpan.FromMilliseconds(300));

        Answered answer = await scene.ReadAsync(second);
        Assert.Equal((504, "not-sent"), (answer.Status, Assert.Single(answer["x-mesh-outcome"])));
        Assert.Equal(0, scene.Cluster().Stats.RateLimit!.Waiting.Value);
        Assert.Single(scene.Upstreams.Seen);
    }

    [Fact]
    public async Task Drain_AnswersWhoWaits_AndLetsNobodyWait()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(Waiting));
        await scene.CallAsync(host: "b.test");
        MemoryConnection waiting = await JoinAsync(scene, "/1", 1);

        scene.Drain();

        Answered answer = await scene.ReadAsync(waiting);
        Assert.Equal((429, "1"), (answer.Status, Assert.Single(answer["retry-after"])));
        Assert.Equal(["draining; rule=default/rl#spec.whenExceeded.wait; scope=sidecar"], answer["x-mesh-reason"]);
        Assert.Equal(429, (await scene.CallAsync(host: "b.test")).Status);
        Assert.Equal((2, 0), (scene.Cluster("b.test").Stats.RateLimit!.Limited.Value, scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value));
    }

    [Fact]
    public async Task Retry_TakesATokenToo_AndIsNotMadeWithoutOne()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: a.test\ntokens: 2\ninterval: 1h"), RuleTexts.Route("retries: {attempts: 5, retryOn: 5xx}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");

        Answered answer = await scene.SettleAsync(await scene.SendAsync());

        Assert.Equal((500, 2), (answer.Status, scene.Upstreams.Seen.Count)); // the upstream's own answer, not ours
        Assert.Equal(0, scene.Cluster().Stats.RqRetryActive.Value);
    }

    [Fact]
    public async Task Retry_OfWhatNeverLeft_NeedsNoOtherToken()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: a.test\ntokens: 1\ninterval: 1h"), RuleTexts.Route("retries: {attempts: 2, retryOn: connect-failure}"));
        scene.Upstreams.Refuses = _ => scene.Upstreams.Dials.Count < 2;

        Answered answer = await scene.SettleAsync(await scene.SendAsync());

        Assert.Equal((200, 1), (answer.Status, scene.Upstreams.Seen.Count));
    }

    [Fact]
    public async Task Refusals_AreNothingToTheBreaker_NorToTheDetector()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 1h"),
            RuleTexts.Breaker("host: b.test\nslidingWindowSize: 2\nminimumNumberOfCalls: 2\nfailures: [\"429\"]"),
            RuleTexts.Policy("outlierDetection: {consecutive5xxErrors: 1}", "b.test"));
        for (int i = 0; i < 5; i++)
        {
            await scene.CallAsync(host: "b.test");
        }

        Assert.Equal((BreakerState.Closed, 1), (scene.Cluster("b.test").BreakerState, scene.Cluster("b.test").BreakerFigures.Calls));
        Assert.Equal((4, 0), (scene.Cluster("b.test").Stats.RateLimit!.Limited.Value, scene.Cluster("b.test").Stats.EjectionsEnforcedTotal.Value));
    }

    private static async Task<MemoryConnection> JoinAsync(RuleScene scene, string path, int waiting, string host = "b.test")
    {
        MemoryConnection client = await scene.SendAsync(path, host);
        await Eventually.HoldsAsync(() => scene.Cluster(host).Stats.RateLimit!.Waiting.Value == waiting, $"{waiting} wait");
        return client;
    }
}
