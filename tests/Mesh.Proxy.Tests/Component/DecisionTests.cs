using Mesh.Proxy.Telemetry;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>What is kept of decisions, over the whole pipeline: every refusal has an id, and the log knows it.</summary>
public sealed class DecisionTests
{
    private const string OneASecond = "host: b.test\ntokens: 1\ninterval: 1s\n";
    private const string NoAnswer = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

    [Fact]
    public async Task Refusal_EchoesTheCallersId_AndIsKept()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond));
        await scene.CallAsync(host: "b.test");
        scene.Time.Advance(TimeSpan.FromMilliseconds(400));

        Answered refused = await scene.CallAsync("/cart?coupon=1", "b.test", "X-Request-Id: abc-123\r\n", "PUT");

        Assert.Equal((429, "abc-123"), (refused.Status, Assert.Single(refused["x-request-id"])));
        LoggedDecision kept = Assert.Single(scene.Clusters.Decisions.Read("abc-123"));
        Assert.Equal(new DecisionRecord(DecisionReason.RateLimited, "default/rl#spec", "tokens", 1, 0), kept.Decision);
        Assert.Equal(("PUT", "b.test", "/cart", "outbound|80||b.test", 429, ResponseFlag.RL), (kept.Method, kept.Authority, kept.Path, kept.Cluster, kept.Status, kept.Flag));
        Assert.Equal(("not-sent", 1, false), (kept.Outcome, kept.RetryAfterSeconds, kept.IsInbound));
        Assert.Equal(scene.Time.GetUtcNow(), kept.At);
    }

    [Fact]
    public async Task Refusal_WithoutACallersId_GetsOne_AndAnAnswerOfTheUpstreamNone()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond));

        Answered good = await scene.CallAsync(host: "b.test");
        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Empty(good["x-request-id"]);
        string id = Assert.Single(refused["x-request-id"]);
        Assert.True(Guid.TryParse(id, out _), id);
        Assert.Equal(DecisionReason.RateLimited, Assert.Single(scene.Clusters.Decisions.Read(id)).Decision.Reason);
        Assert.Single(scene.Clusters.Decisions.Read()); // the first one left nothing
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: nobody.test\r\nx-request-id: mine\r\n\r\n", DecisionReason.UnknownService, "GET")]
    [InlineData("GET / HTTP/1.1\r\nx-request-id: mine\r\n\r\n", DecisionReason.BadRequest, "")]
    public async Task RefusalBeforeACluster_HasAnIdToo(string request, DecisionReason reason, string method)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.RegistryOnly);
        MemoryConnection client = scene.Connect();
        await client.SendAsync(request);

        Answered refused = await scene.ReadAsync(client);

        LoggedDecision kept = Assert.Single(scene.Clusters.Decisions.Read(Assert.Single(refused["x-request-id"])));
        Assert.Equal((reason, method, (string?)null), (kept.Decision.Reason, kept.Method, kept.Cluster)); // of a broken head nothing is believed, its id neither
    }

    [Fact]
    public async Task Load_IsThatOfTheInstant()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Policy("connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1, maxRequestsPerConnection: 1}}"));
        scene.Upstreams.Answer = static _ => null;
        await scene.SendAsync();
        await scene.SendAsync();

        Answered refused = await scene.CallAsync(headers: "x-request-id: third\r\n");

        Assert.Equal(503, refused.Status);
        ClusterLoad load = Assert.Single(scene.Clusters.Decisions.Read("third")).Load;
        Assert.Equal((1, 1, 1), (load.Connections, load.Pending, load.Requests));
        Assert.Equal((1u, 1u, 1), (load.Limits!.MaxConnections, load.Limits.MaxPendingRequests, load.MaxRequestsPerConnection));
    }

    [Fact]
    public async Task RetriedAttempts_AreKeptOneByOne_BeforeTheEnd()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route("retries: {attempts: 1, retryOn: 5xx}"));
        scene.Upstreams.Answer = static _ => NoAnswer;
        MemoryConnection client = await scene.SendAsync(headers: "x-request-id: again\r\n");

        Assert.Equal(503, (await scene.SettleAsync(client)).Status);

        LoggedDecision kept = Assert.Single(scene.Clusters.Decisions.Read("again")); // the last answer passed: no decision of ours
        Assert.Equal((DecisionVerdict.Retried, "upstream_503", 1, "answered"), (kept.Decision.Verdict, kept.Reason, kept.Attempts, kept.Outcome));
    }

    [Theory]
    [InlineData("static: {body: sorry}", "static")]
    [InlineData("destination: {host: a.test}", "host")]
    public async Task Fallback_IsKeptAsReplaced(string answer, string kind)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker("host: b.test\nstate: forcedOpen"), RuleTexts.Fallback($"host: b.test\n{answer}"));

        Answered answered = await scene.CallAsync(host: "b.test", headers: "x-request-id: fb\r\n");

        Assert.Equal(200, answered.Status);
        LoggedDecision kept = Assert.Single(scene.Clusters.Decisions.Read("fb"));
        Assert.Equal((DecisionReason.CircuitOpen, DecisionVerdict.Replaced, kind, "outbound|80||b.test"), (kept.Decision.Reason, kept.Decision.Verdict, kept.Fallback, kept.Cluster));
        Assert.Equal(DecisionVerdict.Replaced, (await scene.Sink.NextAsync()).Decision.Verdict);
    }

    [Fact]
    public async Task Shadow_IsKeptAndLogged_ButNoLocalReply()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Breaker("host: b.test\nstate: forcedOpen\nmode: shadow"), RuleTexts.Limit("host: a.test\ntokens: 1\nmode: shadow"));

        await scene.CallAsync(host: "a.test");
        await scene.CallAsync(host: "a.test", headers: "x-request-id: limit\r\n");
        Answered passed = await scene.CallAsync(host: "b.test", headers: "x-request-id: breaker\r\n");

        Assert.Equal(200, passed.Status);
        Assert.Empty(passed["x-request-id"]);
        Assert.Equal((DecisionReason.RateLimited, DecisionVerdict.Shadow, "tokens"), Of(scene, "limit"));
        Assert.Equal((DecisionReason.CircuitOpen, DecisionVerdict.Shadow, "state"), Of(scene, "breaker"));
        Finished[] records = [await scene.Sink.NextAsync(), await scene.Sink.NextAsync(), await scene.Sink.NextAsync()];
        Assert.Equal([DecisionReason.None, DecisionReason.RateLimited, DecisionReason.CircuitOpen], records.Select(static r => r.Shadow.Reason));
        Assert.All(records, static r => Assert.False(r.Decision.IsSet)); // nobody was refused
    }

    [Fact]
    public async Task Fallback_InShadow_IsKeptBesideTheRefusal()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Breaker("host: b.test\nstate: forcedOpen"), RuleTexts.Fallback("host: b.test\nstatic: {}\nmode: shadow"));

        await scene.CallAsync(host: "b.test", headers: "x-request-id: both\r\n");

        Assert.Equal(
            [("default/fb#spec", "static", DecisionVerdict.Shadow), ("default/cb#spec", "state", DecisionVerdict.Refused)],
            scene.Clusters.Decisions.Read("both").OrderByDescending(static d => d.Decision.Verdict).Select(static d => (d.Decision.Rule!, d.Decision.Field!, d.Decision.Verdict)));
    }

    [Fact]
    public async Task WaitForAToken_IsKept_WithItsLength()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit(OneASecond + "whenExceeded: {wait: {maxWait: 5s}}"));
        await scene.CallAsync(host: "b.test");
        MemoryConnection client = await scene.SendAsync(host: "b.test", headers: "x-request-id: patient\r\n");

        Assert.Equal(200, (await scene.SettleAsync(client)).Status);

        LoggedDecision kept = Assert.Single(scene.Clusters.Decisions.Read("patient"));
        Assert.Equal((DecisionReason.RateLimited, DecisionVerdict.Waited), (kept.Decision.Reason, kept.Decision.Verdict));
        Assert.True(kept.Taken >= TimeSpan.FromSeconds(1), kept.Taken.ToString());
    }

    [Theory]
    [InlineData("mode: shadow\nconcurrency: {maxConcurrentCalls: 1}", false, DecisionVerdict.Shadow)]
    [InlineData("concurrency: {maxConcurrentCalls: 1, maxWaitDuration: 9s}", true, DecisionVerdict.Waited)]
    public async Task Bulkhead_ThatIsFull_KeepsWhoPassedAllTheSame(string policy, bool waits, DecisionVerdict verdict)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience($"host: b.test\n{policy}"));
        scene.Upstreams.Answer = static _ => null;
        MemoryConnection first = await scene.SendAsync(host: "b.test");
        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 1, "the first goes out");
        await scene.SendAsync(host: "b.test", headers: "x-request-id: second\r\n");
        if (waits)
        {
            await Eventually.HoldsAsync(() => scene.Cluster("b.test").ConcurrencyWaiting == 1, "the second waits");
            first.Reset();
        }

        await Eventually.HoldsAsync(() => scene.Upstreams.Seen.Count == 2, "the second goes out");
        Assert.Equal((DecisionReason.ConcurrencyOverflow, verdict, "concurrency.maxConcurrentCalls"), Of(scene, "second"));
    }

    private static (DecisionReason Reason, DecisionVerdict Verdict, string? Field) Of(RuleScene scene, string id)
    {
        DecisionRecord decision = Assert.Single(scene.Clusters.Decisions.Read(id)).Decision;
        return (decision.Reason, decision.Verdict, decision.Field);
    }
}
