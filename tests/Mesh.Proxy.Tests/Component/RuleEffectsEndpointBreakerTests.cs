using Mesh.Proxy.Breakers;
using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>A CircuitBreaker for each endpoint of a host, from its text to the wire. Without luck the load balancer always takes the first endpoint that it may.</summary>
public sealed class RuleEffectsEndpointBreakerTests
{
    private const string One = "10.0.0.1:80";
    private const string Other = "10.0.0.2:80";
    private const string Spec = "host: a.test\nper: endpoint\nslidingWindowSize: 2\nminimumNumberOfCalls: 2\npermittedNumberOfCallsInHalfOpenState: 1\n";
    private static readonly string Rule = RuleTexts.Breaker(Spec);
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(60);

    [Fact]
    [EffectOf("CircuitBreaker", "per")]
    public async Task FailingEndpoint_IsLeftOut_TriedByOneCall_AndComesBack()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Rule);
        Fail(scene, One);
        Assert.Equal("500@1 500@1 200@2 200@2", await CallsAsync(scene, 4));
        Assert.Equal((true, false, 1), (scene.Cluster().Endpoints[0].IsOpen, scene.Cluster().Endpoints[1].IsOpen, scene.Cluster().Stats.MembershipHealthy.Value));
        Assert.Equal((BreakerState.Closed, (1, 0)), (scene.Cluster().BreakerState, scene.Cluster().BrokenEndpoints)); // together they take calls

        scene.Time.Advance(Wait);
        Assert.Equal((0, 1), scene.Cluster().BrokenEndpoints); // without a call
        Assert.Equal("500@1 200@2", await CallsAsync(scene, 2));
        scene.Time.Advance(Wait);
        Fail(scene);
        Assert.Equal("200@1 200@1", await CallsAsync(scene, 2));
        Assert.Equal((2, 2, 1), (scene.Cluster().Stats.Breaker!.Opened.Value, scene.Cluster().Stats.Breaker!.HalfOpened.Value, scene.Cluster().Stats.Breaker!.Closed.Value));
    }

    [Fact]
    public async Task AllEndpointsOpen_CallIsRefused_ByTheBreakersWord()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Rule);
        Fail(scene, One, Other);
        Assert.Equal("500@1 500@1 500@2 500@2", await CallsAsync(scene, 4));
        scene.Time.Advance(TimeSpan.FromSeconds(20));

        Answered refused = await scene.CallAsync();

        Assert.Empty(refused.Attempts);
        Assert.Equal((503, "open", "40"), (refused.Status, Assert.Single(refused["x-mesh-breaker"]), Assert.Single(refused["retry-after"])));
        Assert.StartsWith("circuit_open; rule=default/cb#spec.failureRateThreshold; limit=50; now=100", Assert.Single(refused["x-mesh-reason"]), StringComparison.Ordinal);
        Assert.Contains("10.0.0.1:80 is tried first", Assert.Single(refused["x-mesh-reason"]), StringComparison.Ordinal);
        Assert.Equal((BreakerState.Open, 1), (scene.Cluster().BreakerState, scene.Cluster().Stats.Breaker!.Rejected.Value));
        for (int i = 0; i < 4; i++)
        {
            await scene.Sink.NextAsync();
        }

        Assert.Equal(ResponseFlag.UO, (await scene.Sink.NextAsync()).Flag);
    }

    [Fact]
    public async Task Trial_TakesNoMoreThanItsCalls_OthersGoBesideIt()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Rule);
        Fail(scene, One);
        await CallsAsync(scene, 2);
        scene.Time.Advance(Wait);
        scene.Upstreams.Answer = static r => r.Address == One ? null : AnsweringUpstreams.Text(200, "");
        MemoryConnection trial = await scene.SendAsync();
        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 3, "the trial is there");

        Assert.Equal("200@2 200@2", await CallsAsync(scene, 2));
        Assert.Equal("", trial.ReadAvailable());
    }

    [Fact]
    public async Task TrialThatCannotConnect_HoldsNoMoreCallsThanItHasPlaces()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Rule, RuleTexts.Route("retries: {attempts: 0}"));
        scene.Upstreams.Refuses = static a => a == One;
        Assert.Equal("503 503 200@2", await CallsAsync(scene, 3)); // no connection counts too
        scene.Time.Advance(Wait);
        scene.Upstreams.Refuses = static _ => false;
        scene.Upstreams.Hangs = true;
        MemoryConnection trial = await scene.SendAsync();
        await Eventually.HoldsAsync(() => scene.Cluster().Stats.RqPendingActive.Value == 1, "the trial waits for a connection");
        scene.Upstreams.Hangs = false;

        Assert.Equal("200@2 200@2", await CallsAsync(scene, 2));
        Assert.Equal(503, (await scene.SettleAsync(trial)).Status); // connectTimeout
        Assert.Equal((1, 0), scene.Cluster().BrokenEndpoints);
    }

    [Fact]
    public async Task CallThatWaitedAtAnEndpointThatOpens_GoesToAnother()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker(Spec.Replace("Size: 2", "Size: 1", StringComparison.Ordinal)), RuleTexts.Policy("connectionPool: {tcp: {maxConnections: 1}}"));
        scene.Upstreams.IsManual = true;
        MemoryConnection first = await scene.SendAsync();
        (string address, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        MemoryConnection second = await scene.SendAsync();
        await Eventually.HoldsAsync(() => scene.Cluster().Stats.RqPendingActive.Value == 1, "the second waits");

        scene.Upstreams.IsManual = false;
        await upstream.SendAsync(AnsweringUpstreams.Text(500, ""));

        Assert.StartsWith("HTTP/1.1 500 ", await first.ReadHeadAsync(), StringComparison.Ordinal);
        Answered answered = await scene.ReadAsync(second);
        Assert.Equal((One, Other), (address, answered.Body));
        Assert.Equal("1", Assert.Single(answered.Sent["x-envoy-attempt-count"])); // nothing had gone out before
        Assert.Equal(0, scene.Cluster().Stats.Breaker!.Rejected.Value);
    }

    [Fact]
    public async Task Retry_GoesToAnother_AndNowhereWhenAllAreOpen()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker(Spec.Replace("Size: 2", "Size: 1", StringComparison.Ordinal)), RuleTexts.Route("retries: {attempts: 1, retryOn: 5xx}"));
        Fail(scene, One);
        Answered retried = await scene.SettleAsync(await scene.SendAsync());
        Assert.Equal((200, "10.0.0.1:80 10.0.0.2:80"), (retried.Status, string.Join(' ', retried.Attempts.Select(static a => a.Address))));

        Fail(scene, Other);
        Answered last = await scene.SettleAsync(await scene.SendAsync());

        Assert.Equal((500, 3), (last.Status, scene.Upstreams.Seen.Count)); // the upstream's own answer
    }

    [Fact]
    public async Task Key_IsLedPastAnOpenEndpoint_AndBackToIt()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Rule, RuleTexts.Policy("loadBalancer: {consistentHash: {httpHeaderName: x-user}}"));
        string home = (await scene.CallAsync(headers: "x-user: anna\r\n")).Sent.Address;
        Fail(scene, home);
        await scene.CallAsync(headers: "x-user: anna\r\n");
        await scene.CallAsync(headers: "x-user: anna\r\n");

        Assert.NotEqual(home, (await scene.CallAsync(headers: "x-user: anna\r\n")).Sent.Address);

        Fail(scene);
        scene.Time.Advance(Wait);
        await Eventually.HoldsAsync(() => !scene.Cluster().IsHostSetStale, "the tables are built");
        Assert.Equal(home, (await scene.CallAsync(headers: "x-user: anna\r\n")).Sent.Address);
    }

    [Fact]
    public async Task Recovery_GivesTheEndpointAGrowingShare_OthersTheRest()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, new SomeLuck(), RuleTexts.Services, RuleTexts.Breaker(Spec + "recoveryDuration: 100s"));
        Fail(scene, One);
        await CallsAsync(scene, 2);
        scene.Time.Advance(Wait);
        Fail(scene);
        Assert.Equal("200@1 200@2", await CallsAsync(scene, 2)); // its trial; then it takes a tenth, and no call is that lucky
        scene.Time.Advance(TimeSpan.FromSeconds(100));
        Assert.Equal("200@1", await CallsAsync(scene, 1));
    }

    [Fact]
    public async Task RecoveryOfAllAtOnce_LetsThroughWhatEachLetsThrough()
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, new SomeLuck(), RuleTexts.Services, RuleTexts.Breaker(Spec + "recoveryDuration: 100s"));
        Fail(scene, One, Other);
        await CallsAsync(scene, 4);
        scene.Time.Advance(Wait);
        Fail(scene);
        Assert.Equal("200@1 200@2", await CallsAsync(scene, 2));

        Answered refused = await scene.CallAsync();

        Assert.Equal((503, "recovering"), (refused.Status, Assert.Single(refused["x-mesh-breaker"])));
    }

    [Fact]
    public async Task Waits_GrowForEachEndpoint()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Spec + "waitDurationGrowth: 3"));
        Fail(scene, One);
        Assert.Equal("500@1 500@1 200@2", await CallsAsync(scene, 3));
        scene.Time.Advance(Wait);
        Assert.Equal("500@1 200@2", await CallsAsync(scene, 2));
        scene.Time.Advance(Wait * 2);
        Assert.Equal("200@2", await CallsAsync(scene, 1));
        scene.Time.Advance(Wait);
        Assert.Equal("500@1", await CallsAsync(scene, 1));
    }

    [Fact]
    public async Task ForcedOpen_RefusesAllButExemptPaths_AndDisabledNothing()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Spec + "state: forcedOpen\nexemptPaths: [/cancel]"));
        Answered refused = await scene.CallAsync();
        Assert.Equal((503, "forced_open", 200), (refused.Status, Assert.Single(refused["x-mesh-breaker"]), (await scene.CallAsync("/cancel")).Status));

        await scene.ApplyAsync(RuleTexts.Services, RuleTexts.Breaker(Spec + "state: disabled"));
        Fail(scene, One);
        Assert.Equal("500@1 500@1 500@1", await CallsAsync(scene, 3));
    }

    [Fact]
    public async Task ShadowMode_LeavesNobodyOut_AndCountsWhatWouldHaveGoneElsewhere()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker(Spec + "mode: shadow"));
        Fail(scene, One);

        Assert.Equal("500@1 500@1 500@1 500@1", await CallsAsync(scene, 4));

        Assert.Equal((2, 0, 2), (scene.Cluster().Stats.Breaker!.ShadowRejected.Value, scene.Cluster().Stats.Breaker!.Rejected.Value, scene.Cluster().Stats.MembershipHealthy.Value));
    }

    [Fact]
    public async Task OutlierDetection_GivesWayToIt()
    {
        string policy = RuleTexts.Policy("outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}");
        await using RuleScene scene = await RuleScene.StartAsync(Rule, policy);
        Fail(scene, One);
        Assert.Equal("500@1 500@1 200@2", await CallsAsync(scene, 3));
        Assert.False(scene.Cluster().Endpoints[0].IsEjected);

        await scene.ApplyAsync(RuleTexts.Services, policy);
        Assert.Equal("500@1 200@2", await CallsAsync(scene, 2));
    }

    [Fact]
    public async Task RouteWithABreakerOfItsOwn_GoesByThatOne()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Rule, RuleTexts.Breaker("host: a.test\nroute: search", "search"),
            RuleTexts.Routes("- name: search\n  match: [{uri: {prefix: /search}}]\n  route: [{destination: {host: a.test}}]\n- name: rest\n  route: [{destination: {host: a.test}}]"));
        Fail(scene, One, Other);
        await CallsAsync(scene, 4);

        Assert.Equal((503, 500), ((await scene.CallAsync()).Status, (await scene.CallAsync("/search")).Status));
    }

    [Fact]
    public async Task Subset_HasBreakersOfItsOwn()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Rule, RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}]"),
            RuleTexts.Routes("- match: [{uri: {prefix: /v1}}]\n  route: [{destination: {host: a.test, subset: v1}}]\n- route: [{destination: {host: a.test}}]"));
        Fail(scene, One);
        Assert.Equal("500@1 500@1", await CallsAsync(scene, 2, "/v1"));

        Assert.Equal("503", await CallsAsync(scene, 1, "/v1"));
        Assert.Equal("500@1", await CallsAsync(scene, 1));
    }

    [Fact]
    public async Task Mirror_IsNotSentToAnOpenEndpoint()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker(Spec.Replace("a.test", "b.test", StringComparison.Ordinal).Replace("Size: 2", "Size: 1", StringComparison.Ordinal)), RuleTexts.Route("mirror: {host: b.test}"));
        Fail(scene, "10.0.1.1:80");
        Assert.Equal(500, (await scene.CallAsync(host: "b.test")).Status);

        await scene.CallAsync();

        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RqByCode[503] == 1, "the copy is refused");
        Assert.Single(scene.Upstreams.Seen, static s => s.Address == "10.0.1.1:80");
    }

    [Fact]
    public async Task Fallback_AnswersForAllThatAreOpen_AndAsksTheirBreakersOfItsOwnHost()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker(Spec.Replace("a.test", "b.test", StringComparison.Ordinal).Replace("Size: 2", "Size: 1", StringComparison.Ordinal), "b"), Rule,
            RuleTexts.Fallback("host: b.test\ndestination: {host: a.test}"));
        Fail(scene, "10.0.1.1:80", One);
        await scene.CallAsync(host: "b.test");

        Assert.Equal("500@1 500@1 200@2", await CallsAsync(scene, 3, host: "b.test"));
    }

    [Fact]
    public async Task HostsOnDemand_HaveABreakerEach()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Entry("hosts: ['*.wild.test']\nresolution: DYNAMIC_DNS\nports: [{number: 80, name: http, protocol: HTTP}]", "wild"),
            RuleTexts.Breaker(Spec.Replace("a.test", "'*.wild.test'", StringComparison.Ordinal)));
        scene.Dns.Set("x.wild.test", 3000, "10.7.0.1");
        scene.Dns.Set("y.wild.test", 3000, "10.7.0.2");
        Fail(scene, "10.7.0.1:80");
        await scene.CallAsync(host: "x.wild.test");
        await scene.CallAsync(host: "x.wild.test");

        Answered refused = await scene.CallAsync(host: "x.wild.test");

        Assert.Equal((503, "open"), (refused.Status, Assert.Single(refused["x-mesh-breaker"])));
        Assert.Equal(200, (await scene.CallAsync(host: "y.wild.test")).Status);
        scene.Time.Advance(Wait);
        Assert.Equal(500, (await scene.CallAsync(host: "x.wild.test")).Status);
    }

    [Fact]
    public async Task Push_KeepsTheStateOfEndpointsThatStay_OthersBeginClosed()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Rule);
        Fail(scene, One, Other);
        await CallsAsync(scene, 4);

        await scene.ApplyAsync(RuleTexts.Services.Replace("10.0.0.2", "10.0.0.3", StringComparison.Ordinal), RuleTexts.Breaker(Spec + "failureRateThreshold: 60"));
        Assert.Equal((2, (1, 0)), (scene.Cluster().Endpoints.Count, scene.Cluster().BrokenEndpoints));
        Assert.Equal("200@3", await CallsAsync(scene, 1));

        await scene.ApplyAsync(RuleTexts.Services, Rule);
        Assert.Equal("500@2", await CallsAsync(scene, 1)); // it came back with a clean record

        await scene.ApplyAsync(RuleTexts.Services);
        Assert.Equal("500@1", await CallsAsync(scene, 1));
        Assert.Empty(scene.Cluster().Breakers());
    }

    [Fact]
    public async Task Events_NameTheEndpoint()
    {
        await using RuleScene scene = await RuleScene.StartAsync(Rule);
        List<BreakerEvent> events = [];
        scene.Clusters.OnBreaker = events.Add;
        Fail(scene, One);
        await CallsAsync(scene, 2);
        scene.Time.Advance(Wait);

        Assert.Equal(
            [("10.0.0.1:80", "open", "failure_rate"), ("10.0.0.1:80", "half_open", "wait_over")], events.Select(static e => (e.Endpoint!, e.To, e.Reason)));
        Assert.Contains("\"upstream_url\":\"10.0.0.1:80\",\"from\":\"closed\"", EjectionLog.Format(events[0]), StringComparison.Ordinal);
    }

    private static void Fail(RuleScene scene, params string[] addresses) =>
        scene.Upstreams.Answer = r => AnsweringUpstreams.Text(addresses.Contains(r.Address) ? 500 : 200, r.Address);

    // Status, and the last number of the instance that was asked.
    private static async Task<string> CallsAsync(RuleScene scene, int count, string path = "/", string host = "a.test")
    {
        List<string> calls = [];
        for (int i = 0; i < count; i++)
        {
            Answered answered = await scene.CallAsync(path, host);
            calls.Add(answered.Attempts is [var sent, ..] ? $"{answered.Status}@{sent.Address[^4]}" : $"{answered.Status}");
        }

        return string.Join(' ', calls);
    }

    // Enough for half of the calls.
    private sealed class SomeLuck : Random
    {
        public override double NextDouble() => 0.5;

        public override int Next(int maxValue) => 0;

        public override long NextInt64(long maxValue) => 0;
    }
}
