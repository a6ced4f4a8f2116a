using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Test vectors 1 to 5 and the first half of 6: limits of a cluster.</summary>
public sealed class CircuitBreakerVectorTests
{
    [Fact]
    public async Task Vector1_ColdBurstOfTenWithOnePending_OneWaitsAndNineAreRefusedAtOnce()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1000, pending: 1));

        Task<RentResult>[] rents = [.. Enumerable.Range(0, 10).Select(_ => harness.Rent())];

        // Nothing has connected and no time has passed: the nine have their answers already.
        RentResult[] refused = [.. rents.Where(static r => r.IsCompleted).Select(static r => r.Result)];
        Assert.Equal(9, refused.Length);
        Assert.All(refused, static r => Assert.Equal(RentStatus.Overflow, r.Status));
        Assert.Equal(
            new DecisionRecord(
                DecisionReason.PendingOverflow, "default/a#spec.trafficPolicy.connectionPool", "http.http1MaxPendingRequests", Limit: 1, Now: 1),
            refused[0].Decision);
        Assert.Equal(9, harness.Stats.RqPendingOverflow.Value);
        Assert.Equal(1, harness.Stats.RqPendingTotal.Value);

        harness.Time.Advance(TimeSpan.FromMilliseconds(50));
        Assert.Single(harness.Connector.Open).Succeed();
        RentResult served = await UpstreamHarness.Soon(rents[0]);
        Assert.Equal(RentStatus.Ok, served.Status);
        Assert.Equal(TimeSpan.FromMilliseconds(50), served.QueueTime);
        served.Connection!.Release(reusable: true);
    }

    [Fact]
    public async Task Vector2_OneConnectionOnePendingThreeWarm_TwoServedOneRefused()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1, pending: 1));
        (await harness.RentOk()).Release(reusable: true);

        Task<RentResult> first = harness.Rent();
        Task<RentResult> second = harness.Rent();
        Task<RentResult> third = harness.Rent();

        Assert.Equal(RentStatus.Overflow, (await UpstreamHarness.Soon(third)).Status);
        (await UpstreamHarness.Soon(first)).Connection!.Release(reusable: true);
        RentResult later = await UpstreamHarness.Soon(second);
        Assert.Equal(RentStatus.Ok, later.Status);
        Assert.True(later.Connection!.IsReused);
        Assert.Single(harness.Connector.Started);
        later.Connection.Release(reusable: true);
    }

    [Fact]
    public async Task Vector3_ThreeRequestsAllowedSixParallel_ThreeRefusedThoughThePendingLimitIsHigh()
    {
        using UpstreamHarness harness = new(static c => c.Limit(requests: 3));

        Task<RentResult>[] rents = [.. Enumerable.Range(0, 6).Select(_ => harness.Rent())];
        foreach (FakeConnect connect in harness.Connector.Open)
        {
            connect.Succeed();
        }

        IReadOnlyList<RentResult> results = await UpstreamHarness.All(rents);
        Assert.Equal(3, results.Count(static r => r.Status == RentStatus.Ok));
        RentResult[] refused = [.. results.Where(static r => r.Status == RentStatus.Overflow)];
        Assert.Equal(3, refused.Length);
        Assert.Equal(DecisionReason.RequestOverflow, refused[0].Decision.Reason);
        Assert.Equal("http.http2MaxRequests", refused[0].Decision.Field);
        Assert.Equal((3, 3), (refused[0].Decision.Limit, refused[0].Decision.Now));
        Assert.Equal(3, harness.Stats.RqPendingOverflow.Value);
        Assert.Equal(3, harness.Stats.RqActiveOverflow.Value);
        Assert.Equal(3, harness.Stats.RqActive.Value);
    }

    [Fact]
    public async Task Vector4_FiveConnectionsFiftyParallel_AllServedOverFiveConnections()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 5));
        Queue<Task<RentResult>> rents = new(Enumerable.Range(0, 50).Select(_ => harness.Rent()));

        Assert.Equal(5, harness.Connector.Open.Count);
        foreach (FakeConnect connect in harness.Connector.Open)
        {
            connect.Succeed();
        }

        // First come, first served: each release serves the oldest.
        while (rents.TryDequeue(out Task<RentResult>? oldest))
        {
            RentResult result = await UpstreamHarness.Soon(oldest);
            Assert.Equal(RentStatus.Ok, result.Status);
            result.Connection!.Release(reusable: true);
            Assert.InRange(harness.Stats.CxActive.Value, 1, 5);
        }

        Assert.Equal(5, harness.Connector.Started.Count);
        Assert.True(harness.Stats.CxOverflow.Value > 0);
        Assert.Equal(50, harness.Stats.RqTotal.Value);
        Assert.Equal(50, harness.Stats.RqPendingTotal.Value);
        Assert.Equal(0, harness.Stats.RqPendingActive.Value);
    }

    [Fact]
    public async Task Vector5_TcpWithTwoConnections_TheThirdIsRefused()
    {
        using UpstreamHarness harness = new(static c => c.Tcp().Limit(connections: 2));
        harness.Connector.ConnectsAtOnce = true;

        RentResult[] open = [await harness.RentTcp(), await harness.RentTcp()];
        RentResult third = await harness.RentTcp();

        Assert.Equal(RentStatus.Overflow, third.Status);
        Assert.Equal(
            new DecisionRecord(DecisionReason.ConnectionOverflow, "default/a#spec.trafficPolicy.connectionPool", "tcp.maxConnections", 2, 2),
            third.Decision);
        Assert.Equal(1, harness.Stats.CxOverflow.Value);

        open[0].Connection!.Release(reusable: true);
        RentResult fourth = await harness.RentTcp();
        Assert.Equal(RentStatus.Ok, fourth.Status);
        Assert.False(fourth.Connection!.IsReused); // a TCP stream never gets a used connection
    }

    [Fact]
    public async Task Vector6_OverflowAHundredTimes_EjectsNobody()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1, pending: 1).Outlier(static o => o with { MaxEjectionPercent = 100 }));
        UpstreamConnection busy = await harness.RentOk();
        Task<RentResult> waiting = harness.Rent();

        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(RentStatus.Overflow, (await harness.Rent()).Status);
        }

        Assert.Equal(100, harness.Stats.RqPendingOverflow.Value);
        Assert.False(harness.First.IsEjected);
        Assert.Equal(0, harness.Stats.EjectionsDetectedConsecutive5xx.Value);
        busy.Release(reusable: true);
        (await UpstreamHarness.Soon(waiting)).Connection!.Release(reusable: true);
    }
}
