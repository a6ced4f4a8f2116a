using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>connectionPool and retryBudget of a DestinationRule, and the waits of a ResiliencePolicy, from their text to the wire.</summary>
public sealed class RuleEffectsPoolTests
{
    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.maxConnections")]
    [InlineData("{tcp: {maxConnections: 2}}", 2)]
    [InlineData("{tcp: {maxConnections: 4}}", 4)]
    [InlineData("", 5)]
    public async Task MaxConnections_BoundsThem(string pool, int connections)
    {
        await using RuleScene scene = await RuleScene.StartAsync(Pool(pool));
        scene.Upstreams.Answer = static _ => null;

        for (int i = 0; i < 5; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        Assert.Equal(connections, scene.Upstreams.Dials.Count);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.http.http1MaxPendingRequests")]
    [InlineData("http1MaxPendingRequests: 1", 1)]
    [InlineData("http1MaxPendingRequests: 3", 3)]
    public async Task Http1MaxPendingRequests_BoundsTheQueue(string field, int waiting)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Policy($"connectionPool: {{tcp: {{maxConnections: 1}}, http: {{{field}}}}}", "b.test"));
        scene.Upstreams.Answer = static _ => null;
        for (int i = 0; i < 1 + waiting; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Equal(503, refused.Status);
        Assert.Contains(FormattableString.Invariant($"http1MaxPendingRequests; limit={waiting}"), Assert.Single(refused["x-mesh-reason"]), StringComparison.Ordinal);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.http.http2MaxRequests")]
    [InlineData("http2MaxRequests: 1", 1)]
    [InlineData("http2MaxRequests: 3", 3)]
    public async Task Http2MaxRequests_BoundsActiveRequests(string field, int active)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Policy($"connectionPool: {{http: {{{field}}}}}", "b.test"));
        scene.Upstreams.Answer = static _ => null;
        for (int i = 0; i < active; i++)
        {
            await scene.SendAsync(host: "b.test");
        }

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Equal(503, refused.Status);
        Assert.Contains("http2MaxRequests; ", Assert.Single(refused["x-mesh-reason"]), StringComparison.Ordinal);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.http.maxRequestsPerConnection")]
    [InlineData("maxRequestsPerConnection: 1", 6)]
    [InlineData("maxRequestsPerConnection: 3", 2)]
    [InlineData("maxRequestsPerConnection: 0", 1)]
    public async Task MaxRequestsPerConnection_EndsConnections(string field, int connections)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Policy($"connectionPool: {{http: {{{field}}}}}", "b.test"));

        for (int i = 0; i < 6; i++)
        {
            await scene.CallAsync(host: "b.test");
        }

        Assert.Equal(connections, scene.Upstreams.Dials.Count);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.http.maxRetries")]
    [InlineData("connectionPool: {http: {maxRetries: 2}}", 2)]
    [InlineData("connectionPool: {http: {maxRetries: 5}}", 5)]
    [InlineData("loadBalancer: {simple: RANDOM}", 10)]
    [EffectOf("DestinationRule", "trafficPolicy.retryBudget.minRetryConcurrency")]
    [InlineData("retryBudget: {percent: 0, minRetryConcurrency: 4}", 4)]
    [InlineData("retryBudget: {percent: 0}", 3)]
    [EffectOf("DestinationRule", "trafficPolicy.retryBudget.percent")]
    [InlineData("retryBudget: {percent: 60, minRetryConcurrency: 0}", 6)]
    [InlineData("retryBudget: {percent: 20, minRetryConcurrency: 0}", 2)]
    public async Task RetriesAtOnce_AreBounded(string policy, int retries)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Policy(policy), RuleTexts.Route("retries: {attempts: 1, retryOn: 5xx, backoff: 1s}"));

        Assert.Equal(retries, await RuleBudgets.RetriesOfTenAsync(scene));
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.retryBudget.budgetInterval")]
    [InlineData("", 0)]
    [InlineData(", budgetInterval: 60s", 1)]
    public async Task BudgetInterval_CountsRequestsThatAreOver(string interval, int retries)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Policy($"retryBudget: {{percent: 20, minRetryConcurrency: 0{interval}}}"), RuleTexts.Route("retries: {attempts: 1, retryOn: 5xx, backoff: 1s}"));

        Assert.Equal(retries, await RuleBudgets.RetriesAfterTenAsync(scene));
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.connectTimeout")]
    [InlineData("{tcp: {connectTimeout: 3s}}", 3)]
    [InlineData("", 10)]
    public async Task ConnectTimeout_EndsTheWait(string pool, int seconds)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            Pool(pool), RuleTexts.Virtual("hosts: [b.test]\nhttp: [{route: [{destination: {host: b.test}}], retries: {attempts: 0}}]"));
        scene.Upstreams.Hangs = true;
        MemoryConnection client = await scene.SendAsync(host: "b.test");

        scene.Time.Advance(TimeSpan.FromSeconds(seconds - 0.1));
        Assert.Equal("", client.ReadAvailable());
        scene.Time.Advance(TimeSpan.FromSeconds(0.2));

        Answered answered = await scene.ReadAsync(client);
        Assert.Equal(503, answered.Status);
        Assert.Contains("connection timeout", answered.Body, StringComparison.Ordinal);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.http.idleTimeout")]
    [InlineData("{http: {idleTimeout: 60s}}", 60)]
    [InlineData("{http: {idleTimeout: 60s}, tcp: {idleTimeout: 5s}}", 60)]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.idleTimeout")]
    [InlineData("{tcp: {idleTimeout: 90s}}", 90)]
    [InlineData("", 3600)]
    public async Task IdleTimeout_ClosesConnectionsThatWait(string pool, int seconds)
    {
        await using RuleScene scene = await RuleScene.StartAsync(Pool(pool));
        await scene.CallAsync(host: "b.test");

        scene.Time.Advance(TimeSpan.FromSeconds(seconds - 2));
        Assert.Equal(1, scene.Cluster("b.test").Stats.CxActive.Value);
        scene.Time.Advance(TimeSpan.FromSeconds(4));

        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.CxActive.Value == 0, "the connection is closed");
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.idleTimeout")]
    [InlineData("{tcp: {idleTimeout: 90s}}", 90, ResponseFlag.None)]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.maxConnectionDuration")]
    [InlineData("{tcp: {maxConnectionDuration: 90s, idleTimeout: 0s}}", 90, ResponseFlag.DT)]
    public async Task Life_OfATcpStream_Ends(string pool, int seconds, ResponseFlag flag)
    {
        await using RuleScene scene = await RuleScene.StartAsync(Pool(pool, "cache.test"));
        scene.Upstreams.IsManual = true;
        MemoryConnection client = scene.ConnectTcp(6379);
        await client.SendAsync("hello");
        MemoryConnection upstream = (await scene.Upstreams.AcceptAsync()).Connection;
        await upstream.ReadAsync(5);

        scene.Time.Advance(TimeSpan.FromSeconds(seconds - 1));
        Assert.False(upstream.IsDisposed);
        scene.Time.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal("", await client.ReadToEndAsync());
        Assert.Equal(flag, (await scene.Sink.NextAsync()).Flag);
    }

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.maxConnectionDuration")]
    public async Task MaxConnectionDuration_EndsAPooledConnection()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Policy("connectionPool: {tcp: {maxConnectionDuration: 90s}}", "b.test"));
        for (int i = 0; i < 4; i++)
        {
            await scene.CallAsync(host: "b.test");
            scene.Time.Advance(TimeSpan.FromSeconds(31));
        }

        Assert.Equal(2, scene.Upstreams.Dials.Count);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.tcpKeepalive")]
    [InlineData("{tcp: {tcpKeepalive: {}}}", null, null, null)]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.tcpKeepalive.probes")]
    [InlineData("{tcp: {tcpKeepalive: {probes: 4}}}", 4, null, null)]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.tcpKeepalive.time")]
    [InlineData("{tcp: {tcpKeepalive: {time: 300s}}}", null, 300, null)]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.tcpKeepalive.interval")]
    [InlineData("{tcp: {tcpKeepalive: {interval: 75s}}}", null, null, 75)]
    public async Task TcpKeepalive_IsAskedForWithEachConnect(string pool, int? probes, int? time, int? interval)
    {
        await using RuleScene scene = await RuleScene.StartAsync(Pool(pool));

        await scene.CallAsync(host: "b.test");
        await scene.CallAsync();

        Assert.Equal([new TcpKeepaliveConfig(probes, time, interval), null], scene.Upstreams.Dials.Select(static d => d.Keepalive));
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "pendingTimeout")]
    public async Task PendingTimeout_EndsTheWaitForAConnection()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Policy("connectionPool: {tcp: {maxConnections: 1}}", "b.test"), RuleTexts.Resilience("host: b.test\npendingTimeout: 3s"));
        scene.Upstreams.Answer = static _ => null;
        await scene.SendAsync(host: "b.test");
        MemoryConnection waits = await scene.SendAsync(host: "b.test");

        scene.Time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal("", waits.ReadAvailable());
        scene.Time.Advance(TimeSpan.FromSeconds(0.2));

        Assert.Equal(503, (await scene.ReadAsync(waits)).Status);
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "writeTimeout")]
    public async Task WriteTimeout_EndsARequestThatNobodyTakes()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Resilience("host: b.test\nwriteTimeout: 3s"));
        scene.Upstreams.IsManual = true;
        scene.Upstreams.WindowBytes = 1000;
        MemoryConnection client = await scene.SendAsync(host: "b.test", method: "PUT", headers: "Content-Length: 100000\r\n");
        await scene.Upstreams.AcceptAsync();
        Task sending = client.SendAsync(new string('x', 100_000));

        scene.Time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal("", client.ReadAvailable());
        scene.Time.Advance(TimeSpan.FromSeconds(1.2));

        Assert.Equal(504, (await scene.ReadAsync(client)).Status);
        client.Reset();
        await sending;
    }

    private static string Pool(string pool, string host = "b.test") =>
        RuleTexts.Policy(pool.Length > 0 ? $"connectionPool: {pool}" : "loadBalancer: {simple: LEAST_REQUEST}", host);
}
