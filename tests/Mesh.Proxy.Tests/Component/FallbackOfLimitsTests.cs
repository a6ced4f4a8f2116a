using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>A Fallback for what our own limits refuse: a RateLimit's 429 and a bulkhead's 503.</summary>
public sealed class FallbackOfLimitsTests
{
    private const string Limited = "host: b.test\ntriggers: [rate-limited]\n";
    private static readonly string OneAMinute = RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 60s");

    [Fact]
    [EffectOf("Fallback", "triggers")]
    public async Task RateLimited_GivesTheLastGoodAnswer_AndItsReasonStays()
    {
        await using RuleScene scene = await RuleScene.StartAsync(OneAMinute, RuleTexts.Fallback(Limited + "lastGood: {}"));
        Answered live = await scene.CallAsync(host: "b.test");
        await scene.Sink.NextAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(7));

        Answered kept = await scene.CallAsync(host: "b.test");

        Assert.Equal((200, live.Body, 0), (kept.Status, kept.Body, kept.Attempts.Length));
        Assert.Equal(["stale; age=7; reason=rate_limited", "rate_limited; rule=default/rl#spec.tokens; limit=1; now=0; scope=sidecar"], [.. kept["x-mesh-fallback"], .. kept["x-mesh-reason"]]);
        Assert.Empty((string[])[.. kept["retry-after"], .. kept["x-envoy-ratelimited"]]);
        Finished record = await scene.Sink.NextAsync();
        Assert.Equal((200, ResponseFlag.RL, DecisionVerdict.Replaced), (record.Code, record.Flag, record.Decision.Verdict));
        Assert.Equal((1, 1), (scene.Cluster("b.test").Stats.RateLimit!.Limited.Value, scene.Cluster("b.test").Stats.Fallback!.Stale.Value));
    }

    [Theory]
    [InlineData("", "POST", 429)]
    [InlineData("", "DELETE", 429)]
    [InlineData("methods: [POST]\n", "POST", 200)]
    public async Task RateLimited_UnsafeMethods_AreAnsweredOnlyIfTheRuleSaysSo(string methods, string method, int status)
    {
        await using RuleScene scene = await RuleScene.StartAsync(OneAMinute, RuleTexts.Fallback(Limited + methods + "destination: {host: a.test}\nstatic: {}"));
        await scene.CallAsync(host: "b.test");

        Assert.Equal(status, (await scene.CallAsync(host: "b.test", method: method, headers: "Content-Length: 0\r\n")).Status);
    }

    [Fact]
    public async Task RateLimited_OfTwoThatStandInForEachOther_OnlyOneIsAsked()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            OneAMinute, RuleTexts.Limit("host: a.test\ntokens: 2\ninterval: 60s", "rl2"),
            RuleTexts.Fallback(Limited + "destination: {host: a.test}"), RuleTexts.Fallback("host: a.test\ntriggers: [rate-limited]\ndestination: {host: b.test}", "fb2"));
        await scene.CallAsync(host: "b.test");

        Answered second = await scene.CallAsync(host: "b.test");
        Answered third = await scene.CallAsync(host: "b.test");
        Answered fourth = await scene.CallAsync(host: "b.test"); // neither has a token

        Assert.Equal([200, 200, 429], [second.Status, third.Status, fourth.Status]);
        Assert.Equal([1, 1, 0], [second.Attempts.Length, third.Attempts.Length, fourth.Attempts.Length]);
        Assert.Equal((2, 1, 0), (scene.Cluster("b.test").Stats.Fallback!.Host.Value, scene.Cluster("b.test").Stats.Fallback!.Missed.Value, scene.Cluster().Stats.Fallback!.Host.Value));
    }

    [Fact]
    public async Task RateLimited_AfterAWait_LeadsToAnotherHostToo()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 60s\nwhenExceeded: {wait: {maxWait: 90s}}"), RuleTexts.Fallback(Limited + "destination: {host: a.test}"));
        await scene.CallAsync(host: "b.test");
        MemoryConnection waiting = await scene.SendAsync(host: "b.test");
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value == 1, "the second waits");

        scene.Drain(); // the wait ends without a token

        Answered answer = await scene.ReadAsync(waiting);
        Assert.Equal((200, "host; reason=draining"), (answer.Status, Assert.Single(answer["x-mesh-fallback"])));
        Assert.StartsWith("10.0.0.", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RateLimited_InShadowMode_CountsAndLeavesThe429()
    {
        await using RuleScene scene = await RuleScene.StartAsync(OneAMinute, RuleTexts.Fallback(Limited + "mode: shadow\ndestination: {host: a.test}"));
        await scene.CallAsync(host: "b.test");

        Assert.Equal(429, (await scene.CallAsync(host: "b.test")).Status);
        Assert.Equal((1, 0), (scene.Cluster("b.test").Stats.Fallback!.Shadow.Value, scene.Cluster("b.test").Stats.Fallback!.Host.Value));
    }
}
