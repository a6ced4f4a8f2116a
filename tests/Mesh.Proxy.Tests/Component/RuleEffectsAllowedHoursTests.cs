using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>RateLimit.allowedHours, from its text to the wire. The clock of the tests begins on 2030-01-01 at midnight, UTC.</summary>
public sealed class RuleEffectsAllowedHoursTests
{
    [Theory]
    [EffectOf("RateLimit", "allowedHours.from")]
    [EffectOf("RateLimit", "allowedHours.to")]
    [InlineData("{from: '00:00', to: '06:00'}", "0:00=200 5:59=200 6:00=429 23:59=429 24:00=200")]
    [InlineData("{from: '22:30', to: '06:00'}", "0:00=200 5:59=200 6:00=429 22:29=429 22:30=200 24:00=200")]
    [InlineData("{from: '06:00', to: '24:00'}", "0:00=429 6:00=200 23:59=200 24:00=429")]
    [EffectOf("RateLimit", "allowedHours.timeZone")]
    [InlineData("{from: '09:00', to: '15:00', timeZone: Asia/Seoul}", "0:00=200 5:59=200 6:00=429 23:59=429 24:00=200")]
    [InlineData("{from: '09:00', to: '15:00', timeZone: '+09:00'}", "0:00=200 5:59=200 6:00=429 23:59=429 24:00=200")]
    [InlineData("{from: '18:00', to: '24:00', timeZone: '-06:00'}", "0:00=200 5:59=200 6:00=429 23:59=429 24:00=200")]
    public async Task AllowedHours_LetRequestsThroughAtTheirTimeAlone(string hours, string times)
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit($"host: b.test\ntokens: 100\nallowedHours: {hours}"));
        TimeSpan now = TimeSpan.Zero;
        List<string> seen = [];
        foreach (string time in times.Split(' ').Select(static t => t.Split('=')[0]))
        {
            string[] parts = time.Split(':');
            TimeSpan at = TimeSpan.FromMinutes((int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture) * 60) + int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture));
            scene.Time.Advance(at - now);
            now = at;
            seen.Add($"{time}={(await scene.CallAsync(host: "b.test")).Status}");
        }

        Assert.Equal(times, string.Join(' ', seen));
    }

    [Fact]
    public async Task Refusal_SaysWhyAndWhenItOpens_AndOtherClassesOfCallsPass()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: b.test\ntokens: 1\nmatch: {headers: {x-class: {exact: batch}}}\nallowedHours: {from: '02:00', to: '06:00'}\nwhenExceeded: {wait: {maxWait: 5m}}"));
        scene.Time.Advance(TimeSpan.FromMinutes(30));

        Answered refused = await scene.CallAsync(host: "b.test", headers: "x-class: batch\r\n");

        Assert.Equal((429, "5400"), (refused.Status, Assert.Single(refused["retry-after"])));
        Assert.Equal(["outside_allowed_hours; rule=default/rl#spec.allowedHours; scope=sidecar"], refused["x-mesh-reason"]);
        Assert.Equal(200, (await scene.CallAsync(host: "b.test")).Status);
        Assert.Equal((1, 0), (scene.Cluster("b.test").Stats.RateLimit!.Limited.Value, scene.Cluster("b.test").Stats.RateLimit!.Ok.Value));
    }

    [Fact]
    public async Task ShortlyBeforeItOpens_RequestsWait_AndThenPassAtTheRate()
    {
        await using RuleScene scene = await RuleScene.StartAsync(
            RuleTexts.Limit("host: b.test\ntokens: 1\nallowedHours: {from: '00:10', to: '06:00'}\nwhenExceeded: {wait: {maxWait: 1m}}"));
        scene.Time.Advance(new TimeSpan(0, 9, 30));
        MemoryConnection first = await scene.SendAsync(host: "b.test");
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value == 1, "the first waits");
        MemoryConnection second = await scene.SendAsync(host: "b.test");
        await Eventually.HoldsAsync(() => scene.Cluster("b.test").Stats.RateLimit!.Waiting.Value == 2, "the second waits");

        scene.Time.Advance(TimeSpan.FromSeconds(29.9));
        Assert.Empty(scene.Upstreams.Seen);
        scene.Time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal(200, (await scene.ReadAsync(first)).Status);
        Assert.Single(scene.Upstreams.Seen);
        scene.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(200, (await scene.ReadAsync(second)).Status);
    }

    [Fact]
    public async Task ShadowMode_CountsWhatItWouldRefuse()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit("host: b.test\nmode: shadow\ntokens: 9\nallowedHours: {from: '01:00', to: '02:00'}"));

        Assert.Equal(200, (await scene.CallAsync(host: "b.test")).Status);
        Assert.Equal(1, scene.Cluster("b.test").Stats.RateLimit!.ShadowLimited.Value);
    }

    [Fact]
    public async Task Push_OfOtherHours_HoldsAtOnce()
    {
        await using RuleScene scene = await RuleScene.StartAsync(RuleTexts.Limit("host: b.test\ntokens: 9\nallowedHours: {from: '01:00', to: '02:00'}"));
        Assert.Equal(429, (await scene.CallAsync(host: "b.test")).Status);

        await scene.ApplyAsync(RuleTexts.Services, RuleTexts.Limit("host: b.test\ntokens: 9\nallowedHours: {from: '00:00', to: '02:00'}"));
        Assert.Equal(200, (await scene.CallAsync(host: "b.test")).Status);
        await scene.ApplyAsync(RuleTexts.Services, RuleTexts.Limit("host: b.test\ntokens: 9"));
        Assert.Equal(200, (await scene.CallAsync(host: "b.test")).Status);
    }
}
