using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>retries of a VirtualService and ResiliencePolicy, from their text to the wire.</summary>
public sealed class RuleEffectsRetryTests
{
    private const string Once = "retries: {attempts: 1, retryOn: 5xx, backoff: 100ms}";

    [Theory]
    [EffectOf("VirtualService", "http.retries.attempts")]
    [InlineData("retries: {attempts: 4, retryOn: 5xx}", 500, 5)]
    [InlineData("retries: {attempts: 0}", 500, 1)]
    [EffectOf("VirtualService", "http.retries.retryOn")]
    [InlineData("retries: {attempts: 2, retryOn: '409,429'}", 429, 3)]
    [InlineData("retries: {attempts: 2, retryOn: '409,429'}", 503, 1)]
    [InlineData("retries: {attempts: 2, retryOn: gateway-error}", 500, 1)]
    [InlineData("retries: {attempts: 2, retryOn: gateway-error}", 502, 3)]
    public async Task Attempts_FollowTheRule(string retries, int status, int attempts)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route(retries));

        await AssertAttemptsAsync(scene, status, attempts);
    }

    [Fact]
    [EffectOf("VirtualService", "http.retries.perTryTimeout")]
    public async Task PerTryTimeout_EndsEachAttempt()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Route("retries: {attempts: 1, retryOn: 'reset,5xx', perTryTimeout: 2s}"));
        scene.Upstreams.Answer = static _ => null;
        MemoryConnection client = await scene.SendAsync();

        scene.Time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.Single(scene.Upstreams.Seen);

        Answered answered = await scene.SettleAsync(client);
        Assert.Equal((504, 2), (answered.Status, answered.Attempts.Length));
    }

    [Theory]
    [EffectOf("VirtualService", "http.retries.retryIgnorePreviousHosts")]
    [InlineData("", 85, 100)] // five draws at most
    [InlineData(", retryIgnorePreviousHosts: true", 85, 100)]
    [InlineData(", retryIgnorePreviousHosts: false", 35, 65)]
    public async Task RetryIgnorePreviousHosts_SendsElsewhere(string field, int fewest, int most)
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, new Random(1), RuleTexts.Services, RuleTexts.Route($"retries: {{attempts: 1, retryOn: 5xx{field}}}"), RuleTexts.Policy("loadBalancer: {simple: RANDOM}"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
        int elsewhere = 0;
        for (int i = 0; i < 100; i++)
        {
            int before = scene.Upstreams.Seen.Count;
            MemoryConnection client = await scene.SendAsync();
            elsewhere += (await scene.SettleAsync(client, before)).Attempts is [var first, var second] && first.Address != second.Address ? 1 : 0;
        }

        Assert.InRange(elsewhere, fewest, most);
    }

    [Theory]
    [EffectOf("VirtualService", "http.retries.backoff")]
    [InlineData("backoff: 1s", 500)]
    [InlineData("backoff: 4s", 2000)]
    public async Task Backoff_IsTheBaseOfThePause(string backoff, int pauseMs)
    {
        // Half of the pause is drawn.
        await using RuleScene scene = await RuleScene.StartWithAsync(null, new HalfRandom(), RuleTexts.Services, RuleTexts.Route($"retries: {{attempts: 1, retryOn: 5xx, {backoff}}}"));

        await AssertPausesAsync(scene, pauseMs);
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "retries.attempts")]
    [InlineData("attempts: 3", 4)]
    [InlineData("attempts: 0", 1)]
    public async Task Policy_Attempts_TakeThePlaceOfTheRoutes(string retries, int attempts)
    {
        await using RuleScene scene = await StartAsync($"retries: {{{retries}}}");

        await AssertAttemptsAsync(scene, 500, attempts);
    }

    // A route's base is 100 ms, and the middle of what chance may do is drawn.
    [Theory]
    [EffectOf("ResiliencePolicy", "retries.backoff.base")]
    [InlineData("{base: 1s, jitter: none}", 1000, 2000, 4000)]
    [EffectOf("ResiliencePolicy", "retries.backoff.max")]
    [InlineData("{base: 1s, max: 1500ms, jitter: none}", 1000, 1500, 1500)]
    [EffectOf("ResiliencePolicy", "retries.backoff.strategy")]
    [InlineData("{strategy: fixed, base: 1s, jitter: none}", 1000, 1000, 1000)]
    [InlineData("{strategy: linear, base: 1s, jitter: none}", 1000, 2000, 3000)]
    [InlineData("{strategy: exponential, base: 1s, jitter: none}", 1000, 2000, 4000)]
    [EffectOf("ResiliencePolicy", "retries.backoff.jitter")]
    [InlineData("{base: 1s, jitter: full}", 500, 1000, 2000)]
    [InlineData("{base: 1s, jitter: equal}", 750, 1500, 3000)]
    public async Task Policy_Backoff_ShapesThePauses(string backoff, params int[] pausesMs)
    {
        await using RuleScene scene = await StartAsync($"retries: {{attempts: 3, backoff: {backoff}}}", new HalfRandom());

        await AssertPausesAsync(scene, pausesMs);
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "retries.backoff.jitterRatio")]
    [InlineData(0.5, 500)]
    [InlineData(0.2, 800)]
    public async Task Policy_JitterRatio_IsTheMostThatChanceTakes(double ratio, int pauseMs)
    {
        await using RuleScene scene = await StartAsync(FormattableString.Invariant($"retries: {{attempts: 1, backoff: {{base: 1s, jitter: ratio, jitterRatio: {ratio}}}}}"));

        await AssertPausesAsync(scene, pauseMs);
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "retries.methods")]
    [InlineData("retries: {methods: [GET]}", "GET", 2)]
    [InlineData("retries: {methods: [GET]}", "POST", 1)]
    [InlineData("retries: {methods: ['*']}\nprofile: safe", "POST", 2)]
    [EffectOf("ResiliencePolicy", "profile")]
    [InlineData("profile: safe", "POST", 1)]
    [InlineData("profile: safe", "PUT", 2)]
    [InlineData("profile: istio", "POST", 2)]
    public async Task Policy_Methods_MayBeSentAgain(string spec, string method, int attempts)
    {
        await using RuleScene scene = await StartAsync(spec);

        await AssertAttemptsAsync(scene, 500, attempts, "Content-Length: 0\r\n", method);
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "retries.singleLayer")]
    [InlineData("retries: {singleLayer: true}", 1)]
    [InlineData("retries: {singleLayer: false}\nprofile: safe", 2)]
    [InlineData("profile: safe", 1)]
    [InlineData("profile: istio", 2)]
    public async Task Policy_SingleLayer_LeavesRetriesToTheOneAbove(string spec, int attempts)
    {
        await using RuleScene scene = await StartAsync(spec);

        await AssertAttemptsAsync(scene, 500, attempts, "x-envoy-attempt-count: 1\r\n");
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "retries.maxRetryAfter")]
    [InlineData("retries: {maxRetryAfter: 10s}", 8, 2)]
    [InlineData("retries: {maxRetryAfter: 10s}", 12, 1)]
    public async Task Policy_MaxRetryAfter_IsWaitedFor(string spec, int seconds, int attempts)
    {
        await using RuleScene scene = await StartAsync(spec);
        scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(500, "", FormattableString.Invariant($"Retry-After: {seconds}\r\n"));
        MemoryConnection client = await scene.SendAsync();

        scene.Time.Advance(TimeSpan.FromSeconds(seconds - 1));
        Assert.Single(scene.Upstreams.Seen);
        scene.Time.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(attempts, (await scene.ReadAsync(client)).Attempts.Length);
    }

    // Ten callers at once, all to be tried again.
    [Theory]
    [EffectOf("ResiliencePolicy", "retries.budget.minRetryConcurrency")]
    [InlineData("{percent: 0, minRetryConcurrency: 2}", 2)]
    [InlineData("{percent: 0, minRetryConcurrency: 5}", 5)]
    [EffectOf("ResiliencePolicy", "retries.budget.percent")]
    [InlineData("{percent: 40, minRetryConcurrency: 0}", 4)]
    [InlineData("{percent: 100, minRetryConcurrency: 0}", 10)]
    public async Task Policy_Budget_BoundsRetriesAtOnce(string budget, int retries)
    {
        await using RuleScene scene = await StartAsync($"retries: {{budget: {budget}}}");

        Assert.Equal(retries, await RuleBudgets.RetriesOfTenAsync(scene));
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "retries.budget.budgetInterval")]
    [InlineData("", 0)]
    [InlineData(", budgetInterval: 60s", 1)]
    public async Task Policy_BudgetInterval_CountsRequestsThatAreOver(string interval, int retries)
    {
        await using RuleScene scene = await StartAsync($"retries: {{budget: {{percent: 20, minRetryConcurrency: 0{interval}}}}}");

        Assert.Equal(retries, await RuleBudgets.RetriesAfterTenAsync(scene));
    }

    [Theory]
    [EffectOf("ResiliencePolicy", "host")]
    [InlineData("host: a.test", 3)]
    [InlineData("host: b.test", 2)]
    [EffectOf("ResiliencePolicy", "port")]
    [InlineData("host: a.test\nport: 80", 3)]
    [InlineData("host: a.test\nport: 8080", 2)]
    [EffectOf("ResiliencePolicy", "subset")]
    [InlineData("host: a.test\nsubset: v1", 3)]
    [InlineData("host: a.test\nsubset: v2", 2)]
    [EffectOf("ResiliencePolicy", "route")]
    [InlineData("host: a.test\nroute: checkout", 3)]
    [InlineData("host: a.test\nroute: other", 2)]
    public async Task Policy_HoldsForWhatItSelects(string selection, int attempts)
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Destination("host: a.test\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]"),
            RuleTexts.Routes($"- name: checkout\n  route: [{{destination: {{host: a.test, subset: v1}}}}]\n  {Once}"),
            RuleTexts.Resilience(selection + "\nretries: {attempts: 2}"));

        await AssertAttemptsAsync(scene, 500, attempts);
    }

    private static Task<RuleScene> StartAsync(string spec, Random? random = null) =>
        RuleScene.StartWithAsync(null, random, RuleTexts.Services, RuleTexts.Route(Once), RuleTexts.Resilience("host: a.test\n" + spec));

    private static async Task AssertAttemptsAsync(RuleScene scene, int status, int attempts, string headers = "", string method = "GET")
    {
        scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(status, "");

        Answered answered = await scene.SettleAsync(await scene.SendAsync(headers: headers, method: method));

        Assert.Equal((status, attempts), (answered.Status, answered.Attempts.Length));
    }

    private static async Task AssertPausesAsync(RuleScene scene, params int[] pausesMs)
    {
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
        MemoryConnection client = await scene.SendAsync();
        int timers = scene.Time.ArmedTimers; // in the first pause
        for (int i = 0; i < pausesMs.Length; i++)
        {
            int attempts = i + 2;
            scene.Time.Advance(TimeSpan.FromMilliseconds(pausesMs[i] - 10));
            Assert.Equal((attempts - 1, timers), (scene.Upstreams.Seen.Count, scene.Time.ArmedTimers)); // its timer has not fired
            scene.Time.Advance(TimeSpan.FromMilliseconds(10));
            await Eventually.HoldsAsync(
                () => scene.Upstreams.Seen.Count == attempts && (attempts > pausesMs.Length || scene.Time.ArmedTimers == timers), "the next attempt, and the pause after it");
        }

        Assert.Equal(500, (await scene.ReadAsync(client)).Status);
    }

    /// <summary>Draws the middle.</summary>
    private sealed class HalfRandom : Random
    {
        public override int Next(int maxValue) => maxValue / 2;

        public override long NextInt64(long maxValue) => maxValue / 2;

        public override double NextDouble() => 0.5;
    }
}
