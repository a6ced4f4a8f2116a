using Mesh.Proxy.Breakers;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>A CircuitBreaker of one route, and the time that calls on trial have, from their text to the wire.</summary>
public sealed class RuleEffectsRouteBreakerTests
{
    private const string Two = "host: a.test\nslidingWindowSize: 2\nminimumNumberOfCalls: 2\n";
    private static readonly string Search = RuleTexts.Breaker(Two + "route: search");
    private static readonly string Routes = RuleTexts.Routes(
        "- name: search\n  match: [{name: by-text, uri: {prefix: /search}}]\n  route: [{destination: {host: a.test}}]\n- name: rest\n  route: [{destination: {host: a.test}}]");

    [Fact]
    [EffectOf("CircuitBreaker", "route")]
    public async Task Route_HasABreakerOfItsOwn()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Search, Routes);
        Fail(scene);
        await scene.CallAsync("/other");
        await scene.CallAsync("/search");
        await scene.CallAsync("/search");

        Assert.Equal((503, 500), ((await scene.CallAsync("/search")).Status, (await scene.CallAsync("/other")).Status));
        BreakerView view = Assert.Single(scene.Cluster("a.test").Breakers());
        Assert.Equal(("search", BreakerState.Open), (view.Route, view.State));
    }

    [Fact]
    public async Task Route_StandsInPlaceOfTheHostsBreaker()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Search, RuleTexts.Breaker("host: a.test\nstate: forcedOpen", "all"), Routes);

        Assert.Equal((200, 503), ((await scene.CallAsync("/search")).Status, (await scene.CallAsync("/other")).Status));
    }

    [Fact]
    public async Task Push_KeepsTheStateOfTheRoutesBreaker_UntilItsRuleIsGone()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Search, Routes);
        Fail(scene);
        await scene.CallAsync("/search");
        await scene.CallAsync("/search");

        await scene.ApplyAsync(RuleTexts.Services, Search.Replace("Size: 2", "Size: 3", StringComparison.Ordinal), Routes);
        Assert.Equal(503, (await scene.CallAsync("/search")).Status);

        await scene.ApplyAsync(RuleTexts.Services, Routes);
        Assert.Equal(500, (await scene.CallAsync("/search")).Status);
        Assert.Empty(scene.Cluster("a.test").Breakers());
    }

    [Theory]
    [EffectOf("CircuitBreaker", "callTimeoutInHalfOpenState")]
    [InlineData("", null)]
    [InlineData("timeout: 1m", null)]
    [InlineData("timeout: 1s", "route_timeout; rule=default/vs#spec.http[0].timeout; limit=1000")]
    public async Task TrialThatSaysNothing_IsGivenUpInItsOwnTime_AndFails(string route, string? reason)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker(Two + "permittedNumberOfCallsInHalfOpenState: 1\ncallTimeoutInHalfOpenState: 2s"), RuleTexts.Route(route));
        Fail(scene);
        await scene.CallAsync();
        await scene.CallAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(60));

        scene.Upstreams.Answer = static _ => null;
        Answered late = await scene.SettleAsync(await scene.SendAsync());

        Assert.Equal(504, late.Status);
        Assert.Equal((reason ?? "per_try_timeout; rule=default/cb#spec.callTimeoutInHalfOpenState; limit=2000") + "; scope=sidecar", Assert.Single(late["x-mesh-reason"]));
        Assert.Equal(BreakerState.Open, scene.Cluster("a.test").BreakerState);
    }

    [Fact]
    public async Task CallThatIsNoTrial_TakesItsTime()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Two + "callTimeoutInHalfOpenState: 2s"));
        scene.Upstreams.Answer = static _ => null;
        MemoryConnection client = await scene.SendAsync();
        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 1, "the request is there");

        scene.Time.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal("", client.ReadAvailable());
        Assert.Equal(0, scene.Cluster("a.test").Stats.RqPerTryTimeout.Value);
    }

    [Fact]
    public async Task TrialInShadowMode_TakesItsTime()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker(Two + "mode: shadow\npermittedNumberOfCallsInHalfOpenState: 1\ncallTimeoutInHalfOpenState: 2s"));
        Fail(scene);
        await scene.CallAsync();
        await scene.CallAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(60));
        scene.Upstreams.Answer = static _ => null;
        MemoryConnection client = await scene.SendAsync();
        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 3, "the request is there");
        Assert.Equal(BreakerState.HalfOpen, scene.Cluster("a.test").BreakerState);

        scene.Time.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal("", client.ReadAvailable());
        Assert.Equal(0, scene.Cluster("a.test").Stats.RqPerTryTimeout.Value);
    }

    [Fact]
    public async Task TrialOfTheHostOfAFallback_IsGivenUpInItsOwnTimeToo()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker(Two + "permittedNumberOfCallsInHalfOpenState: 1\ncallTimeoutInHalfOpenState: 2s"), RuleTexts.Breaker("host: b.test\nstate: forcedOpen", "cb2"),
            RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}"));
        Fail(scene);
        await scene.CallAsync();
        await scene.CallAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(60));

        scene.Upstreams.Answer = static _ => null;
        Answered late = await scene.SettleAsync(await scene.SendAsync(host: "b.test"));

        Assert.Equal((504, 1, BreakerState.Open), (late.Status, scene.Cluster("a.test").Stats.RqPerTryTimeout.Value, scene.Cluster("a.test").BreakerState));
    }

    [Fact]
    public async Task CallOfAFallback_IsNotOfARouteThatHasTheSameNameByChance()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker("host: a.test\nroute: search\nstate: forcedOpen"), Routes, RuleTexts.Breaker("host: b.test\nstate: forcedOpen", "cb2"),
            RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}"), RuleTexts.Virtual("hosts: [b.test]\nhttp: [{name: search, route: [{destination: {host: b.test}}]}]", "vs2"));

        Assert.Equal((200, 503), ((await scene.CallAsync("/search", "b.test")).Status, (await scene.CallAsync("/search")).Status));
    }

    private static void Fail(RuleScene scene) => scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
}
