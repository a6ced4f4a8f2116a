using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>The concurrency block of a ResiliencePolicy, from its text to the wire.</summary>
public sealed class RuleEffectsConcurrencyTests
{
    [Theory]
    [EffectOf("ResiliencePolicy", "concurrency.maxConcurrentCalls")]
    [InlineData("concurrency: {maxConcurrentCalls: 2}", 2)]
    [InlineData("concurrency: {}", 25)]
    [EffectOf("ResiliencePolicy", "mode")]
    [InlineData("concurrency: {maxConcurrentCalls: 2}\nmode: shadow", 30)]
    [EffectOf("ResiliencePolicy", "side")]
    [InlineData("concurrency: {maxConcurrentCalls: 2}\nside: caller", 2)]
    [InlineData("concurrency: {maxConcurrentCalls: 2}\nside: callee", 30)]
    [InlineData("concurrency: {maxConcurrentCalls: 2}\nport: 8080", 30)]
    [EffectOf("ResiliencePolicy", "concurrency.adaptive.minConcurrency")]
    [InlineData("concurrency: {maxConcurrentCalls: 2, adaptive: {minConcurrency: 4}}", 4)]
    [EffectOf("ResiliencePolicy", "concurrency.adaptive.maxConcurrency")]
    [InlineData("concurrency: {maxConcurrentCalls: 9, adaptive: {maxConcurrency: 5}}", 5)]
    public async Task ThirtyCallsThatLast_SomeGoOut_TheRestIsRefused(string fields, int sent)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience($"host: b.test\n{fields}"));
        scene.Upstreams.Answer = static _ => null;
        List<MemoryConnection> clients = [];
        for (int i = 0; i < 30; i++)
        {
            clients.Add(await scene.SendAsync(host: "b.test"));
        }

        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == sent, $"{sent} go out");
        foreach (MemoryConnection refused in clients.Skip(sent))
        {
            Assert.Equal(503, (await scene.ReadAsync(refused)).Status);
        }
    }

    [Fact]
    public async Task Refusal_SaysWhy_AndItsPlaceIsFreeAgainWhenTheAnswerHasEnded()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: b.test\nconcurrency: {maxConcurrentCalls: 1}"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = await scene.SendAsync(host: "b.test");
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        await upstream.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
        await client.ReadHeadAsync();

        Answered refused = await scene.CallAsync(host: "b.test"); // half of the answer is still to come

        Assert.Equal((503, "reached concurrency limit"), (refused.Status, refused.Body));
        Assert.Equal(["concurrency_overflow; rule=default/rp#spec.concurrency.maxConcurrentCalls; limit=1; now=1; scope=sidecar"], refused["x-mesh-reason"]);
        Assert.Equal(["true", "not-sent"], [.. refused["x-envoy-overloaded"], .. refused["x-mesh-outcome"]]);
        Finished record = await scene.Sink.NextAsync();
        Assert.Equal((ResponseFlag.UO, "reached_concurrency_limit"), (record.Flag, record.Details));
        Assert.Equal((1, 1), (scene.Cluster("b.test").Stats.Concurrency!.Rejected.Value, scene.Cluster("b.test").ConcurrencyActive));

        await upstream.SendAsync("k");
        Assert.Equal("ok", await client.ReadAsync(2));
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").ConcurrencyActive == 0, "the place is free");
        scene.Upstreams.IsManual = false;
        await client.SendAsync("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
        Assert.Equal(200, (await scene.ReadAsync(client)).Status);
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "side")]
    public async Task SideCallee_StandsInFrontOfTheApplication()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            RuleTexts.Caller with { AppAddress = "127.0.0.1:8080" }, null, RuleTexts.Resilience("host: caller\nside: callee\nconcurrency: {maxConcurrentCalls: 1}"));
        scene.Upstreams.Answer = static _ => null;
        await scene.ConnectInbound().SendAsync("GET / HTTP/1.1\r\nHost: caller\r\n\r\n");
        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 1, "the first is under way");
        MemoryConnection second = scene.ConnectInbound();
        await second.SendAsync("GET / HTTP/1.1\r\nHost: caller\r\n\r\n");

        Assert.Equal(["true"], (await scene.ReadAsync(second))["x-envoy-overloaded"]);
        Assert.Single(scene.Upstreams.Seen);
    }

    [Fact]
    public async Task ShadowMode_CountsWhatItWouldRefuse()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: b.test\nmode: shadow\nconcurrency: {maxConcurrentCalls: 2, maxWaitDuration: 1s}"));
        scene.Upstreams.Answer = static _ => null;
        for (int i = 0; i < 5; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 5, "all go out");
        ConcurrencyStats stats = scene.Cluster("b.test").Stats.Concurrency!;
        Assert.Equal((3, 0, 0, 2), (stats.ShadowRejected.Value, stats.Rejected.Value, stats.Waited.Value, scene.Cluster("b.test").ConcurrencyActive));
    }

    [Fact]
    public async Task ShadowMode_BesideAPolicyInForce_IsEvaluatedToo()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Resilience("host: b.test\nmode: shadow\nconcurrency: {maxConcurrentCalls: 1}", "tried"), RuleTexts.Resilience("host: b.test\npendingTimeout: 1s"));
        scene.Upstreams.Answer = static _ => null;
        await scene.SendAsync(host: "b.test");
        await scene.SendAsync(host: "b.test");

        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 2, "both go out");
        Assert.Equal(1, scene.Cluster("b.test").Stats.Concurrency!.ShadowRejected.Value);
    }

    /// <summary>Calls one after the other fill a limit of one: it grows when there were answers enough, in time enough, and then two calls fit.</summary>
    [Theory]
    [EffectOf("ResiliencePolicy", "concurrency.adaptive.requestCount")]
    [InlineData("requestCount: 5", 5, 1, 2)]
    [InlineData("requestCount: 6", 5, 1, 1)]
    [EffectOf("ResiliencePolicy", "concurrency.adaptive.concurrencyUpdateInterval")]
    [InlineData("requestCount: 5, concurrencyUpdateInterval: 5s", 5, 1, 2)]
    [InlineData("requestCount: 5, concurrencyUpdateInterval: 6s", 5, 1, 1)]
    [EffectOf("ResiliencePolicy", "concurrency.adaptive.maxConcurrency")]
    [InlineData("requestCount: 5, maxConcurrency: 1", 5, 1, 1)]
    [EffectOf("ResiliencePolicy", "concurrency.adaptive.buffer")]
    [InlineData("requestCount: 5, buffer: 5", 12, 10, 3)]
    [InlineData("requestCount: 5, buffer: 50", 12, 10, 5)]
    public async Task AdaptiveLimit_FollowsAnswers(string fields, int calls, int slower, int limit)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Resilience($"host: b.test\nconcurrency: {{maxConcurrentCalls: 1, adaptive: {{minConcurrency: 1, {fields}}}}}"),
            RuleTexts.Policy("connectionPool: {http: {maxRequestsPerConnection: 1}}", "b.test"));
        List<ConcurrencyEvent> events = [];
        scene.Clusters.OnConcurrency = events.Add;
        scene.Upstreams.IsManual = true;
        List<(MemoryConnection Client, MemoryConnection Upstream)> lanes = [];
        for (int i = 0; i < calls; i++)
        {
            // As many at once as fit, so that the limit is used up; each answer takes a second, from a point on a tenth more.
            while (lanes.Count < scene.Cluster("b.test").ConcurrencyLimit)
            {
                MemoryConnection client = await scene.SendAsync(host: "b.test");
                (_, MemoryConnection accepted) = await scene.Upstreams.AcceptAsync();
                await accepted.ReadHeadAsync();
                lanes.Add((client, accepted));
            }

            scene.Time.Advance(TimeSpan.FromMilliseconds(slower > 1 && i >= 10 ? 1100 : 1000));
            foreach ((MemoryConnection client, MemoryConnection upstream) in lanes)
            {
                await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
                await client.ReadHeadAsync();
            }

            lanes.Clear();
            await Eventually.HoldsAsync(() => scene.Cluster("b.test").ConcurrencyActive == 0, "all have ended");
        }

        Assert.Equal(limit, scene.Cluster("b.test").ConcurrencyLimit);
        Assert.Equal(events.Count, scene.Cluster("b.test").Stats.Concurrency!.LimitChanges.Value);
        Assert.Equal(events, scene.Cluster("b.test").ConcurrencyChanges);
        Assert.All(events, static e => Assert.Equal("default/rp#spec", e.Rule));
    }

    [Fact]
    public async Task AdaptiveLimit_ThatRefuses_SaysSo()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: b.test\nconcurrency: {maxConcurrentCalls: 1, adaptive: {minConcurrency: 1}}"));
        scene.Upstreams.Answer = static _ => null;
        await scene.SendAsync(host: "b.test");

        Assert.Equal(["concurrency_overflow; rule=default/rp#spec.concurrency.adaptive; limit=1; now=1; scope=sidecar"], (await scene.CallAsync(host: "b.test"))["x-mesh-reason"]);
    }
}
