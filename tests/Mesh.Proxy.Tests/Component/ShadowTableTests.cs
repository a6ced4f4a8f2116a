using System.Globalization;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>
/// Shadow mode of every kind that has one, a row for each group of fields: what callers and upstreams see is what they see without the rule, the rule's own counter moves, and the
/// same rule in force changes it (else the row would show nothing). Timeouts and shares of the control plane are in <see cref="RuleEffectsShadowTests"/>.
/// </summary>
public sealed class ShadowTableTests
{
    private const int Calls = 6;
    private const string DestinationRule = "DestinationRule";
    private const string Resilience = "ResiliencePolicy";
    private const string Breaker = "CircuitBreaker";
    private const string RateLimit = "RateLimit";
    private const string Fallback = "Fallback";

    [Theory]
    [InlineData(DestinationRule, "connectionPool: {tcp: {maxConnections: 2}}", "crowd", "shadow_cx_overflow")]
    [InlineData(DestinationRule, "connectionPool: {tcp: {maxConnections: 2}, http: {http1MaxPendingRequests: 1}}", "crowd", "shadow_rq_pending_overflow")]
    [InlineData(DestinationRule, "connectionPool: {http: {http2MaxRequests: 2}}", "crowd", "shadow_rq_overflow")]
    [InlineData(DestinationRule, "connectionPool: {tcp: {maxConnections: 2}}", "streams", "shadow_cx_rejected")]
    [InlineData(DestinationRule, "outlierDetection: {consecutive5xxErrors: 2, maxEjectionPercent: 100}", "errors", "shadow_ejections")]
    [InlineData(Resilience, "retries: {attempts: 0}", "retries", "shadow_rq_retry_spared")]
    [InlineData(Resilience, "retries: {methods: [PUT]}", "retries", "shadow_rq_retry_spared")]
    [InlineData(Resilience, "concurrency: {maxConcurrentCalls: 2}", "crowd", "concurrency.shadow_rejected")]
    [InlineData(Resilience, "concurrency: {maxConcurrentCalls: 2, maxWaitDuration: 1s}", "crowd", "concurrency.shadow_rejected")]
    [InlineData(Resilience, "concurrency: {maxConcurrentCalls: 2}", "streams", "concurrency.shadow_rejected")]
    [InlineData(Resilience, "meshLimits: {maxConnections: 20}", "crowd", "shadow_cx_mesh_overflow")] // one each, before the first order
    [InlineData(Resilience, "meshLimits: {maxConnections: 20}", "streams", "shadow_cx_mesh_overflow")]
    [InlineData(Resilience, "meshLimits: {maxRequests: 20}", "crowd", "shadow_rq_mesh_overflow")]
    [InlineData(Breaker, "slidingWindowSize: 2\nminimumNumberOfCalls: 2", "errors", "breaker_shadow_rejected")]
    [InlineData(Breaker, "slidingWindowSize: 2\nminimumNumberOfCalls: 2\nscope: mesh", "errors", "breaker_shadow_rejected")]
    [InlineData(Breaker, "slidingWindowSize: 2\nminimumNumberOfCalls: 2\nfailures: [reset]\nslowCallDurationThreshold: 1ms", "slow", "breaker_shadow_rejected")]
    [InlineData(Breaker, "state: forcedOpen", "good", "breaker_shadow_rejected")]
    [InlineData(RateLimit, "tokens: 2\ninterval: 60s", "good", "rate_limit.shadow_limited")]
    [InlineData(RateLimit, "tokens: 2\ninterval: 60s\nscope: mesh", "good", "rate_limit.shadow_limited")]
    [InlineData(RateLimit, "tokens: 2\ninterval: 60s\nwhenExceeded: {wait: {maxWait: 90s}}", "crowd", "rate_limit.shadow_limited")]
    [InlineData(RateLimit, "tokens: 100\nallowedHours: {from: '09:00', to: '17:00'}", "good", "rate_limit.shadow_limited")] // it is midnight
    [InlineData(Fallback, "triggers: ['500']\nstatic: {status: 299}", "errors", "fallback_shadow")]
    [InlineData(Fallback, "triggers: ['500']\ndestination: {host: a.test}", "errors", "fallback_shadow")]
    public async Task InShadow_NothingChanges_AndItIsCounted(string kind, string fields, string scene, string counter)
    {
        (string without, _) = await PlayAsync(scene, counter);
        (string inForce, _) = await PlayAsync(scene, counter, Rule(kind, fields, scene, inShadow: false));
        (string inShadow, long counted) = await PlayAsync(scene, counter, Rule(kind, fields, scene, inShadow: true));

        Assert.NotEqual(without, inForce);
        Assert.Equal(without, inShadow);
        Assert.True(counted > 0, $"{counter} is {counted}");
    }

    private static string Rule(string kind, string fields, string scene, bool inShadow)
    {
        string host = scene == "streams" ? "cache.test" : "b.test";
        string spec = $"host: {host}\n{fields}{(inShadow ? "\nmode: shadow" : "")}";
        return kind switch
        {
            Resilience => RuleTexts.Resilience(spec),
            Breaker => RuleTexts.Breaker(spec),
            RateLimit => RuleTexts.Limit(spec),
            Fallback => RuleTexts.Fallback(spec),
            _ when inShadow => RuleTexts.InShadow(RuleTexts.Policy(fields, host)),
            _ => RuleTexts.Policy(fields, host),
        };
    }

    /// <summary>What callers got, how many requests or connections went out, and the counter.</summary>
    private static async Task<(string Seen, long Counted)> PlayAsync(string play, string counter, params string[] rules)
    {
        int retries = play == "retries" ? 1 : 0;
        await using RuleScene scene = await RuleScene.StartAsync(
            [.. rules, RuleTexts.Virtual($"hosts: [b.test]\nhttp: [{{route: [{{destination: {{host: b.test}}}}], retries: {{attempts: {retries}{(retries > 0 ? ", retryOn: 5xx" : "")}}}}}]")]);
        string seen = play switch
        {
            "crowd" => await CrowdAsync(scene),
            "streams" => await StreamsAsync(scene),
            _ => await CallsAsync(scene, play),
        };
        Cluster cluster = play == "streams" ? scene.Cluster("cache.test", 6379) : scene.Cluster("b.test");
        ClusterStatsView view = new(cluster.Name, cluster.Stats, cluster.Config.Limits);
        return (seen, ClusterStatRows.Of(cluster.Stats).SingleOrDefault(r => r.Name == counter)?.Read(view) ?? 0);
    }

    // One after the other.
    private static async Task<string> CallsAsync(RuleScene scene, string play)
    {
        scene.Upstreams.Answer = r =>
        {
            scene.Time.Advance(TimeSpan.FromMilliseconds(play == "slow" ? 5 : 0));
            return AnsweringUpstreams.Text(r.Address == "10.0.1.1:80" && play is "errors" or "retries" ? 500 : 200, "");
        };
        List<int> statuses = [];
        for (int i = 0; i < Calls; i++)
        {
            statuses.Add((await scene.SettleAsync(await scene.SendAsync(host: "b.test"))).Status);
        }

        return string.Create(CultureInfo.InvariantCulture, $"{string.Join(' ', statuses)}; {string.Join(' ', scene.Upstreams.Seen.Select(static s => s.Address))}");
    }

    // All at once, and nobody is answered.
    private static async Task<string> CrowdAsync(RuleScene scene)
    {
        scene.Upstreams.Answer = static _ => null;
        List<MemoryConnection> clients = [];
        for (int i = 0; i < Calls; i++)
        {
            clients.Add(await scene.SendAsync(host: "b.test"));
        }

        return string.Create(CultureInfo.InvariantCulture, $"{clients.Count(static c => c.ReadAvailable().Length > 0)} refused, {scene.Upstreams.Dials.Count} out, {scene.Upstreams.Seen.Count} seen");
    }

    private static async Task<string> StreamsAsync(RuleScene scene)
    {
        scene.Upstreams.IsManual = true;
        List<MemoryConnection> clients = [];
        for (int i = 0; i < Calls; i++)
        {
            clients.Add(scene.ConnectTcp(6379));
            await clients[^1].SendAsync("hello");
        }

        return string.Create(CultureInfo.InvariantCulture, $"{clients.Count(static c => c.IsDisposed)} closed, {scene.Upstreams.Dials.Count} out");
    }
}
