using Mesh.Proxy.Breakers;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>CircuitBreaker of scope mesh, from its text and the control plane's orders to the wire.</summary>
public sealed class RuleEffectsMeshBreakerTests
{
    private const string Shared = "host: b.test\nscope: mesh\nslidingWindowSize: 4\nminimumNumberOfCalls: 4\n";

    [Fact]
    [EffectOf("CircuitBreaker", "scope")]
    public async Task Order_DecidesForACallerThatNeverSawAFailure()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        Follow(scene, CircuitState.Open, 7);

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Empty(refused.Attempts);
        Assert.Equal(503, refused.Status);
        Assert.Equal(["circuit_open; rule=default/cb#spec.failureRateThreshold; limit=50; now=80; scope=mesh"], refused["x-mesh-reason"]);
        Assert.Equal(["true", "open", "5", "not-sent"], [.. refused["x-envoy-overloaded"], .. refused["x-mesh-breaker"], .. refused["retry-after"], .. refused["x-mesh-outcome"]]);
        Assert.Single((await scene.CallAsync(host: "a.test")).Attempts);
    }

    [Fact]
    [EffectOf("CircuitBreaker", "scope")]
    public async Task OwnFailures_DecideNothing_WhileAnOrderHolds()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        Follow(scene, CircuitState.Closed, 1);
        Answer(scene, 500);

        Assert.Equal("500 500 500 500 500 500", await CallsAsync(scene, 6));

        CircuitReport report = scene.Cluster("b.test").ReportCircuit()!;
        Assert.Equal(("CircuitBreaker/default/cb", "outbound|80||b.test", 6, 6, 1), (report.Rule, report.Cluster, report.Calls, report.Failures, report.Epoch));
        Assert.Null(scene.Cluster().ReportCircuit());
    }

    [Fact]
    public async Task Prober_SendsItsTrials_AndSaysSoAtOnce()
    {
        int told = 0;
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        scene.Clusters.OnBreakerNews = () => Interlocked.Increment(ref told);
        Answer(scene, 200);
        await CallsAsync(scene, 1);
        Follow(scene, CircuitState.Open, 1);
        Follow(scene, CircuitState.HalfOpen, 2, trials: 2);
        Assert.Equal(0, told);

        Assert.Equal("200 200 503 503", await CallsAsync(scene, 4));

        Assert.Equal((2, 2, 1), (told, scene.Cluster("b.test").ReportCircuit()!.Trials, scene.Cluster("b.test").ReportCircuit()!.Calls));
        Assert.Equal(2, scene.Cluster("b.test").CircuitOrder!.Value.Taken);
        Answered refused = await scene.CallAsync(host: "b.test");
        Assert.Equal(["circuit_open; rule=default/cb#spec.permittedNumberOfCallsInHalfOpenState; limit=2; now=2; scope=mesh"], refused["x-mesh-reason"]);
        Follow(scene, CircuitState.Closed, 3);
        Assert.Equal("200", await CallsAsync(scene, 1));
    }

    [Fact]
    public async Task WhoIsNoProber_HearsThatOthersTry()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        Follow(scene, CircuitState.HalfOpen, 1);

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Equal(["circuit_open; rule=default/cb#spec.probers; detail=\"other callers are trying\"; scope=mesh"], refused["x-mesh-reason"]);
        Assert.Equal(["half_open", "5"], [.. refused["x-mesh-breaker"], .. refused["retry-after"]]);
    }

    [Fact]
    public async Task WhoIsNoProber_AndHasTrafficAgain_SaysSoAtOnce_AndOnce()
    {
        int told = 0;
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        scene.Clusters.OnBreakerNews = () => Interlocked.Increment(ref told);
        Follow(scene, CircuitState.Open, 1);
        await CallsAsync(scene, 2);
        Assert.Equal((0, 2), (told, scene.Cluster("b.test").ReportCircuit()!.Refused)); // the next report is soon enough: nobody tries yet

        scene.Time.Advance(TimeSpan.FromSeconds(3));
        Follow(scene, CircuitState.HalfOpen, 2);
        await CallsAsync(scene, 3);
        Assert.Equal((1, 5), (told, scene.Cluster("b.test").ReportCircuit()!.Refused));

        scene.Time.Advance(TimeSpan.FromSeconds(1.5));
        await CallsAsync(scene, 1);
        Assert.Equal(1, told); // reports say that it has calls
        scene.Time.Advance(TimeSpan.FromSeconds(2.5));
        await CallsAsync(scene, 1);
        Assert.Equal(2, told);
    }

    [Fact]
    public async Task CallOnTrial_IsSaidToBeUnderWay_UntilItsAnswer()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        Follow(scene, CircuitState.HalfOpen, 1, trials: 2);
        CircuitReport? meanwhile = null;
        scene.Upstreams.Answer = _ =>
        {
            meanwhile = scene.Cluster("b.test").ReportCircuit();
            return AnsweringUpstreams.Text(200, "");
        };

        await CallsAsync(scene, 1);

        CircuitReport after = scene.Cluster("b.test").ReportCircuit()!;
        Assert.Equal((1, 0, 0, 1), (meanwhile!.TrialsUnderWay, meanwhile.Trials, after.TrialsUnderWay, after.Trials));
    }

    [Fact]
    public async Task OwnFailuresBeyondTheThreshold_AreSaidAtOnce_AndOnce()
    {
        int told = 0;
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        scene.Clusters.OnBreakerNews = () => Interlocked.Increment(ref told);
        Follow(scene, CircuitState.Closed, 1);
        Answer(scene, 500);
        await CallsAsync(scene, 3);
        Assert.Equal(0, told);

        await CallsAsync(scene, 5);
        Assert.Equal(1, told);
        Answer(scene, 200);
        await CallsAsync(scene, 4);
        Answer(scene, 500);
        await CallsAsync(scene, 4);
        Assert.Equal(2, told);
    }

    [Fact]
    public async Task Expiry_ComesByItself_AndIsSaid()
    {
        List<BreakerEvent> events = [];
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        scene.Clusters.OnBreaker = events.Add;
        Follow(scene, CircuitState.Open, 7);
        scene.Time.Advance(TimeSpan.FromSeconds(6));
        Follow(scene, CircuitState.Open, 7);
        scene.Time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(BreakerState.Open, scene.Cluster("b.test").BreakerState);

        scene.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal((BreakerState.Closed, null), (scene.Cluster("b.test").BreakerState, scene.Cluster("b.test").CircuitOrder));
        Assert.Equal([("closed", "open", "mesh", 7L), ("open", "closed", "order_expired", 0L)], events.Select(static e => (e.From, e.To, e.Reason, e.Order?.Epoch ?? 0)));
        Assert.Equal(1, scene.Cluster("b.test").Stats.Breaker!.Expired.Value);
        Follow(scene, CircuitState.Open, 6);
        Assert.Equal((BreakerState.Closed, 1), (scene.Cluster("b.test").BreakerState, scene.Cluster("b.test").Stats.Breaker!.Stale.Value));
        Answer(scene, 500);
        Assert.Equal("500 500 500 500 503", await CallsAsync(scene, 5)); // its own judgement again
    }

    [Fact]
    public async Task ShadowMode_CountsWhatTheMeshWouldHaveRefused()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared + "mode: shadow"));
        Follow(scene, CircuitState.Open, 1);
        Answer(scene, 200);

        Assert.Equal("200 200", await CallsAsync(scene, 2));

        Assert.Equal((2, 0, 0), (scene.Cluster("b.test").Stats.Breaker!.ShadowRejected.Value, scene.Cluster("b.test").Stats.Breaker!.Rejected.Value, scene.Cluster("b.test").ReportCircuit()!.Calls));
    }

    [Fact]
    public async Task ExemptPathsAndIgnoredCodes_AreAsInAnyBreaker()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared + "exemptPaths: [/cancel]\nignoredCodes: [429]"));
        Follow(scene, CircuitState.HalfOpen, 1, trials: 1);
        Answer(scene, 429);

        Assert.Equal("429 429", await CallsAsync(scene, 2)); // each gives its place back
        Assert.Equal(429, (await scene.CallAsync("/cancel", "b.test")).Status);

        Assert.Equal((0, 0), (scene.Cluster("b.test").ReportCircuit()!.Trials, scene.Cluster("b.test").CircuitOrder!.Value.Taken));
    }

    [Fact]
    public async Task Retry_DoesNotKnockAtACircuitThatTheMeshHasOpened()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker("host: a.test\nscope: mesh"), RuleTexts.Route("retries: {attempts: 5, retryOn: 5xx}"));
        int calls = 0;
        scene.Upstreams.Answer = _ =>
        {
            if (++calls == 2)
            {
                Follow(scene, CircuitState.Open, 1, host: "a.test");
            }

            return AnsweringUpstreams.Text(500, "");
        };

        Answered answer = await scene.SettleAsync(await scene.SendAsync());

        Assert.Equal((500, 2), (answer.Status, scene.Upstreams.Seen.Count));
    }

    [Fact]
    public async Task OpenedByHand_SaysSo()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        scene.Cluster("b.test").Follow(new CircuitOrder("CircuitBreaker/default/cb", "outbound|80||b.test", CircuitState.Open, 1, 10_000, 0, 0, "", 0, 0));

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Equal(["circuit_open; rule=default/cb#spec; detail=\"opened by hand\"; scope=mesh"], refused["x-mesh-reason"]);
        Assert.Empty(refused["retry-after"]);
    }

    [Fact]
    public async Task ClusterThatIsGone_FollowsNothing()
    {
        List<BreakerEvent> events = [];
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Shared));
        scene.Clusters.OnBreaker = events.Add;
        Follow(scene, CircuitState.Closed, 1);
        Mesh.Proxy.Upstream.Cluster gone = scene.Cluster("b.test");
        await scene.ApplyAsync();

        gone.Follow(new CircuitOrder("CircuitBreaker/default/cb", gone.Name, CircuitState.Open, 2, 10_000, 0, 0, "", 0, 0));
        scene.Time.Advance(TimeSpan.FromMinutes(1));

        Assert.Empty(events);
    }

    private static void Follow(RuleScene scene, CircuitState state, long epoch, int trials = 0, string host = "b.test") => scene.Cluster(host).Follow(
        new CircuitOrder("CircuitBreaker/default/cb", $"outbound|80||{host}", state, epoch, 10_000, trials, 5_000, "failureRateThreshold", 50, 80));

    private static void Answer(RuleScene scene, int status) => scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(status, "");

    private static async Task<string> CallsAsync(RuleScene scene, int count)
    {
        List<int> statuses = [];
        for (int i = 0; i < count; i++)
        {
            statuses.Add((await scene.CallAsync(host: "b.test")).Status);
        }

        return string.Join(' ', statuses);
    }
}
