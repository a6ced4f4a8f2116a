using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Shadows;

/// <summary>Outlier detection in shadow mode against one that ejects: the same answers, the same ejections at the same times.</summary>
public sealed class ShadowDetectorTests
{
    private const int Endpoints = 4;

    [Theory]
    [InlineData(100, false)]
    [InlineData(50, false)]
    [InlineData(25, false)]
    [InlineData(10, false)] // less than one: held back each time
    [InlineData(100, true)]
    public void Answers_ToADetectorInShadow_EjectAlike(int percent, bool isSplit)
    {
        for (int seed = 1; seed <= 5; seed++)
        {
            OutlierConfig policy = new()
            {
                Consecutive5xx = 3,
                ConsecutiveGatewayFailure = 2,
                ConsecutiveLocalOriginFailure = 2,
                SplitLocalOrigin = isSplit,
                MaxEjectionPercent = percent,
                Interval = TimeSpan.FromSeconds(1),
                BaseEjectionTime = TimeSpan.FromSeconds(3),
                MaxEjectionTime = TimeSpan.FromSeconds(9),
            };
            using UpstreamHarness enforcing = new(c => c.Outlier(_ => policy), Endpoints);
            using UpstreamHarness shadowed = new(c => c with { Shadow = new ShadowConfig { Outlier = policy, OutlierSource = "default/s#spec.trafficPolicy.outlierDetection" } }, Endpoints);

            Play(new Random(seed), enforcing, shadowed);

            Assert.True(enforcing.Events.Count > 20, $"seed {seed}: {enforcing.Events.Count} events");
            Assert.Equal(enforcing.Events.Select(Facts), shadowed.Events.Select(Facts));
            Assert.All(shadowed.Events, static e => Assert.Equal((false, true, "default/s#spec.trafficPolicy.outlierDetection"), (e.IsEnforced, e.IsShadow, e.Rule)));
            ShadowStats shadow = shadowed.Stats.Shadow!;
            Assert.Equal(
                (enforcing.Stats.EjectionsEnforcedTotal.Value, enforcing.Stats.EjectionsOverflow.Value, enforcing.Stats.EjectionsActive.Value),
                (shadow.Ejections.Value, shadow.EjectionsOverflow.Value, shadow.EjectionsActive.Value));
            Assert.All(shadowed.Cluster.Endpoints, static e => Assert.False(e.IsEjected));
        }
    }

    [Fact]
    public void Policy_ThatGoes_LetsEverybodyReturn()
    {
        using UpstreamHarness harness = new(static c => c with { Shadow = new ShadowConfig { Outlier = new OutlierConfig { MaxEjectionPercent = 100 } } });
        harness.Answer(harness.First, 500, times: 5);
        Assert.Equal(1, harness.Stats.Shadow!.EjectionsActive.Value);

        harness.Configure(static c => c with { Shadow = null });

        Assert.Equal(0, harness.Stats.Shadow.EjectionsActive.Value);
        Assert.Equal(["consecutive_5xx", "policy_removed"], harness.Events.Select(static e => e.Reason));
        harness.Answer(harness.First, 500, times: 5);
        Assert.Equal(2, harness.Events.Count);
    }

    [Fact]
    public void Event_OfADetectorInShadow_SaysSo()
    {
        using UpstreamHarness harness = new(static c => c with { Shadow = new ShadowConfig { Outlier = new OutlierConfig { MaxEjectionPercent = 100 } } });
        harness.Answer(harness.First, 500, times: 5);

        Assert.Contains("\"action\":\"EJECT\",\"num_ejections\":1,\"enforced\":false,\"shadow\":true", EjectionLog.Format(Assert.Single(harness.Events)), StringComparison.Ordinal);
    }

    // An endpoint that is out gets no calls; where nobody is out, it goes on getting them.
    private static void Play(Random dice, UpstreamHarness enforcing, UpstreamHarness shadowed)
    {
        UpstreamOutcome[] outcomes = [UpstreamOutcome.Response, UpstreamOutcome.Response, UpstreamOutcome.Response, UpstreamOutcome.Reset, UpstreamOutcome.Timeout];
        for (int step = 0; step < 2000; step++)
        {
            int endpoint = dice.Next(Endpoints);
            UpstreamOutcome outcome = outcomes[dice.Next(outcomes.Length)];
            int status = new[] { 200, 200, 500, 503 }[dice.Next(4)];
            if (!enforcing.Cluster.Endpoints[endpoint].IsEjected)
            {
                enforcing.Cluster.Record(enforcing.Cluster.Endpoints[endpoint], outcome, status);
            }

            shadowed.Cluster.Record(shadowed.Cluster.Endpoints[endpoint], outcome, status);
            TimeSpan pause = TimeSpan.FromMilliseconds(dice.Next(60));
            enforcing.Time.Advance(pause);
            shadowed.Time.Advance(pause);
        }
    }

    // Whether it was carried out is what must differ.
    private static (DateTimeOffset, string, bool, string, long, TimeSpan?, DateTimeOffset?) Facts(EjectionEvent e) =>
        (e.Timestamp, e.Upstream, e.IsEject, e.Reason, e.NumEjections, e.SinceLastAction, e.Until);
}
