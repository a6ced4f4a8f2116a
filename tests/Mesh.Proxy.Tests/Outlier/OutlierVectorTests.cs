using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Outlier;

/// <summary>Test vectors 6 to 10 (semantics 13).</summary>
public sealed class OutlierVectorTests
{
    [Fact]
    public void Vector6_FiveAnswers500_EjectedOnce()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));

        harness.Answer(harness.First, 500, times: 4);
        Assert.False(harness.First.IsEjected);
        harness.Answer(harness.First, 500, times: 1);

        Assert.True(harness.First.IsEjected);
        Assert.Equal(1, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
        Assert.Equal(1, harness.Stats.EjectionsEnforcedConsecutive5xx.Value);
        Assert.Equal(1, harness.Stats.EjectionsEnforcedTotal.Value);
        Assert.Equal(1, harness.Stats.EjectionsActive.Value);
        Assert.Equal(0, harness.Stats.MembershipHealthy.Value);
        EjectionEvent told = Assert.Single(harness.Events);
        Assert.Equal(
            new EjectionEvent(
                harness.Time.GetUtcNow(), harness.Cluster.Name, "10.0.0.1:80", IsEject: true, "consecutive_5xx", NumEjections: 1, IsEnforced: true,
                SinceLastAction: null, harness.Time.GetUtcNow().AddSeconds(30), "default/a#spec.trafficPolicy.outlierDetection"),
            told);

        harness.Answer(harness.First, 500, times: 20); // stragglers of an ejected endpoint
        Assert.Equal(1, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
        Assert.Single(harness.Events);
    }

    [Fact]
    public void Vector7_TenPercentOfThreeHosts_NobodyIsEjected()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 10 }), endpoints: 3);

        harness.Answer(harness.First, 500, times: 5);

        Assert.False(harness.First.IsEjected);
        Assert.Equal(1, harness.Stats.EjectionsOverflow.Value);
        Assert.Equal(1, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
        Assert.Equal(0, harness.Stats.EjectionsEnforcedTotal.Value);
        EjectionEvent told = Assert.Single(harness.Events);
        Assert.Equal((true, false, null), (told.IsEject, told.IsEnforced, told.Until));

        harness.Answer(harness.First, 500, times: 5); // the count began again
        Assert.Equal(2, harness.Stats.EjectionsOverflow.Value);
    }

    [Theory]
    [InlineData(34, 3, 1)]
    [InlineData(33, 3, 0)]
    [InlineData(67, 3, 2)]
    [InlineData(100, 3, 3)]
    [InlineData(50, 1, 0)]
    [InlineData(50, 2, 1)]
    [InlineData(50, 5, 2)]
    [InlineData(10, 9, 0)]
    [InlineData(10, 10, 1)]
    [InlineData(10, 20, 2)]
    public void Vector7_Percentages_AllowExactlyTheTable(int percent, int hosts, int expected)
    {
        using UpstreamHarness harness = new(c => c.Outlier(o => o with { MaxEjectionPercent = percent }), hosts);

        foreach (Endpoint endpoint in harness.Cluster.Endpoints)
        {
            harness.Answer(endpoint, 500, times: 5);
        }

        Assert.Equal(expected, harness.Stats.EjectionsActive.Value);
        Assert.Equal(hosts - expected, harness.Stats.EjectionsOverflow.Value);
    }

    [Fact]
    public void Vector8_GatewayThresholdTwo_A500BreaksTheRow()
    {
        using UpstreamHarness harness = new(
            static c => c.Outlier(static o => o with { ConsecutiveGatewayFailure = 2, Consecutive5xx = 0, MaxEjectionPercent = 100 }));

        harness.Answer(harness.First, 500);
        harness.Answer(harness.First, 503);
        harness.Answer(harness.First, 500);
        harness.Answer(harness.First, 503);
        Assert.False(harness.First.IsEjected);
        harness.Answer(harness.First, 503);

        Assert.True(harness.First.IsEjected);
        Assert.Equal(1, harness.Stats.EjectionsEnforcedConsecutiveGatewayFailure.Value);
        Assert.Equal(0, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
    }

    [Fact]
    public void Vector8_AsWritten_FiresOnTheSecond503()
    {
        using UpstreamHarness harness = new(
            static c => c.Outlier(static o => o with { ConsecutiveGatewayFailure = 2, Consecutive5xx = 5, MaxEjectionPercent = 100 }));

        harness.Answer(harness.First, 500);
        harness.Answer(harness.First, 503);
        Assert.False(harness.First.IsEjected);
        harness.Answer(harness.First, 503);

        Assert.True(harness.First.IsEjected);
        Assert.Equal("consecutive_gateway_failure", harness.Events[0].Reason);
    }

    [Fact]
    public void Vector9_Base30Interval10_ReturnsAtTheFirstSweepAfterItsTime()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        harness.Time.Advance(TimeSpan.FromSeconds(5)); // sweeps at 10, 20, 30, 40; ejected at 5: its time is over at 35
        harness.Answer(harness.First, 500, times: 5);

        harness.Time.Advance(TimeSpan.FromSeconds(34.999));
        Assert.True(harness.First.IsEjected);
        harness.Time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.False(harness.First.IsEjected);
        Assert.Equal(0, harness.Stats.EjectionsActive.Value);
        Assert.Equal(1, harness.Stats.MembershipHealthy.Value);
        EjectionEvent told = harness.Events[1];
        Assert.Equal(
            (false, "time", "consecutive_5xx", 1L, TimeSpan.FromSeconds(35)), (told.IsEject, told.Reason, told.Detector, told.NumEjections, told.SinceLastAction!.Value));
    }

    [Theory]
    [InlineData(5, 60)]   // fails again before one clean interval: twice as long
    [InlineData(25, 30)]  // after a clean interval the multiplier has dropped again
    public void Vector9_NextEjection_DependsOnTheCleanInterval(int secondsAfterReturn, int expectedSeconds)
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        harness.Answer(harness.First, 500, times: 5);
        harness.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.False(harness.First.IsEjected);

        harness.Time.Advance(TimeSpan.FromSeconds(secondsAfterReturn));
        harness.Answer(harness.First, 500, times: 5);

        EjectionEvent second = harness.Events[^1];
        Assert.Equal(TimeSpan.FromSeconds(expectedSeconds), second.Until!.Value - second.Timestamp);
        harness.Time.Advance(TimeSpan.FromSeconds(expectedSeconds - 0.001));
        Assert.True(harness.First.IsEjected);
        harness.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.False(harness.First.IsEjected);
    }

    [Fact]
    public async Task Vector10_AllEjectedNoMinimum_NoHealthyUpstream()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }), endpoints: 2);
        foreach (Endpoint endpoint in harness.Cluster.Endpoints)
        {
            harness.Answer(endpoint, 500, times: 5);
        }

        RentResult result = await harness.Rent();

        Assert.Equal(RentStatus.NoHealthyUpstream, result.Status);
        Assert.Equal(
            new DecisionRecord(DecisionReason.NoHealthyUpstream, "default/a#spec.trafficPolicy.outlierDetection", null, Limit: 2, Now: 0),
            result.Decision);
        Assert.Equal(0, harness.Stats.LbHealthyPanic.Value);
    }

    [Fact]
    public async Task Vector10_AllEjectedMinimum50_TrafficToAll()
    {
        using UpstreamHarness harness = new(
            static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }) with
            {
                PanicThresholdPercent = 50,
                LoadBalancer = LoadBalancerPolicy.RoundRobin,
            },
            endpoints: 2);
        harness.Connector.ConnectsAtOnce = true;
        foreach (Endpoint endpoint in harness.Cluster.Endpoints)
        {
            harness.Answer(endpoint, 500, times: 5);
        }

        RentResult[] results = [await harness.Rent(), await harness.Rent()];

        Assert.Equal(2, results.Select(static r => r.Endpoint).Distinct().Count());
        Assert.Equal(2, harness.Stats.LbHealthyPanic.Value);
    }
}
