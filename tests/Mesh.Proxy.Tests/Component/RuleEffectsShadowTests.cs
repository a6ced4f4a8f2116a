using System.Collections.Immutable;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Rules in shadow mode, from their text to what they count and do not do.</summary>
public sealed class RuleEffectsShadowTests
{
    private const string Tight = "connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}";

    [Fact]
    public async Task Limits_InShadow_RefuseNobody_AndCount()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.InShadow(RuleTexts.Policy(Tight, "b.test")));
        scene.Upstreams.Answer = static _ => null;

        for (int i = 0; i < 5; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        ShadowStats shadow = scene.Cluster("b.test").Stats.Shadow!;
        Assert.Equal(5, scene.Upstreams.Dials.Count);
        Assert.Equal((5, 3, 5), (shadow.Evaluated.Value, shadow.PendingOverflow.Value, shadow.MaxConnections.Value));
        Assert.Equal((1, 1, 1), scene.Cluster("b.test").ShadowFigures);
        Assert.Equal(scene.Time.GetUtcNow(), shadow.PendingOverflow.LastAt);
        Assert.Equal(0, scene.Cluster("b.test").Stats.RqPendingOverflow.Value);
        Assert.All(scene.Clusters.Decisions.Read(), static d => Assert.Equal(
            new DecisionRecord(DecisionReason.PendingOverflow, "default/shadow#spec.trafficPolicy.connectionPool", "http.http1MaxPendingRequests", 1) { Verdict = DecisionVerdict.Shadow }, d.Decision));
        Assert.Equal(3, scene.Clusters.Decisions.Read().Count);
        Assert.Null(scene.Cluster("a.test").Stats.Shadow);
    }

    [Fact]
    public async Task Limits_InShadow_StandBesideThoseInForce()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.InShadow(RuleTexts.Policy(Tight, "b.test")), RuleTexts.Policy("connectionPool: {http: {http2MaxRequests: 4}}", "b.test"));
        scene.Upstreams.Answer = static _ => null;
        for (int i = 0; i < 4; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Contains("rule=default/dr#spec.trafficPolicy.connectionPool.http.http2MaxRequests", Assert.Single(refused["x-mesh-reason"]), StringComparison.Ordinal);
        Assert.Equal(3, scene.Cluster("b.test").Stats.Shadow!.PendingOverflow.Value); // of the fifth too: the rule in force let it as far as the line
    }

    [Fact]
    public async Task Limits_OnceEnforced_RefuseWhatTheyCounted()
    {
        string rule = RuleTexts.Policy(Tight, "b.test");
        await using RuleScene scene = await RuleScene.StartAsync(rule);
        scene.Upstreams.Answer = static _ => null;
        await scene.SendAsync(host: "b.test");
        await scene.SendAsync(host: "b.test");

        Assert.Equal(503, (await scene.CallAsync(host: "b.test")).Status);
        Assert.Null(scene.Cluster("b.test").Stats.Shadow);
    }

    [Fact]
    public async Task Counts_BeginAnew_WhenTheRuleChanges()
    {
        string rule = RuleTexts.InShadow(RuleTexts.Policy(Tight, "b.test"));
        await using RuleScene scene = await RuleScene.StartAsync(rule);
        scene.Upstreams.Answer = static _ => null;
        for (int i = 0; i < 3; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        ShadowCount count = scene.Cluster("b.test").Stats.Shadow!.PendingOverflow;
        await scene.ApplyAsync(RuleTexts.Services, rule, RuleTexts.Policy("loadBalancer: {simple: RANDOM}", "b.test")); // not the rule in shadow
        Assert.Equal((1, 1), (count.Value, count.Now));

        await scene.ApplyAsync(RuleTexts.Services, rule.Replace("http1MaxPendingRequests: 1", "http1MaxPendingRequests: 2", StringComparison.Ordinal));
        Assert.Equal((1, 0, null), (count.Value, count.Now, count.LastAt));
        await scene.SendAsync(host: "b.test"); // one runs, one waits: there is room for one more now
        await scene.SendAsync(host: "b.test");
        Assert.Equal((2, 1), (count.Value, count.Now));
    }

    [Fact]
    public async Task WriteTimeout_InShadow_OfATcpStream_CutsNothing_AndCounts()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: cache.test\nmode: shadow\nwriteTimeout: 3s"));
        scene.Upstreams.IsManual = true;
        scene.Upstreams.WindowBytes = 1000;
        MemoryConnection client = scene.ConnectTcp(6379);
        Task sending = client.SendAsync(new string('x', 100_000));
        MemoryConnection upstream = (await scene.Upstreams.AcceptAsync()).Connection;
        ClusterStats stats = scene.Cluster("cache.test", 6379).Stats;

        await Eventually.HoldsAsync(
            () =>
            {
                scene.Time.Advance(TimeSpan.FromSeconds(4)); // once the write has begun
                return stats.Shadow!.WriteTimeout.Value == 1;
            }, "the write is counted");

        await upstream.ReadAsync(100_000);
        await sending;
        Assert.False(client.IsDisposed);
        Assert.Equal(0, stats.RqWriteTimeout.Value);
    }

    [Fact]
    public async Task Detector_InShadow_EjectsNobody_AndCounts()
    {
        const string Rule = "outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 100, baseEjectionTime: 30s, interval: 1s}";
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.InShadow(RuleTexts.Policy(Rule, "b.test")));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");

        await CallAsync(scene, 10);

        ShadowStats shadow = scene.Cluster("b.test").Stats.Shadow!;
        Assert.Equal(10, scene.Upstreams.Seen.Count);
        Assert.Equal((1, 1, 10), (shadow.Ejections.Value, shadow.EjectionsActive.Value, shadow.Judged.Value));
        Assert.Equal(0, scene.Cluster("b.test").Stats.EjectionsEnforcedTotal.Value);

        scene.Time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(0, shadow.EjectionsActive.Value);
        await CallAsync(scene, 3);
        Assert.Equal(2, shadow.Ejections.Value);
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "mode")]
    public async Task PendingTimeout_InShadow_EndsNoWait_AndCounts()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Policy("connectionPool: {tcp: {maxConnections: 1}}", "b.test"), RuleTexts.Resilience("host: b.test\nmode: shadow\npendingTimeout: 3s"));
        scene.Upstreams.IsManual = true;
        MemoryConnection first = await scene.SendAsync(host: "b.test");
        MemoryConnection upstream = (await scene.Upstreams.AcceptAsync()).Connection;
        await upstream.ReadHeadAsync();
        MemoryConnection waits = await scene.SendAsync(host: "b.test");

        scene.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal("", waits.ReadAvailable());
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "one"));

        Assert.Equal(200, (await scene.ReadAsync(first)).Status);
        Assert.Equal((1, 0), (scene.Cluster("b.test").Stats.Shadow!.PendingTimeout.Value, scene.Cluster("b.test").Stats.RqPendingTimeout.Value));
        await upstream.ReadHeadAsync();
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "two"));
        Assert.Equal(200, (await scene.ReadAsync(waits)).Status);
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "mode")]
    public async Task WriteTimeout_InShadow_EndsNoWrite_AndCounts()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: b.test\nmode: shadow\nwriteTimeout: 3s"));
        scene.Upstreams.IsManual = true;
        scene.Upstreams.WindowBytes = 1000;
        MemoryConnection client = await scene.SendAsync(host: "b.test", method: "PUT", headers: "Content-Length: 100000\r\n");
        MemoryConnection upstream = (await scene.Upstreams.AcceptAsync()).Connection;
        Task sending = client.SendAsync(new string('x', 100_000));
        scene.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal("", client.ReadAvailable());

        await upstream.ReadHeadAsync();
        await upstream.ReadAsync(100_000);
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "late"));

        Assert.Equal(200, (await scene.ReadAsync(client)).Status);
        await sending;
        ClusterStats stats = scene.Cluster("b.test").Stats;
        Assert.Equal((1, 0), (stats.Shadow!.WriteTimeout.Value, stats.RqWriteTimeout.Value));
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "mode")]
    [InlineData("attempts: 0", "GET", 0, 2)]
    [InlineData("attempts: 1", "GET", 0, 1)]
    [InlineData("attempts: 2", "GET", 0, 0)]
    [InlineData("attempts: 5", "GET", 1, 0)] // of the three that would follow the third attempt only the first is known to be wanted
    [InlineData("methods: [GET]", "POST", 0, 2)]
    public async Task Retries_InShadow_ChangeNothing_AndAreCompared(string retries, string method, int more, int spared)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Route("retries: {attempts: 2, retryOn: 5xx}"), RuleTexts.Resilience($"host: a.test\nmode: shadow\nretries: {{{retries}}}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
        MemoryConnection client = await scene.SendAsync(method: method, headers: method == "POST" ? "Content-Length: 0\r\n" : "");

        Assert.Equal(3, (await scene.SettleAsync(client)).Attempts.Length);

        ShadowStats shadow = scene.Cluster().Stats.Shadow!;
        Assert.Equal((more, spared), (shadow.Retry.Value, shadow.RetrySpared.Value));
    }

    /// <summary>The policy in force switches retries off: one in shadow mode says which it would make, and nothing of the request changes.</summary>
    [Theory]
    [InlineData("attempts: 2", "GET", "", 1)]
    [InlineData("attempts: 2, methods: [GET]", "POST", "Content-Length: 0\r\n", 0)]
    [InlineData("attempts: 2, singleLayer: true", "GET", "x-envoy-attempt-count: 1\r\n", 0)]
    [InlineData("attempts: 2", "GET", "x-envoy-max-retries: 0\r\n", 0)]
    public async Task Retries_InShadow_WhereTheyAreSwitchedOff_AreTold(string retries, string method, string headers, int more)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Route("retries: {attempts: 2, retryOn: 5xx, perTryTimeout: 1s}"), RuleTexts.Resilience("host: a.test\nretries: {attempts: 0}"),
            RuleTexts.Resilience($"host: a.test\nmode: shadow\nretries: {{{retries}}}", "tried"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");

        Answered answer = await scene.CallAsync(headers: headers, method: method);

        Assert.Equal((500, 1), (answer.Status, answer.Attempts.Length));
        ClusterStats stats = scene.Cluster().Stats;
        Assert.Equal((more, 0, 0), (stats.NeededShadow.Retry.Value, stats.NeededShadow.RetrySpared.Value, stats.RqRetryLimitExceeded.Value));
        Assert.Equal((ResponseFlag.None, 1), (await scene.Sink.NextAsync()) is { } record ? (record.Flag, record.Attempts) : default);
    }

    [Fact]
    public async Task Retries_InShadow_WhereTheyAreSwitchedOff_BringNoTimeoutPerTry_AndLeaveThoseThatTheCallerAsksFor()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Route("retries: {attempts: 2, retryOn: 5xx, perTryTimeout: 1s}"), RuleTexts.Resilience("host: a.test\nretries: {attempts: 0}"),
            RuleTexts.Resilience("host: a.test\nmode: shadow\nretries: {attempts: 2}", "tried"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = await scene.SendAsync();
        (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
        await upstream.ReadHeadAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(5));
        await upstream.SendAsync(AnsweringUpstreams.Text(200, "late"));
        Assert.Equal("late", (await scene.ReadAsync(client)).Body);

        scene.Upstreams.IsManual = false;
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
        upstream.End();
        Answered asked = await scene.SettleAsync(await scene.SendAsync(headers: "x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 1\r\n"));
        Assert.Equal(2, asked.Attempts.Length);
    }

    /// <summary>Three answers 500 at one time, each to be tried again: what the limit would have refused is counted, and every retry is made.</summary>
    [Theory]
    [InlineData("connectionPool: {http: {maxRetries: 1}}", 2)]
    [InlineData("connectionPool: {http: {maxRetries: 2}}", 1)]
    [InlineData("connectionPool: {http: {maxRetries: 3}}", 0)]
    [InlineData("retryBudget: {percent: 1, minRetryConcurrency: 1}", 2)]
    [InlineData("retryBudget: {percent: 100, minRetryConcurrency: 1}", 0)]
    public async Task RetryLimits_InShadow_RefuseNoRetry_AndCount(string policy, int refused)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route("retries: {attempts: 1, retryOn: 5xx}"), RuleTexts.InShadow(RuleTexts.Policy(policy)));
        scene.Upstreams.IsManual = true;
        List<(MemoryConnection Client, MemoryConnection Upstream)> calls = [];
        for (int i = 0; i < 3; i++)
        {
            MemoryConnection client = await scene.SendAsync();
            (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync();
            await upstream.ReadHeadAsync();
            calls.Add((client, upstream));
        }

        foreach ((_, MemoryConnection upstream) in calls)
        {
            await upstream.SendAsync("HTTP/1.1 500 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }

        for (int i = 0; i < 3; i++)
        {
            (_, MemoryConnection upstream) = await scene.Upstreams.AcceptAsync(); // of the three retries
            await upstream.ReadHeadAsync();
            calls.Add((null!, upstream));
        }

        foreach ((_, MemoryConnection upstream) in calls.Skip(3))
        {
            await upstream.SendAsync(AnsweringUpstreams.Text(200, ""));
        }

        foreach ((MemoryConnection client, _) in calls.Take(3))
        {
            Assert.Equal(200, (await scene.ReadAsync(client)).Status);
        }

        ClusterStats stats = scene.Cluster().Stats;
        Assert.Equal((3, refused, 3, 0), (stats.Shadow!.RetryEvaluated.Value, stats.Shadow.RetryOverflow.Value, stats.RqRetry.Value, stats.RqRetryOverflow.Value));
        Assert.Equal(0, stats.Shadow.RetriesActive.Value);
    }

    [Theory]
    [InlineData("2s", 3, 1)]
    [InlineData("2s", 1, 0)]
    public async Task ConnectTimeout_InShadow_EndsNoConnect_AndCounts(string limit, int seconds, int counted)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Route("timeout: 100s\nretries: {attempts: 0}"), RuleTexts.Policy("connectionPool: {tcp: {connectTimeout: 3s}}"),
            RuleTexts.InShadow(RuleTexts.Policy($"connectionPool: {{tcp: {{connectTimeout: {limit}}}}}")));
        scene.Upstreams.Hangs = seconds == 3;
        MemoryConnection client = await scene.SendAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(seconds));

        Answered answer = await scene.ReadAsync(client);

        Assert.Equal(seconds == 3 ? 503 : 200, answer.Status);
        Assert.Equal((counted, seconds == 3 ? 1 : 0), (scene.Cluster().Stats.Shadow!.ConnectTimeout.Value, scene.Cluster().Stats.CxConnectTimeout.Value));
    }

    /// <summary>The control plane gives out shares as for a limit in force; what they would have kept out takes no place of them.</summary>
    [Fact]
    public async Task MeshLimits_InShadow_HoldNobodyBack_CountAndReport()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: b.test\nmode: shadow\nmeshLimits: {maxConnections: 20, maxRequests: 20}"));
        Cluster cluster = scene.Cluster("b.test");
        cluster.Follow(new LimitOrder("ResiliencePolicy/default/rp", cluster.Name, "meshLimits.maxConnections", 3, 20, 1));
        cluster.Follow(new LimitOrder("ResiliencePolicy/default/rp", cluster.Name, "meshLimits.maxRequests", 2, 20, 1));
        scene.Upstreams.Answer = static _ => null;
        List<MemoryConnection> clients = [];
        for (int i = 0; i < 5; i++)
        {
            clients.Add(await scene.SendAsync(host: "b.test"));
        }

        Assert.Equal(5, scene.Upstreams.Dials.Count);
        ShadowStats shadow = cluster.Stats.Shadow!;
        Assert.Equal((2, 3, 5, 5), (shadow.MeshConnectionOverflow.Value, shadow.MeshRequestOverflow.Value, shadow.MaxConnections.Value, shadow.MaxRequests.Value));
        Assert.Empty(cluster.Shares);
        Assert.Equal([3, 2], cluster.SharesInShadow.Select(static s => s.InUse));
        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        cluster.ReportShares(reports);
        Assert.Equal([("meshLimits.maxConnections", 3, 3), ("meshLimits.maxRequests", 2, 2)], reports.Select(static r => (r.Limit, r.Share, r.InUse)));
        Assert.All(reports, static r => Assert.True(r.Wanted > 5, "those that would have been kept out want more"));

        foreach (MemoryConnection client in clients)
        {
            client.Reset();
        }

        await Eventually.HoldsAsync(() => cluster.SharesInShadow.All(static s => s.InUse == 0), "all places are free again");
    }

    private static async Task CallAsync(RuleScene scene, int times)
    {
        for (int i = 0; i < times; i++)
        {
            await scene.CallAsync(host: "b.test");
        }
    }
}
