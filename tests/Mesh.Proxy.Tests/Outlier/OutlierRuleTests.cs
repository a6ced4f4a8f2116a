using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Outlier;

/// <summary>The rules around the vectors (semantics 3): what counts as what, for how long, and what follows for connections.</summary>
public sealed class OutlierRuleTests
{
    [Fact]
    public async Task Ejection_BusyAndIdleConnections_IdleCloseNowBusyAfterTheirStream()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        harness.Connector.ConnectsAtOnce = true;
        UpstreamConnection busy = await harness.RentOk();
        UpstreamConnection idle = await harness.RentOk();
        idle.Release(reusable: true);

        harness.Answer(harness.First, 500, times: 5);

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

        harness.Answer(harness.First, 500, times: 2);

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

        harness.Answer(harness.First, 503);
        harness.Answer(harness.First, 500);            // not listed: a success, breaks both rows
        harness.Answer(harness.First, 429, times: 2);  // counts as 500: never a gateway failure
        Assert.False(harness.First.IsEjected);
        harness.Answer(harness.First, 429);

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

        harness.Answer(harness.First, 500);
        harness.Time.Advance(TimeSpan.FromSeconds(180));
        Assert.False(harness.First.IsEjected);
        harness.Answer(harness.First, 500); // before the multiplier decayed: min(2 * 180, 300)
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
        harness.Answer(harness.First, 500, times: 5);

        harness.Time.Advance(TimeSpan.FromSeconds(9.999));
        Assert.True(harness.First.IsEjected);
        harness.Time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.False(harness.First.IsEjected);
    }

    [Fact]
    public void Return_ClearsTheCounts()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        harness.Answer(harness.First, 500, times: 9); // five eject, four more arrive while it is out
        harness.Time.Advance(TimeSpan.FromSeconds(30));

        harness.Answer(harness.First, 500, times: 4);
        Assert.False(harness.First.IsEjected);
        harness.Answer(harness.First, 500);

        Assert.True(harness.First.IsEjected);
    }

    [Fact]
    public void Sweep_DoesNotClearTheCounts()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));
        harness.Answer(harness.First, 500, times: 4);
        harness.Time.Advance(TimeSpan.FromMinutes(5));

        harness.Answer(harness.First, 500);

        Assert.True(harness.First.IsEjected);
    }

    [Fact]
    public async Task ParallelFailures_AnyNumber_OneEjection()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }));

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => harness.Answer(harness.First, 503, times: 500))));

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
}
