using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Outlier;

/// <summary>Test vectors 6 to 10, and the surprises around them (semantics 3).</summary>
public sealed class OutlierVectorTests
{
    [Fact]
    public void Vector6_FiveAnswers500_EjectedOnce()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));

        Answer(harness, harness.First, 500, times: 4);
        Assert.False(harness.First.IsEjected);
        Answer(harness, harness.First, 500, times: 1);

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

        Answer(harness, harness.First, 500, times: 20); // stragglers of an ejected endpoint
        Assert.Equal(1, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
        Assert.Single(harness.Events);
    }

    [Fact]
    public void Vector7_TenPercentOfThreeHosts_NobodyIsEjected()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 10 }), endpoints: 3);

        Answer(harness, harness.First, 500, times: 5);

        Assert.False(harness.First.IsEjected);
        Assert.Equal(1, harness.Stats.EjectionsOverflow.Value);
        Assert.Equal(1, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
        Assert.Equal(0, harness.Stats.EjectionsEnforcedTotal.Value);
        EjectionEvent told = Assert.Single(harness.Events);
        Assert.Equal((true, false, null), (told.IsEject, told.IsEnforced, told.Until));

        Answer(harness, harness.First, 500, times: 5); // the count began again
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
            Answer(harness, endpoint, 500, times: 5);
        }

        Assert.Equal(expected, harness.Stats.EjectionsActive.Value);
        Assert.Equal(hosts - expected, harness.Stats.EjectionsOverflow.Value);
    }

    [Fact]
    public void Vector8_GatewayThresholdTwo_A500BreaksTheRow()
    {
        using UpstreamHarness harness = new(
            static c => c.Outlier(static o => o with { ConsecutiveGatewayFailure = 2, Consecutive5xx = 0, MaxEjectionPercent = 100 }));

        Answer(harness, harness.First, 500);
        Answer(harness, harness.First, 503);
        Answer(harness, harness.First, 500);
        Answer(harness, harness.First, 503);
        Assert.False(harness.First.IsEjected);
        Answer(harness, harness.First, 503);

        Assert.True(harness.First.IsEjected);
        Assert.Equal(1, harness.Stats.EjectionsEnforcedConsecutiveGatewayFailure.Value);
        Assert.Equal(0, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
    }

    [Fact]
    public void Vector8_AsWritten_FiresOnTheSecond503()
    {
        using UpstreamHarness harness = new(
            static c => c.Outlier(static o => o with { ConsecutiveGatewayFailure = 2, Consecutive5xx = 5, MaxEjectionPercent = 100 }));

        Answer(harness, harness.First, 500);
        Answer(harness, harness.First, 503);
        Assert.False(harness.First.IsEjected);
        Answer(harness, harness.First, 503);

        Assert.True(harness.First.IsEjected);
        Assert.Equal("consecutive_gateway_failure", harness.Events[0].Reason);
    }

    [Fact]
    public void Vector9_Base30Interval10_ReturnsAtTheFirstSweepAfterItsTime()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        harness.Time.Advance(TimeSpan.FromSeconds(5)); // sweeps at 10, 20, 30, 40; ejected at 5: its time is over at 35
        Answer(harness, harness.First, 500, times: 5);

        harness.Time.Advance(TimeSpan.FromSeconds(34.999));
        Assert.True(harness.First.IsEjected);
        harness.Time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.False(harness.First.IsEjected);
        Assert.Equal(0, harness.Stats.EjectionsActive.Value);
        Assert.Equal(1, harness.Stats.MembershipHealthy.Value);
        EjectionEvent told = harness.Events[1];
        Assert.Equal(
            (false, "time", 1L, TimeSpan.FromSeconds(35)), (told.IsEject, told.Reason, told.NumEjections, told.SinceLastAction!.Value));
    }

    [Theory]
    [InlineData(5, 60)]   // fails again before one clean interval: twice as long
    [InlineData(25, 30)]  // after a clean interval the multiplier has dropped again
    public void Vector9_NextEjection_DependsOnTheCleanInterval(int secondsAfterReturn, int expectedSeconds)
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        Answer(harness, harness.First, 500, times: 5);
        harness.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.False(harness.First.IsEjected);

        harness.Time.Advance(TimeSpan.FromSeconds(secondsAfterReturn));
        Answer(harness, harness.First, 500, times: 5);

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
            Answer(harness, endpoint, 500, times: 5);
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
            Answer(harness, endpoint, 500, times: 5);
        }

        RentResult[] results = [await harness.Rent(), await harness.Rent()];

        Assert.Equal(2, results.Select(static r => r.Endpoint).Distinct().Count());
        Assert.Equal(2, harness.Stats.LbHealthyPanic.Value);
    }

    [Fact]
    public async Task Ejection_BusyAndIdleConnections_IdleCloseNowBusyAfterTheirStream()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        harness.Connector.ConnectsAtOnce = true;
        UpstreamConnection busy = await harness.RentOk();
        UpstreamConnection idle = await harness.RentOk();
        idle.Release(reusable: true);

        Answer(harness, harness.First, 500, times: 5);

        Assert.Single(harness.Connector.Alive);
        Assert.True(busy.IsDraining);
        Assert.False(busy.Closed.IsCancellationRequested); // what is in flight completes
        busy.Release(reusable: true);
        Assert.Empty(harness.Connector.Alive);
    }

    [Fact]
    public async Task ConnectFailures_FiveInARow_EjectAsGatewayAnd5xx()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { ConsecutiveGatewayFailure = 5, MaxEjectionPercent = 100 }));

        for (int i = 0; i < 5; i++)
        {
            Task<RentResult> rent = harness.Rent();
            harness.Connector.Open[0].Fail();
            await UpstreamHarness.Soon(rent);
        }

        Assert.True(harness.First.IsEjected);
        Assert.Equal("consecutive_gateway_failure", Assert.Single(harness.Events).Reason); // gateway first; then it is out already
    }

    [Fact]
    public async Task Split_LocalFailures_CountApart()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with
        {
            SplitLocalOrigin = true,
            ConsecutiveLocalOriginFailure = 2,
            Consecutive5xx = 1,
            MaxEjectionPercent = 100,
        }));

        Task<RentResult> rent = harness.Rent();
        harness.Connector.Open[0].Fail();
        await UpstreamHarness.Soon(rent);
        Assert.False(harness.First.IsEjected);
        harness.Cluster.Record(harness.First, UpstreamOutcome.Timeout, 0);

        Assert.True(harness.First.IsEjected);
        Assert.Equal(1, harness.Stats.EjectionsEnforcedConsecutiveLocalOriginFailure.Value);
        Assert.Equal(0, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
    }

    [Fact]
    public async Task Split_ConnectSuccess_BreaksTheRowOfLocalFailures()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with
        {
            SplitLocalOrigin = true,
            ConsecutiveLocalOriginFailure = 2,
            MaxEjectionPercent = 100,
        }));
        harness.Cluster.Record(harness.First, UpstreamOutcome.Reset, 0);

        await harness.RentOk();
        harness.Cluster.Record(harness.First, UpstreamOutcome.Reset, 0);

        Assert.False(harness.First.IsEjected);
    }

    [Fact]
    public void Split_Plain500_CountsAsGatewayFailure()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with
        {
            SplitLocalOrigin = true,
            ConsecutiveGatewayFailure = 2,
            Consecutive5xx = 0,
            MaxEjectionPercent = 100,
        }));

        Answer(harness, harness.First, 500, times: 2);

        Assert.True(harness.First.IsEjected);
    }

    [Fact]
    public void ErrorCodes_Listed_OnlyTheyCount()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with
        {
            ErrorCodes = "429,503",
            Consecutive5xx = 3,
            ConsecutiveGatewayFailure = 2,
            MaxEjectionPercent = 100,
        }));

        Answer(harness, harness.First, 503);
        Answer(harness, harness.First, 500);            // not listed: a success, breaks both rows
        Answer(harness, harness.First, 429, times: 2);  // counts as 500: never a gateway failure
        Assert.False(harness.First.IsEjected);
        Answer(harness, harness.First, 429);

        Assert.Equal("consecutive_5xx", Assert.Single(harness.Events).Reason);
    }

    [Fact]
    public void Tcp_ConnectTimeouts_CountAs504()
    {
        using UpstreamHarness harness = new(static c => c.Tcp().Outlier(static o => o with { ConsecutiveGatewayFailure = 2, MaxEjectionPercent = 100 }));

        harness.Cluster.Record(harness.First, UpstreamOutcome.ConnectTimeout, 0);
        harness.Cluster.Record(harness.First, UpstreamOutcome.TcpConnected, 0);
        harness.Cluster.Record(harness.First, UpstreamOutcome.ConnectTimeout, 0);
        Assert.False(harness.First.IsEjected);
        harness.Cluster.Record(harness.First, UpstreamOutcome.ConnectTimeout, 0);

        Assert.True(harness.First.IsEjected);
    }

    [Fact]
    public void Multiplier_ManyEjections_IsCappedByTheMaximum()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with
        {
            Consecutive5xx = 1,
            BaseEjectionTime = TimeSpan.FromMinutes(3),
            Interval = TimeSpan.FromSeconds(1),
            MaxEjectionPercent = 100,
        }));

        Answer(harness, harness.First, 500);
        harness.Time.Advance(TimeSpan.FromSeconds(180));
        Assert.False(harness.First.IsEjected);
        Answer(harness, harness.First, 500); // before the multiplier decayed: min(2 * 180, 300)
        harness.Time.Advance(TimeSpan.FromSeconds(299));
        Assert.True(harness.First.IsEjected);
        harness.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.False(harness.First.IsEjected);
    }

    [Fact]
    public void Interval_LongerThanTheBase_EjectionLastsTheInterval()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with
        {
            BaseEjectionTime = TimeSpan.FromSeconds(1),
            Interval = TimeSpan.FromSeconds(10),
            MaxEjectionPercent = 100,
        }));
        Answer(harness, harness.First, 500, times: 5);

        harness.Time.Advance(TimeSpan.FromSeconds(9.999));
        Assert.True(harness.First.IsEjected);
        harness.Time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.False(harness.First.IsEjected);
    }

    [Fact]
    public void Return_ClearsTheCounts()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        Answer(harness, harness.First, 500, times: 9); // five eject, four more arrive while it is out
        harness.Time.Advance(TimeSpan.FromSeconds(30));

        Answer(harness, harness.First, 500, times: 4);
        Assert.False(harness.First.IsEjected);
        Answer(harness, harness.First, 500);

        Assert.True(harness.First.IsEjected);
    }

    [Fact]
    public void Sweep_DoesNotClearTheCounts()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        Answer(harness, harness.First, 500, times: 4);
        harness.Time.Advance(TimeSpan.FromMinutes(5));

        Answer(harness, harness.First, 500);

        Assert.True(harness.First.IsEjected);
    }

    [Fact]
    public async Task ParallelFailures_AnyNumber_OneEjection()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => Answer(harness, harness.First, 503, times: 500))));

        Assert.Equal(1, harness.Stats.EjectionsEnforcedTotal.Value);
        Assert.Single(harness.Events);
    }

    [Fact]
    public void TooFewEndpointsForThePercentage_IsSaidOnceWithWhatToWrite()
    {
        RecordingLoggerFactory log = new();
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 10 }), endpoints: 3, log: log);

        harness.Configure(static c => c.Limit(connections: 5));
        Assert.Equal(
            "default/a#spec.trafficPolicy.outlierDetection.maxEjectionPercent: 10 % of 3 endpoints is less than one, so outlier detection never ejects; " +
            "write at least 34 (cluster outbound|80||a.test)",
            Assert.Single(log.Warnings));

        harness.Configure(static c => c.Outlier(static o => o with { MaxEjectionPercent = 34 }));
        Assert.Single(log.Warnings);
        harness.Configure(static c => c.Outlier(static o => o with { MaxEjectionPercent = 33 }));
        Assert.Equal(2, log.Warnings.Count);
    }

    private static void Answer(UpstreamHarness harness, Endpoint endpoint, int code, int times = 1)
    {
        for (int i = 0; i < times; i++)
        {
            harness.Cluster.Record(endpoint, UpstreamOutcome.Response, code);
        }
    }
}
