using Mesh.Proxy.Telemetry;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Several limits of one host: a request needs a token of each that counts it, and keeps none if it does not get all.</summary>
public sealed class RateLimitTogetherTests
{
    private const string Batch = "x-class: batch\r\n";

    private static readonly string ForAll = RuleTexts.Limit("host: b.test\ntokens: 3\ninterval: 30s", "all");
    private static readonly string ForBatch = RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 60s\nmatch: {headers: {x-class: {exact: batch}}}", "batch");

    [Fact]
    [EffectOf("RateLimit", "match.headers.exact")]
    public async Task LimitForAClass_BesideOneForAll_BothCountTheClass()
    {
        await using RuleScene scene = await RuleScene.StartAsync(ForAll, ForBatch);

        Assert.Equal("200", await CallAsync(scene, Batch));
        Assert.Equal("429 rule=default/batch#spec.tokens", await CallAsync(scene, Batch));
        Assert.Equal("200", await CallAsync(scene)); // the class's second call took no token of this limit
        Assert.Equal("200", await CallAsync(scene));
        Assert.Equal("429 rule=default/all#spec.tokens", await CallAsync(scene));
        Assert.Equal(3, scene.Upstreams.Seen.Count);
    }

    [Fact]
    public async Task LimitForAllThatRefuses_GivesTheClassItsTokenBack()
    {
        await using RuleScene scene = await RuleScene.StartAsync(ForAll, ForBatch);
        Assert.Equal("200 200 200", $"{await CallAsync(scene)} {await CallAsync(scene)} {await CallAsync(scene)}");
        Assert.Equal("429 rule=default/all#spec.tokens", await CallAsync(scene, Batch));
        Assert.Equal("429 rule=default/all#spec.tokens", await CallAsync(scene, Batch));
        scene.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal("200", await CallAsync(scene, Batch));
        scene.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("429 rule=default/batch#spec.tokens", await CallAsync(scene, Batch));
        RateLimitStats stats = scene.Cluster("b.test").Stats.RateLimit!;
        Assert.Equal((2, 4 + 3), (stats.Returned.Value, stats.Ok.Value)); // three tokens of the class, of which two came back, and four for all
    }

    [Fact]
    public async Task Share_IsThatOfTheLimitOfAllSidecars_WhateverStandsBesideIt()
    {
        await using RuleScene scene = await RuleScene.StartAsync(ForAll, RuleTexts.Limit("host: b.test\ntokens: 9\nscope: mesh", "mesh"), ForBatch);
        scene.Cluster("b.test").Follow(new LimitOrder("RateLimit/default/mesh", scene.Cluster("b.test").Name, "tokens", 7, 9, 1));
        Assert.Equal(7, scene.Cluster("b.test").RateLimitShare);

        await scene.ApplyAsync(RuleTexts.Services, ForAll, ForBatch);
        Assert.Equal(0, scene.Cluster("b.test").RateLimitShare);
    }

    [Fact]
    public async Task Key_GetsItsTokenBackFromItsOwnBucket()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 10s", "all"), RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 60s\nkey: {header: x-user}", "user"));

        Assert.Equal("200", await CallAsync(scene, "x-user: ann\r\n"));
        Assert.Equal("429 rule=default/all#spec.tokens", await CallAsync(scene, "x-user: bob\r\n"));
        scene.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("429 rule=default/user#spec.tokens", await CallAsync(scene, "x-user: ann\r\n"));
        Assert.Equal("200", await CallAsync(scene, "x-user: bob\r\n"));
    }

    [Fact]
    public async Task Shadow_BesideOneInForce_CountsAndLetsTheOtherDecide()
    {
        await using RuleScene scene = await RuleScene.StartAsync(ForAll, ForBatch.Replace("tokens: 1", "mode: shadow\n  tokens: 1", StringComparison.Ordinal));

        Assert.Equal("200 200 200", $"{await CallAsync(scene, Batch)} {await CallAsync(scene, Batch)} {await CallAsync(scene, Batch)}");
        Assert.Equal("429 rule=default/all#spec.tokens", await CallAsync(scene, Batch));
        Assert.Equal((3, 1), (scene.Cluster("b.test").Stats.RateLimit!.ShadowLimited.Value, scene.Cluster("b.test").Stats.RateLimit!.Limited.Value));
    }

    [Fact]
    public async Task Waits_InOneLineAfterTheOther()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 3s\nwhenExceeded: {wait: {maxWait: 10s}}", "all"),
            RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 1s\nmatch: {headers: {x-class: {exact: batch}}}\nwhenExceeded: {wait: {}}", "batch"));
        Assert.Equal("200", await CallAsync(scene, Batch));
        MemoryConnection waiting = await JoinAsync(scene);

        scene.Time.Advance(TimeSpan.FromSeconds(1)); // now it stands in the other line
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RateLimit is { Waited.Value: 2, Waiting.Value: 1 }, "it waits for the limit for all");
        Assert.Single(scene.Upstreams.Seen);
        scene.Time.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(200, (await scene.ReadAsync(waiting)).Status);
    }

    [Fact]
    public async Task RefusedByTheSecond_OrGoneInItsLine_KeepsNoToken()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 9s\nwhenExceeded: {wait: {maxWait: 20s, maxQueue: 1}}", "all"),
            RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 1s\nmatch: {headers: {x-class: {exact: batch}}}\nwhenExceeded: {wait: {}}", "batch"));
        RateLimitStats stats = scene.Cluster("b.test").Stats.RateLimit!;
        Assert.Equal("200", await CallAsync(scene, Batch));
        MemoryConnection first = await JoinAsync(scene);
        scene.Time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => stats is { Waited.Value: 2, Waiting.Value: 1 }, "the first stands in the second line");
        scene.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("429 rule=default/all#spec.whenExceeded.wait.maxQueue", await CallAsync(scene, Batch));
        Assert.Equal(1, stats.Returned.Value);

        first.Reset();
        await Eventually.HoldsAsync(() => stats is { Returned.Value: 2, Waiting.Value: 0 }, "the first has left and given its first token back");
    }

    [Fact]
    public async Task Retry_WithoutATokenOfEach_IsNotMade_AndTakesNone()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: a.test\ntokens: 1\ninterval: 1h", "all"),
            RuleTexts.Limit("host: a.test\ntokens: 2\ninterval: 1h\npaths: [/]", "root"),
            RuleTexts.Route("retries: {attempts: 5, retryOn: 5xx}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");

        Answered answer = await scene.SettleAsync(await scene.SendAsync());

        Assert.Equal((500, 1), (answer.Status, scene.Upstreams.Seen.Count));
        Assert.Equal(1, scene.Cluster().Stats.RateLimit!.Returned.Value);
    }

    private static async Task<string> CallAsync(RuleScene scene, string headers = "")
    {
        Answered answer = await scene.CallAsync(host: "b.test", headers: headers);
        return answer.Status == 200 ? "200" : $"{answer.Status} {Assert.Single(answer["x-mesh-reason"]).Split("; ")[1]}";
    }

    private static async Task<MemoryConnection> JoinAsync(RuleScene scene)
    {
        MemoryConnection client = await scene.SendAsync(host: "b.test", headers: Batch);
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value == 1, "it waits");
        return client;
    }
}
