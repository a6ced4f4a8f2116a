using System.Collections.Immutable;
using Mesh.Proxy.MeshShares;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>A sidecar's share of limits that all share: strict, and never a reason to wait for ever.</summary>
public sealed class MeshShareTests
{
    private const string Rule = "ResiliencePolicy/default/a";

    [Fact]
    public async Task Connections_BeforeTheFirstOrder_OneAndTheOthersWait()
    {
        using UpstreamHarness harness = Connections(20);

        Task<RentResult>[] rents = [harness.Rent(), harness.Rent(), harness.Rent()];

        Assert.Single(harness.Connector.Started);
        Assert.Equal(2, harness.Stats.MeshLimits!.ConnectionsHeldBack.Value);
        Assert.Equal((Rule, 0, 1, 3), Told(harness));
        await ServeAllAsync(harness, rents);
        Assert.Single(harness.Connector.Started);
    }

    [Fact]
    public async Task LargerShare_ServesThoseWhoWaitAlready()
    {
        using UpstreamHarness harness = Connections(20);
        Task<RentResult>[] rents = [.. Enumerable.Range(0, 9).Select(_ => harness.Rent())];

        Order(harness, 6);
        while (harness.Connector.Open.Count > 0)
        {
            harness.Connector.Open[0].Succeed();
        }

        Assert.Equal(6, harness.Connector.Started.Count);
        await Eventually.HoldsAsync(() => rents.Count(static r => r.IsCompleted) == 6, "six are served");
        Assert.Equal((Rule, 6, 6, 9), Told(harness));
        await ServeAllAsync(harness, rents);
    }

    [Fact]
    public async Task SmallerShare_ClosesIdleConnectionsNow_AndBusyOnesWhenTheyAreFree()
    {
        using UpstreamHarness harness = Connections(20);
        Order(harness, 6);
        UpstreamConnection[] connections = new UpstreamConnection[6];
        for (int i = 0; i < 6; i++)
        {
            connections[i] = await harness.RentOk();
        }

        connections[0].Release(reusable: true);
        connections[1].Release(reusable: true);
        Order(harness, 2);

        await ActiveBecomesAsync(harness, 4);
        Assert.Equal((Rule, 2, 4, 6), Told(harness));
        connections[2].Release(reusable: true);
        connections[3].Release(reusable: true);
        await ActiveBecomesAsync(harness, 2);
        connections[4].Release(reusable: true);
        Assert.Equal(2, harness.Stats.CxActive.Value);
        Assert.Same(connections[4], await harness.RentOk());
    }

    [Fact]
    public async Task SmallerShare_WhatWasInUseBeforeIsNotReportedAgain()
    {
        using UpstreamHarness harness = Connections(20);
        Order(harness, 6);
        UpstreamConnection[] connections = [await harness.RentOk(), await harness.RentOk(), await harness.RentOk()];
        foreach (UpstreamConnection connection in connections)
        {
            connection.Release(reusable: true);
        }

        Order(harness, 1);
        await ActiveBecomesAsync(harness, 1);

        Assert.Equal((Rule, 1, 1, 3), Told(harness));
        Assert.Equal((Rule, 1, 1, 0), Told(harness));
    }

    [Fact]
    public async Task Connections_UsedUpByAnotherEndpoint_AnIdleOneMakesRoom()
    {
        using UpstreamHarness harness = Connections(20, endpoints: 2);
        UpstreamConnection first = await harness.RentOk();
        first.Release(reusable: true);

        Task<RentResult> other = harness.Rent(); // the rotation chooses the second endpoint
        await Eventually.HoldsAsync(() => harness.Connector.Open.Count == 1, "the idle connection is closed, and one to the other endpoint is made");
        harness.Connector.Open[0].Succeed();

        Assert.Equal(harness.Cluster.Endpoints[1], (await UpstreamHarness.Soon(other)).Endpoint);
        Assert.Equal(1, harness.Stats.CxActive.Value);
    }

    [Fact]
    public async Task Connections_UsedUpByABusyEndpoint_TheNextFreeOneMakesRoom()
    {
        using UpstreamHarness harness = Connections(20, endpoints: 2);
        UpstreamConnection first = await harness.RentOk();
        Task<RentResult> other = harness.Rent();
        harness.Time.Advance(TimeSpan.FromMilliseconds(1));
        Task<RentResult> again = harness.Rent(); // waits where the connection is

        first.Release(reusable: true);
        await Eventually.HoldsAsync(() => harness.Connector.Open.Count == 1, "the second endpoint has its turn");
        harness.Connector.Open[0].Succeed();

        RentResult served = await UpstreamHarness.Soon(other);
        Assert.Equal(harness.Cluster.Endpoints[1], served.Endpoint);
        Assert.False(again.IsCompleted);
        served.Connection!.Release(reusable: true);
        await Eventually.HoldsAsync(() => harness.Connector.Open.Count == 1, "and then the first again");
        harness.Connector.Open[0].Succeed();
        Assert.Equal(harness.First, (await UpstreamHarness.Soon(again)).Endpoint);
        Assert.Equal(1, harness.Stats.CxActive.Value);
    }

    [Fact]
    public async Task Connections_APoolWhoseOnlyOneIsALongStream_GetsTheNextFreeOneInTheEnd()
    {
        using UpstreamHarness harness = Connections(20, endpoints: 2);
        Order(harness, 2);
        UpstreamConnection first = await harness.RentOk();
        await harness.RentOk(); // a stream that does not end, at the second endpoint
        using CancellationTokenSource stop = new();
        Task<RentResult> given = harness.Rent(stop.Token);
        Task<RentResult> behind = harness.Rent(); // waits for the stream
        await stop.CancelAsync();
        Task<RentResult> skipped = harness.Rent();
        harness.Time.Advance(TimeSpan.FromMilliseconds(100));

        first.Release(reusable: true);
        Assert.Same(first, (await UpstreamHarness.Soon(skipped)).Connection); // not at once: the stream may be no stream
        harness.Time.Advance(TimeSpan.FromSeconds(1));
        Task<RentResult> besides = harness.Rent(); // the second endpoint's turn
        Task<RentResult> younger = harness.Rent();
        first.Release(reusable: true);
        await Eventually.HoldsAsync(() => harness.Connector.Open.Count == 1, "a connection to the second endpoint is made");
        harness.Connector.Open[0].Succeed();

        Assert.Equal(harness.Cluster.Endpoints[1], (await UpstreamHarness.Soon(behind)).Endpoint);
        Assert.False(younger.IsCompleted);
        Assert.False(besides.IsCompleted);
        Assert.Equal(RentStatus.Cancelled, (await UpstreamHarness.Soon(given)).Status);
        Assert.Equal((2, 2, 0), (harness.Stats.CxActive.Value, harness.Cluster.Unserved, harness.Cluster.Idle));
    }

    [Fact]
    public async Task LargerShare_OldestPoolIsHeldBackByTheConnectionPool_TheNextOneIsServed()
    {
        using UpstreamHarness harness = new(static c => Limited(c.Limit(connections: 1) with { LoadBalancer = LoadBalancerPolicy.RoundRobin }, 20, 0), 2);
        await harness.RentOk();
        using CancellationTokenSource stop = new();
        Task<RentResult> gone = harness.Rent(stop.Token);
        Task<RentResult> heldBack = harness.Rent(); // waits where the connection is
        await stop.CancelAsync();
        Assert.Equal(RentStatus.Cancelled, (await UpstreamHarness.Soon(gone)).Status);
        harness.Time.Advance(TimeSpan.FromMilliseconds(1));
        Task<RentResult> next = harness.Rent();

        Order(harness, 6);
        Assert.Single(harness.Connector.Open).Succeed();

        Assert.Equal(harness.Cluster.Endpoints[1], (await UpstreamHarness.Soon(next)).Endpoint);
        Assert.False(heldBack.IsCompleted);
    }

    [Fact]
    public async Task LimitGoes_WhoWaitsAtAnEndpointThatHasLeftIsServed()
    {
        using UpstreamHarness harness = Connections(20, endpoints: 2);
        await harness.RentOk();
        Task<RentResult> waiting = harness.Rent();
        harness.Manager.AddOrUpdate([(harness.Cluster.Config, UpstreamHarness.Addresses(1))]);

        harness.Configure(static c => c with { MeshLimits = null });
        Assert.Single(harness.Connector.Open).Succeed();

        Assert.Equal("10.0.0.2:80", (await UpstreamHarness.Soon(waiting)).Endpoint!.Address);
    }

    [Fact]
    public async Task ShareUsedUp_LookingForRoomAllocatesNothing()
    {
        using UpstreamHarness harness = Connections(20, endpoints: 50);
        await harness.RentOk();
        Task<RentResult> waiting = harness.Rent();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            Deferred deferred = default;
            harness.Cluster.MakeRoomLocked(ref deferred); // nobody else is there, so no lock
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.False(waiting.IsCompleted);
    }

    [Fact]
    public async Task Tcp_ShareUsedUp_RefusesWithTheMeshsDecision()
    {
        using UpstreamHarness harness = new(static c => Limited(c.Tcp(), 20, 0));
        Task<RentResult> first = harness.RentTcp();

        RentResult refused = await UpstreamHarness.Soon(harness.RentTcp());

        Assert.Equal(RentStatus.Overflow, refused.Status);
        Assert.Equal(
            new DecisionRecord(DecisionReason.ConnectionOverflow, "default/a#spec", "meshLimits.maxConnections", 1, 1) { Scope = DecisionScope.Mesh }, refused.Decision);
        Assert.Equal((Rule, 0, 1, 2), Told(harness));
        Assert.False(first.IsCompleted);
    }

    [Fact]
    public async Task Requests_ShareUsedUp_RefusesAtOnce_AndAsksForMore()
    {
        using UpstreamHarness harness = new(static c => Limited(c, 0, 20));
        harness.Connector.ConnectsAtOnce = true;
        Order(harness, 2, MeshLimitsConfig.RequestsField);
        await harness.RentOk();
        await harness.RentOk();

        RentResult refused = default;
        for (int i = 0; i < 5; i++)
        {
            refused = await UpstreamHarness.Soon(harness.Rent());
        }

        Assert.Equal(
            new DecisionRecord(DecisionReason.RequestOverflow, "default/a#spec", "meshLimits.maxRequests", 2, 2) { Scope = DecisionScope.Mesh }, refused.Decision);
        Assert.Equal((5, 5), (harness.Stats.MeshLimits!.RequestsRefused.Value, harness.Stats.RqActiveOverflow.Value));
        LimitReport report = Reports(harness)[0];
        Assert.Equal((2, 2), (report.Share, report.InUse));
        Assert.InRange(report.Wanted, 5, 7); // who waits while a connection is made is wanted too
    }

    [Fact]
    public async Task ConnectionPoolsLimit_TheSmallerCounts()
    {
        using UpstreamHarness harness = new(static c => Limited(c.Limit(connections: 2), 20, 0));
        Order(harness, 6);

        Task<RentResult>[] rents = [.. Enumerable.Range(0, 4).Select(_ => harness.Rent())];

        Assert.Equal(2, harness.Connector.Started.Count);
        Assert.Equal(0, harness.Stats.MeshLimits!.ConnectionsHeldBack.Value);
        Assert.Equal((Rule, 6, 2, 2), Told(harness)); // it has no use for more
        await ServeAllAsync(harness, rents);
    }

    [Fact]
    public void Rule_LowersItsLimit_TheShareFollows_AndARuleThatIsGoneLimitsNothing()
    {
        using UpstreamHarness harness = Connections(20);
        Order(harness, 12);

        harness.Configure(static c => Limited(c, 5, 0));
        Assert.Equal(new ShareView(Rule, "meshLimits.maxConnections", 5, 5, 0), Assert.Single(harness.Cluster.Shares));
        Assert.Equal(5, harness.Stats.MeshLimits!.ConnectionShare.Value);

        harness.Configure(static c => c with { MeshLimits = null });
        Task<RentResult>[] rents = [.. Enumerable.Range(0, 8).Select(_ => harness.Rent())];
        Assert.Equal(8, harness.Connector.Started.Count);
        Assert.All(rents, static r => Assert.False(r.IsCompleted));
        Assert.Empty(Reports(harness));
    }

    [Fact]
    public void Order_OfAnotherRuleOrField_ChangesNothing()
    {
        using UpstreamHarness harness = Connections(20);

        harness.Cluster.Follow(new LimitOrder("ResiliencePolicy/default/b", harness.Cluster.Name, MeshLimitsConfig.ConnectionsField, 9, 20, 1));
        Order(harness, 9, MeshLimitsConfig.RequestsField);

        Assert.Equal(1, harness.Cluster.Shares[0].Share);
    }

    [Fact]
    public void Order_OvertakenByALaterOne_IsNotFollowed()
    {
        using UpstreamHarness harness = Connections(20);
        Order(harness, 5, epoch: 12);

        Order(harness, 10, epoch: 11);

        Assert.Equal(5, harness.Cluster.Shares[0].Share);
        Assert.Equal(12, Reports(harness)[0].Epoch);
    }

    private static UpstreamHarness Connections(int total, int endpoints = 1) =>
        new(c => Limited(c with { LoadBalancer = LoadBalancerPolicy.RoundRobin }, total, 0), endpoints);

    private static ClusterConfig Limited(ClusterConfig config, int connections, int requests) => config with { MeshLimits = new MeshLimitsConfig(Rule, "default/a#spec", connections, requests) };

    private static void Order(UpstreamHarness harness, int share, string field = MeshLimitsConfig.ConnectionsField, long epoch = 1) =>
        harness.Cluster.Follow(new LimitOrder(Rule, harness.Cluster.Name, field, share, 20, epoch));

    private static ImmutableArray<LimitReport> Reports(UpstreamHarness harness)
    {
        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        harness.Cluster.ReportShares(reports);
        return reports.ToImmutable();
    }

    private static (string Rule, int Share, int InUse, int Wanted) Told(UpstreamHarness harness)
    {
        LimitReport report = Assert.Single(Reports(harness));
        return (report.Rule, report.Share, report.InUse, report.Wanted);
    }

    private static Task ActiveBecomesAsync(UpstreamHarness harness, int connections) =>
        Eventually.HoldsAsync(() => harness.Stats.CxActive.Value == connections, FormattableString.Invariant($"{connections} connections are left"));

    /// <summary>Connects what is asked for and gives each connection back, until all have had one.</summary>
    private static async Task ServeAllAsync(UpstreamHarness harness, Task<RentResult>[] rents)
    {
        HashSet<Task<RentResult>> served = [];
        while (served.Count < rents.Length)
        {
            while (harness.Connector.Open.Count > 0)
            {
                harness.Connector.Open[0].Succeed();
            }

            Task<RentResult> next = await UpstreamHarness.Soon(Task.WhenAny(rents.Where(r => !served.Contains(r))));
            served.Add(next);
            RentResult result = await next;
            Assert.Equal(RentStatus.Ok, result.Status);
            result.Connection!.Release(reusable: true);
        }
    }
}
