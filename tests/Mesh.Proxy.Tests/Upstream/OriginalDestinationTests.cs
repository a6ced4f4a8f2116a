using System.Net;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Endpoints that come with their first caller and go when nobody needs them.</summary>
public sealed class OriginalDestinationTests
{
    private static readonly TimeSpan TwoLooks = Cluster.OriginalsInterval * 2;

    [Fact]
    public async Task Destinations_GetAnEndpointEach_AndShareTheLimitsOfTheCluster()
    {
        using UpstreamHarness harness = New(static c => c.Limit(connections: 2, pending: 1));
        UpstreamConnection one = await RentAsync(harness, "10.1.0.1:80");
        UpstreamConnection two = await RentAsync(harness, "10.1.0.2:80");
        one.Release(reusable: true);
        Assert.Same(one, (await harness.Cluster.RentHttpAsync(default, null, To("10.1.0.1:80"))).Connection);
        Assert.Equal(["10.1.0.1:80", "10.1.0.2:80"], harness.Cluster.Endpoints.Select(static e => e.Address));
        Assert.Equal(["10.1.0.1:80", "10.1.0.2:80"], harness.Connector.Started.Select(static c => c.Address));
        _ = harness.Cluster.RentHttpAsync(default, null, To("10.1.0.1:80")).AsTask();
        RentResult refused = await harness.Cluster.RentHttpAsync(default, null, To("10.1.0.3:80"));
        Assert.Equal((RentStatus.Overflow, DecisionReason.PendingOverflow), (refused.Status, refused.Decision.Reason));
        one.Release(reusable: false);
        two.Release(reusable: false);
    }

    [Fact]
    public async Task Unused_GoesAfterAWhile_UsedOnesStay()
    {
        using UpstreamHarness harness = New();
        UpstreamConnection ended = await RentAsync(harness, "10.1.0.1:80");
        UpstreamConnection idle = await RentAsync(harness, "10.1.0.2:80");
        UpstreamConnection busy = await RentAsync(harness, "10.1.0.3:80");
        ended.Release(reusable: false);
        idle.Release(reusable: true);
        harness.Time.Advance(Cluster.OriginalsInterval);
        Assert.Equal(3, harness.Cluster.Endpoints.Count); // chosen a moment ago
        harness.Time.Advance(Cluster.OriginalsInterval);
        Assert.Equal(["10.1.0.2:80", "10.1.0.3:80"], harness.Cluster.Endpoints.Select(static e => e.Address));
        Assert.Equal(2, harness.Stats.MembershipTotal.Value);
        busy.Release(reusable: false);
        harness.Time.Advance(TwoLooks);
        Assert.Single(harness.Cluster.Endpoints);
        harness.Time.Advance(TimeSpan.FromHours(1)); // the idle connection's time is over
        harness.Time.Advance(TwoLooks);
        Assert.Empty(harness.Cluster.Endpoints);
    }

    [Fact]
    public async Task TooMany_IdleOnesMakeRoom_BusyOnesRefuse()
    {
        using UpstreamHarness harness = New();
        harness.Connector.ConnectsAtOnce = true;
        List<UpstreamConnection> busy = [];
        for (int i = 0; i < Cluster.MaxOriginals; i++)
        {
            busy.Add(await RentAsync(harness, $"10.1.{i / 256}.{i % 256}:80"));
        }

        RentResult refused = await harness.Cluster.RentHttpAsync(default, null, To("10.2.0.1:80"));
        Assert.Equal((RentStatus.Overflow, DecisionReason.DestinationOverflow), (refused.Status, refused.Decision.Reason));
        Assert.Equal((long)Cluster.MaxOriginals, refused.Decision.Limit);
        busy[7].Release(reusable: true);
        UpstreamConnection more = await RentAsync(harness, "10.2.0.1:80");
        Assert.Equal(Cluster.MaxOriginals, harness.Cluster.Endpoints.Count);
        Assert.DoesNotContain(harness.Cluster.Endpoints, static e => e.Address == "10.1.0.7:80");
        busy.RemoveAt(7);
        busy.Add(more);
        busy.ForEach(static c => c.Release(reusable: false));
    }

    [Fact]
    public async Task IdleConnections_OfOneClientEach_AreBounded_TheColdestGoes()
    {
        using UpstreamHarness harness = New();
        harness.Connector.ConnectsAtOnce = true;
        for (int i = 0; i < 520; i++)
        {
            RentResult rent = await harness.Cluster.RentHttpAsync(default, null, For(i)).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
            rent.Connection!.Release(reusable: true);
        }

        Assert.Equal(512, harness.Stats.CxActive.Value);
        Assert.Single(harness.Cluster.Endpoints);
        RentResult coldest = await harness.Cluster.RentHttpAsync(default, null, For(8)), gone = await harness.Cluster.RentHttpAsync(default, null, For(7)).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal((true, false), (coldest.Connection!.IsReused, gone.Connection!.IsReused));
        coldest.Connection.Release(reusable: false);
        gone.Connection.Release(reusable: false);

        static PickContext For(int client) => new(Destination: new BorrowedEndPoint(IPAddress.Loopback, 80, new IPEndPoint(0x0A + (client << 8), 50_000)));
    }

    [Fact]
    public async Task UnknownDestination_IsNoUpstream()
    {
        using UpstreamHarness harness = New();
        RentResult result = await harness.Cluster.RentHttpAsync(default);
        Assert.Equal((RentStatus.NoHealthyUpstream, DecisionReason.NoOriginalDestination), (result.Status, result.Decision.Reason));
        Assert.Equal(1, harness.Stats.CxNoneHealthy.Value);
    }

    [Fact]
    public async Task Ejection_IsToldButKeepsNobodyAway()
    {
        using UpstreamHarness harness = New(static c => c.Outlier(static o => o with { Consecutive5xx = 2, MaxEjectionPercent = 100 }));
        UpstreamConnection connection = await RentAsync(harness, "10.1.0.1:80");
        harness.Answer(connection.Endpoint, 500, times: 2);
        connection.Release(reusable: false);
        Assert.True(connection.Endpoint.IsEjected);
        Assert.Equal((0L, 1L), (harness.Stats.MembershipHealthy.Value, harness.Stats.EjectionsActive.Value));
        (await RentAsync(harness, "10.1.0.1:80")).Release(reusable: false);
    }

    [Fact]
    public async Task Policy_ComesAndGoes()
    {
        using UpstreamHarness harness = New();
        UpstreamConnection connection = await RentAsync(harness, "10.1.0.1:80");
        harness.Configure(static c => c with { UsesOriginalDestination = false });
        Assert.Empty(harness.Cluster.Endpoints);
        Assert.Equal(RentStatus.NoHealthyUpstream, (await harness.Cluster.RentHttpAsync(default, null, To("10.1.0.1:80"))).Status);
        harness.Configure(static c => c with { UsesOriginalDestination = true });
        UpstreamConnection again = await RentAsync(harness, "10.1.0.1:80");
        Assert.Same(connection.Endpoint, again.Endpoint); // it still drained
        connection.Release(reusable: false);
        again.Release(reusable: false);
    }

    private static PickContext To(string destination) => new(Destination: IPEndPoint.Parse(destination));

    private static UpstreamHarness New(Func<ClusterConfig, ClusterConfig>? configure = null) =>
        new(c => (configure?.Invoke(c) ?? c) with { UsesOriginalDestination = true }, endpoints: 0);

    private static async Task<UpstreamConnection> RentAsync(UpstreamHarness harness, string destination)
    {
        Task<RentResult> rent = harness.Cluster.RentHttpAsync(default, null, To(destination)).AsTask();
        foreach (FakeConnect connect in harness.Connector.Open)
        {
            connect.Succeed();
        }

        RentResult result = await UpstreamHarness.Soon(rent);
        Assert.Equal(RentStatus.Ok, result.Status);
        return result.Connection!;
    }
}
