using System.Globalization;
using Mesh.Proxy.Breakers;
using Mesh.Testing;
using Xunit;
using static Mesh.Proxy.Tests.Component.BreakerCalls;

namespace Mesh.Proxy.Tests.Component;

/// <summary>CircuitBreaker, from its text to the wire.</summary>
public sealed class RuleEffectsBreakerTests
{
    [Fact]
    [EffectOf("CircuitBreaker", "host")]
    [EffectOf("CircuitBreaker", "slidingWindowSize")]
    [EffectOf("CircuitBreaker", "waitDurationInOpenState")]
    [EffectOf("CircuitBreaker", "permittedNumberOfCallsInHalfOpenState")]
    public async Task Circuit_OpensAndRefuses_TriesAgain_AndCloses()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small + "waitDurationInOpenState: 10s"));
        Answer(scene, 500);
        Assert.Equal("500 500 500 500", await CallsAsync(scene, 4));

        scene.Time.Advance(TimeSpan.FromSeconds(3));
        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Empty(refused.Attempts);
        Assert.Equal((503, "circuit breaker open"), (refused.Status, refused.Body));
        Assert.Equal(["circuit_open; rule=default/cb#spec.failureRateThreshold; limit=50; now=100; scope=sidecar"], refused["x-mesh-reason"]);
        Assert.Equal(["true", "open", "7", "not-sent"], [.. refused["x-envoy-overloaded"], .. refused["x-mesh-breaker"], .. refused["retry-after"], .. refused["x-mesh-outcome"]]);
        Assert.Single((await scene.CallAsync(host: "a.test")).Attempts); // another service's calls go out
        Assert.Equal(1, scene.Cluster("b.test").Stats.Breaker!.Rejected.Value);

        Answer(scene, 200);
        scene.Time.Advance(TimeSpan.FromSeconds(7));
        Assert.Equal("200 200 200", await CallsAsync(scene, 3));
        Assert.Equal(BreakerState.Closed, scene.Cluster("b.test").BreakerState);
        Assert.Equal((1, 1, 1), (scene.Cluster("b.test").Stats.Breaker!.Opened.Value, scene.Cluster("b.test").Stats.Breaker!.HalfOpened.Value, scene.Cluster("b.test").Stats.Breaker!.Closed.Value));
    }

    [Fact]
    [EffectOf("CircuitBreaker", "maxWaitDurationInHalfOpenState")]
    public async Task Trial_TakesItsCallsAndNoMore_AndAHungOneEndsIt()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small + "maxWaitDurationInHalfOpenState: 5s"));
        Answer(scene, 500);
        await CallsAsync(scene, 4);
        scene.Time.Advance(TimeSpan.FromSeconds(60));
        scene.Upstreams.Answer = static _ => null;
        await scene.SendAsync(host: "b.test");
        await scene.SendAsync(host: "b.test");

        Answered third = await scene.CallAsync(host: "b.test");
        Assert.Equal(["half_open"], third["x-mesh-breaker"]);
        Assert.Equal(BreakerState.HalfOpen, scene.Cluster("b.test").BreakerState);

        scene.Time.Advance(TimeSpan.FromSeconds(5));
        Answered late = await scene.CallAsync(host: "b.test");
        Assert.Equal(["open"], late["x-mesh-breaker"]);
        Assert.Equal(6, scene.Upstreams.Seen.Count(static s => s.Address.StartsWith("10.0.1.1", StringComparison.Ordinal)));
    }

    [Theory]
    [EffectOf("CircuitBreaker", "failureRateThreshold")]
    [InlineData("failureRateThreshold: 75", 2, false)]
    [InlineData("failureRateThreshold: 75", 3, true)]
    [EffectOf("CircuitBreaker", "minimumNumberOfCalls")]
    [InlineData("slidingWindowSize: 8\nminimumNumberOfCalls: 5", 4, false)]
    [InlineData("slidingWindowSize: 8\nminimumNumberOfCalls: 4", 4, true)]
    [EffectOf("CircuitBreaker", "state")]
    [InlineData("state: disabled", 4, false)]
    [InlineData("state: metricsOnly", 4, false)]
    [InlineData("state: auto", 4, true)]
    [InlineData("state: forcedOpen", 0, true)]
    [EffectOf("CircuitBreaker", "mode")]
    [InlineData("mode: shadow", 4, false)]
    [InlineData("mode: enforce", 4, true)]
    [EffectOf("CircuitBreaker", "ignoredCodes")]
    [InlineData("ignoredCodes: [500]", 4, false)]
    [EffectOf("CircuitBreaker", "failures")]
    [InlineData("failures: [gateway-error]", 4, false)]
    [InlineData("failures: [\"500\"]", 4, true)]
    [EffectOf("CircuitBreaker", "port")]
    [InlineData("port: 80", 4, true)]
    [InlineData("port: 8080", 4, false)]
    public async Task FourCalls_OfWhichSomeFail_OpenItOrDoNot(string fields, int failures, bool isOpen)
    {
        string rule = string.Join('\n', Small.TrimEnd().Split('\n').Where(l => !fields.Contains(l.Split(':')[0], StringComparison.Ordinal)).Append(fields));
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(rule));
        for (int i = 0; i < 4; i++)
        {
            Answer(scene, i < failures ? 500 : 200);
            await scene.CallAsync(host: "b.test");
        }

        Answer(scene, 200);
        Assert.Equal(isOpen ? 503 : 200, (await scene.CallAsync(host: "b.test")).Status);
    }

    [Fact]
    public async Task ShadowMode_CountsWhatItWouldRefuse()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small + "mode: shadow"));
        Answer(scene, 500);

        Assert.Equal("500 500 500 500 500 500", await CallsAsync(scene, 6));

        Assert.Equal((2, 0), (scene.Cluster("b.test").Stats.Breaker!.ShadowRejected.Value, scene.Cluster("b.test").Stats.Breaker!.Rejected.Value));
    }

    [Fact]
    [EffectOf("CircuitBreaker", "subset")]
    public async Task Subset_HasABreakerOfItsOwn()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}]"),
            RuleTexts.Breaker("host: a.test\nsubset: v1\nslidingWindowSize: 2\nminimumNumberOfCalls: 2"),
            RuleTexts.Routes("- match: [{uri: {prefix: /v1}}]\n  route: [{destination: {host: a.test, subset: v1}}]\n- route: [{destination: {host: a.test}}]"));
        Answer(scene, 500);
        await scene.CallAsync("/v1");
        await scene.CallAsync("/v1");

        Assert.Equal((503, 500), ((await scene.CallAsync("/v1")).Status, (await scene.CallAsync("/")).Status));
    }

    [Theory]
    [EffectOf("CircuitBreaker", "slidingWindowType")]
    [InlineData("COUNT_BASED", true)]
    [InlineData("TIME_BASED", false)]
    public async Task SlidingWindowType_SaysWhetherOldCallsCount(string type, bool isOpen)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small + $"slidingWindowType: {type}"));
        Answer(scene, 500);
        await CallsAsync(scene, 2);
        scene.Time.Advance(TimeSpan.FromSeconds(4));
        await CallsAsync(scene, 2);

        Assert.Equal(isOpen ? BreakerState.Open : BreakerState.Closed, scene.Cluster("b.test").BreakerState);
    }

    [Theory]
    [EffectOf("CircuitBreaker", "slowCallDurationThreshold")]
    [InlineData("slowCallDurationThreshold: 2s", true)]
    [InlineData("slowCallDurationThreshold: 4s", false)]
    [EffectOf("CircuitBreaker", "slowCallRateThreshold")]
    [InlineData("slowCallDurationThreshold: 2s\nslowCallRateThreshold: 75", true)]
    [InlineData("slowCallDurationThreshold: 2s\nslowCallRateThreshold: 76", false)]
    public async Task SlowCalls_OpenIt(string fields, bool isOpen)
    {
        bool allSlow = !fields.Contains("Rate", StringComparison.Ordinal);
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small + fields));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.Connect();
        MemoryConnection? upstream = null;
        for (int i = 0; i < 4; i++)
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
            upstream ??= (await scene.Upstreams.AcceptAsync()).Connection;
            await upstream.ReadHeadAsync();
            scene.Time.Advance(TimeSpan.FromSeconds(i > 0 || allSlow ? 3 : 1));
            await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
            await client.ReadHeadAsync();
        }

        Assert.Equal(isOpen ? BreakerState.Open : BreakerState.Closed, scene.Cluster("b.test").BreakerState);
    }

    [Theory]
    [EffectOf("CircuitBreaker", "waitDurationGrowth")]
    [InlineData("waitDurationGrowth: 3", 180)]
    [InlineData("", 60)]
    [EffectOf("CircuitBreaker", "maxWaitDurationInOpenState")]
    [InlineData("waitDurationGrowth: 3\nmaxWaitDurationInOpenState: 100s", 100)]
    public async Task SecondOpening_LastsLonger(string fields, int seconds)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small + fields));
        Answer(scene, 500);
        await CallsAsync(scene, 4);
        scene.Time.Advance(TimeSpan.FromSeconds(60));
        await CallsAsync(scene, 2);

        Assert.Equal([seconds.ToString(CultureInfo.InvariantCulture)], (await scene.CallAsync(host: "b.test"))["retry-after"]);
    }

    [Fact]
    [EffectOf("CircuitBreaker", "recoveryDuration")]
    public async Task RecoveryDuration_LetsASharePassAtFirst()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(null, new ScriptedRandom([.. Enumerable.Repeat(50, 1000)]), RuleTexts.Services, RuleTexts.Breaker(Small + "recoveryDuration: 90s"));
        Answer(scene, 500);
        await CallsAsync(scene, 4);
        scene.Time.Advance(TimeSpan.FromSeconds(60));
        Answer(scene, 200);
        await CallsAsync(scene, 2);

        Answered early = await scene.CallAsync(host: "b.test");
        scene.Time.Advance(TimeSpan.FromSeconds(45));
        Answered late = await scene.CallAsync(host: "b.test");

        Assert.Equal((503, "recovering", 200), (early.Status, Assert.Single(early["x-mesh-breaker"]), late.Status));
    }

    [Fact]
    [EffectOf("CircuitBreaker", "exemptPaths")]
    public async Task ExemptPaths_PassAndDoNotCount()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small + "exemptPaths: [/cancel, /pay/*]"));
        Answer(scene, 500);
        await scene.CallAsync("/cancel?id=1", "b.test");
        await scene.CallAsync("/pay/back", "b.test");
        Assert.Equal(0, scene.Cluster("b.test").BreakerFigures.Calls);

        await CallsAsync(scene, 4);
        Answer(scene, 200);
        Assert.Equal((200, 200, 503, 503), (
            (await scene.CallAsync("/cancel?id=1", "b.test")).Status, (await scene.CallAsync("/pay/back", "b.test")).Status,
            (await scene.CallAsync("/cancelled", "b.test")).Status, (await scene.CallAsync("/", "b.test")).Status));
    }

    [Theory]
    [InlineData("[connect-failure]", true)]
    [InlineData("[5xx]", false)] // and then they count as calls that went well
    public async Task ConnectFailures_CountWhenTheyAreListed(string failures, bool isOpen)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Small + $"failures: {failures}"), RuleTexts.Policy("connectionPool: {http: {maxRetries: 0}}", "b.test"));
        scene.Upstreams.Refuses = static _ => true;
        for (int i = 0; i < 4; i++)
        {
            await scene.SettleAsync(await scene.SendAsync(host: "b.test"));
        }

        Assert.Equal((isOpen ? BreakerState.Open : BreakerState.Closed, 4), (scene.Cluster("b.test").BreakerState, scene.Cluster("b.test").BreakerFigures.Calls));
    }
}
