using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>outlierDetection of a DestinationRule, from its text to who gets requests.</summary>
public sealed class RuleEffectsOutlierTests
{
    private const string NoRetries = "hosts: [b.test]\nhttp: [{route: [{destination: {host: b.test}}], retries: {attempts: 0}}]";

    // One endpoint that always answers so: how many requests it gets until it is out.
    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.consecutive5xxErrors")]
    [InlineData("consecutive5xxErrors: 3", 500, 3)]
    [InlineData("consecutive5xxErrors: 0", 500, 20)]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.consecutiveErrors")]
    [InlineData("consecutiveErrors: 7", 500, 7)]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.consecutiveGatewayErrors")]
    [InlineData("consecutiveGatewayErrors: 2", 503, 2)]
    [InlineData("consecutiveGatewayErrors: 2", 500, 5)]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes")]
    [InlineData("consecutive5xxErrors: 3, outlierDetectionHttpErrorCodes: [429]", 429, 3)]
    [InlineData("consecutive5xxErrors: 3, outlierDetectionHttpErrorCodes: [429]", 500, 20)]
    [InlineData("consecutive5xxErrors: 3", 429, 20)]
    public async Task Answers_InARow_Eject(string fields, int status, int served)
    {
        await using RuleScene scene = await StartAsync(fields);
        scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(status, "");

        await CallAsync(scene, 20);

        Assert.Equal(served, scene.Upstreams.Seen.Count);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.splitExternalLocalOriginErrors")]
    [InlineData("splitExternalLocalOriginErrors: false", 5)]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.consecutiveLocalOriginFailures")]
    [InlineData("splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2", 2)]
    [InlineData("splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 8", 8)]
    public async Task Connects_ThatFail_Eject(string fields, int dials)
    {
        await using RuleScene scene = await StartAsync(fields);
        scene.Upstreams.Refuses = static _ => true;

        await CallAsync(scene, 20);

        Assert.Equal(dials, scene.Upstreams.Dials.Count);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.baseEjectionTime")]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.interval")]
    [InlineData("interval: 1s, baseEjectionTime: 5s", 5)]
    [InlineData("interval: 1s, baseEjectionTime: 20s", 20)]
    [InlineData("interval: 15s, baseEjectionTime: 20s", 30)] // the first sweep after its time
    public async Task Ejected_ReturnsAfterItsTime(string fields, int seconds)
    {
        await using RuleScene scene = await StartAsync(fields);
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
        await CallAsync(scene, 5);
        scene.Upstreams.Answer = static request => AnsweringUpstreams.Text(200, request.Address);

        scene.Time.Advance(TimeSpan.FromSeconds(seconds - 0.5));
        Assert.Equal(503, (await scene.CallAsync(host: "b.test")).Status);
        scene.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(200, (await scene.CallAsync(host: "b.test")).Status);
    }

    // Four endpoints, all of which fail: how many may be out.
    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.maxEjectionPercent")]
    [InlineData("maxEjectionPercent: 100", 0)]
    [InlineData("maxEjectionPercent: 50", 2)]
    [InlineData("maxEjectionPercent: 25", 3)]
    public async Task MaxEjectionPercent_KeepsTheRest(string fields, int stay)
    {
        await using RuleScene scene = await RuleScene.StartWithAsync(
            null, null,
            RuleTexts.Entry("hosts: [b.test]\nresolution: STATIC\nports: [{number: 80, name: http, protocol: HTTP}]\nendpoints: [{address: 10.0.1.1}, {address: 10.0.1.2}, {address: 10.0.1.3}, {address: 10.0.1.4}]"),
            RuleTexts.Virtual(NoRetries), RuleTexts.Policy($"loadBalancer: {{simple: ROUND_ROBIN}}\noutlierDetection: {{{fields}}}", "b.test"));
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
        await CallAsync(scene, 100);
        int before = scene.Upstreams.Seen.Count;

        await CallAsync(scene, 20);

        Assert.Equal(stay, scene.Upstreams.Seen.Skip(before).Select(static r => r.Address).Distinct().Count());
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.outlierDetection.minHealthPercent")]
    [InlineData("minHealthPercent: 0", 503)]
    [InlineData("minHealthPercent: 50", 500)] // so few are healthy that health is ignored
    public async Task MinHealthPercent_IgnoresHealthBelow(string fields, int status)
    {
        await using RuleScene scene = await StartAsync(fields);
        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
        await CallAsync(scene, 5);

        Assert.Equal(status, (await scene.CallAsync(host: "b.test")).Status);
    }

    private static Task<RuleScene> StartAsync(string fields) => RuleScene.StartAsync(
        RuleTexts.Virtual(NoRetries),
        RuleTexts.Policy($"outlierDetection: {{{fields}{(fields.Contains("maxEjectionPercent", StringComparison.Ordinal) ? "" : ", maxEjectionPercent: 100")}}}", "b.test"));

    private static async Task CallAsync(RuleScene scene, int times)
    {
        for (int i = 0; i < times; i++)
        {
            await scene.CallAsync(host: "b.test");
        }
    }
}
