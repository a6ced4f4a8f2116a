using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>How long a request may wait for a connection (ours): one timer for all of the process, the oldest first.</summary>
public sealed class PendingTimeoutTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Wait_OverItsTime_EndsForTheOldestAlone()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1) with { PendingTimeout = 2 * Second });
        UpstreamConnection busy = await harness.RentOk();
        Task<RentResult> early = harness.Rent();
        harness.Time.Advance(Second);
        Task<RentResult> late = harness.Rent();

        harness.Time.Advance(Second);

        RentResult result = await UpstreamHarness.Soon(early);
        Assert.Equal((RentStatus.PendingTimeout, harness.First, 2 * Second), (result.Status, result.Endpoint, result.QueueTime));
        Assert.Equal(new DecisionRecord(DecisionReason.PendingTimeout, Field: "pendingTimeout", Limit: 2000), result.Decision);
        Assert.Equal((1L, 1L), (harness.Stats.RqPendingTimeout.Value, harness.Stats.RqPendingActive.Value));
        busy.Release(reusable: true);
        Assert.Equal(RentStatus.Ok, (await UpstreamHarness.Soon(late)).Status);
        harness.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(1, harness.Stats.RqPendingTimeout.Value);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Wait_ForAConnectionBeingMade_EndsToo_AndNobodyMakesItAnyMore(bool isTcp)
    {
        using UpstreamHarness harness = new(static c => c with { PendingTimeout = Second });
        Task<RentResult> rent = isTcp ? harness.RentTcp() : harness.Rent();

        harness.Time.Advance(Second);

        Assert.Equal(RentStatus.PendingTimeout, (await UpstreamHarness.Soon(rent)).Status);
        await Eventually.HoldsAsync(() => harness.Stats.CxActive.Value == 0, "the connection was given up");
        Assert.Empty(harness.Events);
    }

    [Fact]
    public async Task Wait_AtAnEndpointThatHasLeft_EndsAllTheSame()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1) with { PendingTimeout = Second });
        UpstreamConnection busy = await harness.RentOk();
        Task<RentResult> rent = harness.Rent();
        harness.Manager.AddOrUpdate([(harness.Cluster.Config, [])]);

        harness.Time.Advance(Second);

        Assert.Equal(RentStatus.PendingTimeout, (await UpstreamHarness.Soon(rent)).Status);
        busy.Release(reusable: true);
    }
}
