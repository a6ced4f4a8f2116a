using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>RateLimit, from its text to the wire.</summary>
public sealed class RuleEffectsRateLimitTests
{
    private const string OneASecond = "host: b.test\ntokens: 1\ninterval: 1s\nburst: 1\n";

    [Fact]
    [EffectOf("RateLimit", "host")]
    [EffectOf("RateLimit", "tokens")]
    [EffectOf("RateLimit", "interval")]
    [EffectOf("RateLimit", "whenExceeded.reject")]
    public async Task OneTokenASecond_LetsOneThroughASecond_AndRefusesTheRest()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit("host: b.test\ntokens: 1\ninterval: 10s\nwhenExceeded: {reject: true}"));
        Assert.Equal("200 429", await CallsAsync(scene, "/", "/"));
        scene.Time.Advance(TimeSpan.FromMilliseconds(3500));

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Empty(refused.Attempts);
        Assert.Equal((429, "local_rate_limited"), (refused.Status, refused.Body));
        Assert.Equal(["rate_limited; rule=default/rl#spec.tokens; limit=1; now=0; scope=sidecar"], refused["x-mesh-reason"]);
        Assert.Equal(["true", "7", "not-sent"], [.. refused["x-envoy-ratelimited"], .. refused["retry-after"], .. refused["x-mesh-outcome"]]);
        Assert.Empty(refused["x-envoy-overloaded"]);
        await scene.Sink.NextAsync();
        await scene.Sink.NextAsync();
        Finished record = await scene.Sink.NextAsync();
        Assert.Equal((ResponseFlag.RL, "local_rate_limited", 0), (record.Flag, record.Details, record.Attempts));
        Assert.Equal(200, (await scene.CallAsync(host: "a.test")).Status); // another service's calls go out
        scene.Time.Advance(TimeSpan.FromMilliseconds(6500));
        Assert.Equal("200 429", await CallsAsync(scene, "/", "/"));
        RateLimitStats stats = scene.Cluster("b.test").Stats.RateLimit!;
        Assert.Equal((2, 3, 0), (stats.Ok.Value, stats.Limited.Value, stats.Waited.Value));
    }

    [Theory]
    [EffectOf("RateLimit", "burst")]
    [InlineData("burst: 3", 3)]
    [EffectOf("RateLimit", "mode")]
    [InlineData("mode: enforce", 1)]
    [InlineData("mode: shadow", 5)]
    [EffectOf("RateLimit", "port")]
    [InlineData("port: 80", 1)]
    [InlineData("port: 8080", 5)]
    [EffectOf("RateLimit", "side")]
    [InlineData("side: caller", 1)]
    [InlineData("side: callee", 5)]
    public async Task FiveCallsAtOnce_SomePass(string field, int passing)
    {
        string rule = string.Join('\n', OneASecond.TrimEnd().Split('\n').Where(l => !field.StartsWith(l.Split(':')[0], StringComparison.Ordinal)).Append(field));
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(rule));

        string statuses = await CallsAsync(scene, "/", "/", "/", "/", "/");

        Assert.Equal(string.Join(' ', Enumerable.Repeat("200", passing).Concat(Enumerable.Repeat("429", 5 - passing))), statuses);
    }

    [Theory]
    [EffectOf("RateLimit", "scope")]
    [InlineData("scope: sidecar", 0, "200 200 200 200 200 429")]
    [InlineData("scope: mesh", 0, "200 429 429 429 429 429")]
    [InlineData("scope: mesh", 2, "200 200 429 429 429 429")]
    public async Task ScopeMesh_LetsAShareThrough(string scope, int share, string statuses)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit($"host: b.test\ntokens: 5\ninterval: 10s\n{scope}"));
        if (share > 0)
        {
            scene.Cluster("b.test").Follow(new LimitOrder("RateLimit/default/rl", scene.Cluster("b.test").Name, "tokens", share, 5, 1));
            scene.Time.Advance(TimeSpan.FromSeconds(10)); // its tokens come
        }

        Assert.Equal(statuses, await CallsAsync(scene, "/", "/", "/", "/", "/", "/"));
        Assert.Contains(share > 0 ? "limit=2; now=0; scope=mesh" : scope.EndsWith("mesh", StringComparison.Ordinal) ? "limit=1; now=0; scope=mesh" : "limit=5; now=0; scope=sidecar",
            Assert.Single((await scene.CallAsync(host: "b.test"))["x-mesh-reason"]), StringComparison.Ordinal);
    }

    [Fact]
    [EffectOf("RateLimit", "scope")]
    public async Task ScopeMesh_WithAKey_GivesEachValueAPart_AndOneThatWantsMoreAShare()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit("host: b.test\ntokens: 5\ninterval: 10s\nscope: mesh\nkey: {header: x-user}"));
        Follow("", 2);
        Assert.Equal("200 200 429", await CallsOfAsync("ann", 3));
        Assert.Equal("200", await CallsOfAsync("bob", 1));
        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        scene.Cluster("b.test").ReportShares(reports);

        LimitReport ann = Assert.Single(reports, static r => r.Key.Length > 0);
        Assert.Equal((2, 4), (ann.Share, ann.Wanted));
        Follow(ann.Key, 4);
        scene.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal("200 200 200 200 429", await CallsOfAsync("ann", 5));
        Assert.Contains("limit=4; now=0; scope=mesh", Assert.Single((await scene.CallAsync(host: "b.test", headers: "x-user: ann\r\n"))["x-mesh-reason"]), StringComparison.Ordinal);
        Assert.Equal("200 200 429", await CallsOfAsync("bob", 3));

        void Follow(string key, int share) => scene.Cluster("b.test").Follow(new LimitOrder("RateLimit/default/rl", scene.Cluster("b.test").Name, "tokens", share, 5, 1, key));

        async Task<string> CallsOfAsync(string user, int calls)
        {
            List<int> statuses = [];
            for (int i = 0; i < calls; i++)
            {
                statuses.Add((await scene.CallAsync(host: "b.test", headers: $"x-user: {user}\r\n")).Status);
            }

            return string.Join(' ', statuses);
        }
    }

    [Fact]
    public async Task ShadowMode_CountsWhatItWouldLimit()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond + "mode: shadow\nwhenExceeded: {wait: {}}"));

        Assert.Equal("200 200 200", await CallsAsync(scene, "/", "/", "/"));

        RateLimitStats stats = scene.Cluster("b.test").Stats.RateLimit!;
        Assert.Equal((1, 2, 0, 0), (stats.Ok.Value, stats.ShadowLimited.Value, stats.Limited.Value, stats.Waited.Value));
    }

    [Fact]
    [EffectOf("RateLimit", "subset")]
    public async Task Subset_HasABucketOfItsOwn()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}]"),
            RuleTexts.Limit("host: a.test\nsubset: v1\ntokens: 1"),
            RuleTexts.Routes("- match: [{uri: {prefix: /v1}}]\n  route: [{destination: {host: a.test, subset: v1}}]\n- route: [{destination: {host: a.test}}]"));

        Assert.Equal("200 429 200 200", await CallsToAsync(scene, "a.test", "/v1", "/v1", "/", "/"));
    }

    [Theory]
    [EffectOf("RateLimit", "key.header")]
    [InlineData("{header: X-User}", "x-user: ann", "x-user: bob")]
    [EffectOf("RateLimit", "key.cookie")]
    [InlineData("{cookie: who}", "cookie: a=1; who=ann", "cookie: who=bob; a=1")]
    public async Task Key_GivesEachValueABucket(string key, string ann, string bob)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond + $"key: {key}"));
        List<int> statuses = [];
        foreach (string header in (string[])[ann, ann, bob, bob, "x: 1", "y: 2"]) // who has no value shares a bucket with others who have none
        {
            statuses.Add((await scene.CallAsync(host: "b.test", headers: header + "\r\n")).Status);
        }

        Assert.Equal([200, 429, 200, 429, 200, 429], statuses);
        Assert.Equal(3, scene.Cluster("b.test").Stats.RateLimit!.Keys.Value);
    }

    [Fact]
    [EffectOf("RateLimit", "key.path")]
    public async Task KeyPath_GivesEachPathABucket_WithoutItsQuery()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond + "key: {path: true}"));

        Assert.Equal("200 429 200", await CallsAsync(scene, "/a", "/a?b=1", "/b"));
    }

    [Fact]
    [EffectOf("RateLimit", "maxKeys")]
    public async Task MaxKeys_LetsTheOldestGo()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond + "key: {path: true}\nmaxKeys: 2"));

        Assert.Equal("200 200 429 200 200", await CallsAsync(scene, "/a", "/b", "/b", "/c", "/a"));
        Assert.Equal((2, 2), (scene.Cluster("b.test").Stats.RateLimit!.Keys.Value, scene.Cluster("b.test").Stats.RateLimit!.Evicted.Value));
    }

    [Theory]
    [EffectOf("RateLimit", "paths")]
    [InlineData("paths: [/orders, /pay/*]", "200 200 200 429 429")]
    [EffectOf("RateLimit", "exemptPaths")]
    [InlineData("exemptPaths: [/healthz]", "200 200 200 429 429")]
    public async Task Paths_SayWhichRequestsCount(string field, string statuses)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond + field));

        Assert.Equal(statuses, await CallsAsync(scene, "/healthz", "/orders?x=1", "/healthz", "/pay/back", "/orders"));
    }

    [Theory]
    [EffectOf("RateLimit", "match.headers")]
    [InlineData("{x-class: {}}", "200 200 429 429 429")]
    [EffectOf("RateLimit", "match.headers.exact")]
    [InlineData("{x-class: {exact: batch}}", "200 200 200 429 200")]
    [EffectOf("RateLimit", "match.headers.prefix")]
    [InlineData("{X-Class: {prefix: bat}}", "200 200 200 429 429")]
    [EffectOf("RateLimit", "match.headers.regex")]
    [InlineData("{x-class: {regex: 'b.*h'}}", "200 200 200 429 200")]
    public async Task MatchHeaders_SayWhichRequestsCount(string headers, string statuses)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond + $"match: {{headers: {headers}}}"));
        List<int> seen = [];
        foreach (string header in (string[])["x-other: 1", "x-class: user", "x-class: batch", "x-class: batch", "x-class: bats"])
        {
            seen.Add((await scene.CallAsync(host: "b.test", headers: header + "\r\n")).Status);
        }

        Assert.Equal(statuses.Split(' ').Select(int.Parse), seen);
    }

    [Fact]
    [EffectOf("RateLimit", "key.clientIp")]
    [EffectOf("RateLimit", "side")]
    public async Task SideCallee_StandsInFrontOfTheApplication_AndTellsCallersApart()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            RuleTexts.Caller with { AppAddress = "127.0.0.1:8080" }, null, RuleTexts.Limit("host: caller\nside: callee\ntokens: 1\nkey: {clientIp: true}"));
        List<int> statuses = [];
        foreach (string from in (string[])["10.1.1.1", "10.1.1.1", "::ffff:10.1.1.1", "10.1.1.2", "fd00::1", "fd00::1"])
        {
            MemoryConnection client = scene.ConnectInbound(new IPEndPoint(IPAddress.Parse(from), 50_000));
            await client.SendAsync("GET / HTTP/1.1\r\nHost: caller\r\n\r\n");
            statuses.Add((await scene.ReadAsync(client)).Status);
        }

        Assert.Equal([200, 429, 429, 200, 200, 429], statuses);
    }

    private static Task<string> CallsAsync(RuleScene scene, params string[] paths) => CallsToAsync(scene, "b.test", paths);

    private static async Task<string> CallsToAsync(RuleScene scene, string host, params string[] paths)
    {
        List<int> statuses = [];
        foreach (string path in paths)
        {
            statuses.Add((await scene.CallAsync(path, host)).Status);
        }

        return string.Join(' ', statuses);
    }
}
