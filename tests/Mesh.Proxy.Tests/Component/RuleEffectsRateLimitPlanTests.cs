using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>RateLimit.plan, from its text to the wire. The clock of the tests begins on 2030-01-01 at midnight, UTC.</summary>
public sealed class RuleEffectsRateLimitPlanTests
{
    [Fact]
    [EffectOf("RateLimit", "plan.total")]
    [EffectOf("RateLimit", "plan.window")]
    public async Task Plan_SpreadsItsTotalEvenlyOverItsWindow()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit("host: b.test\nplan: {total: 6, window: 1m}"));

        Assert.Equal(6, await PassesAsync(scene, 60)); // a call each second
        Assert.Equal(6, scene.Cluster("b.test").RateLimitPlanLeft); // the next window has begun
        scene.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(200, (await scene.CallAsync(host: "b.test")).Status);
        Assert.Equal(5, scene.Cluster("b.test").RateLimitPlanLeft);
        scene.Time.Advance(TimeSpan.FromSeconds(4));

        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Equal(["rate_limited; rule=default/rl#spec.plan.total; limit=6; now=1; scope=sidecar"], refused["x-mesh-reason"]);
        Assert.Equal("6", Assert.Single(refused["retry-after"]));
    }

    [Theory]
    [InlineData("", 3)] // no faster than evenly
    [EffectOf("RateLimit", "tokens")]
    [InlineData("\ntokens: 1\ninterval: 1s", 6)] // all of them, in half of the time
    [InlineData("\ntokens: 1\ninterval: 6s", 5)]
    public async Task Tokens_SayHowFastIsMadeUpForWhatDidNotCome(string tokens, int passes)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit("host: b.test\nplan: {total: 6, window: 1m}" + tokens));
        scene.Time.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal(passes, await PassesAsync(scene, 30));
    }

    [Fact]
    [EffectOf("RateLimit", "plan.total")]
    public async Task Plan_ThatIsDone_LetsNothingMoreThroughInItsWindow()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit("host: b.test\nplan: {total: 4, window: 1m}\nburst: 4\ntokens: 1"));

        Assert.Equal(4, await PassesAsync(scene, 40));
        Answered refused = await scene.CallAsync(host: "b.test");

        Assert.Equal((429, "20"), (refused.Status, Assert.Single(refused["retry-after"])));
        Assert.Equal(["rate_limited; rule=default/rl#spec.plan.total; limit=4; now=4; scope=sidecar"], refused["x-mesh-reason"]);
    }

    [Fact]
    public async Task AllowedHours_AreTheWindow()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: b.test\nplan: {total: 6}\nallowedHours: {from: '00:01', to: '00:02'}\nwhenExceeded: {wait: {maxWait: 15s, maxQueue: 5}}"));
        Assert.Equal(0, await PassesAsync(scene, 40));
        Assert.Equal(6, scene.Cluster("b.test").RateLimitPlanLeft);
        scene.Time.Advance(TimeSpan.FromSeconds(20));

        MemoryConnection[] clients = [await scene.SendAsync(host: "b.test"), await scene.SendAsync(host: "b.test")];
        Assert.Equal(200, (await scene.ReadAsync(clients[0])).Status);
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value == 1, "the second waits");
        Assert.Equal(4, scene.Cluster("b.test").RateLimitPlanLeft); // who waits is sure of its token
        scene.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(200, (await scene.ReadAsync(clients[1])).Status);
    }

    [Fact]
    public async Task Sidecar_ThatStartsWithinAWindow_HasThePartThatIsLeft()
    {
        await using RuleScene scene = await RuleScene.StartAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(45));
        await scene.ApplyAsync(RuleTexts.Services, RuleTexts.Limit("host: b.test\nplan: {total: 60, window: 1m}\nburst: 60"));

        Assert.Equal(15, scene.Cluster("b.test").RateLimitPlanLeft);
        Assert.Equal(15, await PassesAsync(scene, 15, times: 3));
    }

    private static async Task<int> PassesAsync(RuleScene scene, int seconds, int times = 1)
    {
        int passes = 0;
        for (int i = 0; i < seconds; i++)
        {
            for (int k = 0; k < times; k++)
            {
                passes += (await scene.CallAsync(host: "b.test")).Status == 200 ? 1 : 0;
            }

            scene.Time.Advance(TimeSpan.FromSeconds(1));
        }

        return passes;
    }
}
