using Mesh.Proxy.Upstream;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>How connections end (semantics 2.6, 2.7): used up, idle, old, dead, drained.</summary>
public sealed class ConnectionLifeTests
{
    [Fact]
    public async Task Open_ConnectorThrows_FailsTheRequestAndGivesItsPlaceBack()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1));
        harness.Connector.Bugs = 1;

        RentResult failed = await UpstreamHarness.Soon(harness.Rent());

        Assert.Equal((RentStatus.ConnectFailure, "internal error"), (failed.Status, failed.FailureText));
        Assert.Equal(1, harness.TakeBugs());
        Assert.Equal((0, 0), (harness.Stats.CxActive.Value, harness.Stats.RqPendingActive.Value));
        (await harness.RentOk()).Release(reusable: true); // the only place there is
    }

    [Fact]
    public async Task MaxRequestsPerConnection_LastRequest_DrainsAtAttachAndClosesAfterIt()
    {
        using UpstreamHarness harness = new(static c => c.Life(static l => l with { MaxRequestsPerConnection = 2 }));
        UpstreamConnection connection = await harness.RentOk();
        Assert.False(connection.IsDraining);
        connection.Release(reusable: true);

        Assert.Same(connection, await harness.RentOk());
        Assert.True(connection.IsDraining);
        Assert.Equal(1, harness.Stats.CxMaxRequests.Value);
        connection.Release(reusable: true);

        Assert.Empty(harness.Connector.Alive);
        Assert.Equal(0, harness.Stats.CxActive.Value);
    }

    [Fact]
    public async Task MaxRequestsPerConnectionOne_AtTheConnectionLimit_NextConnectsOnlyAfterTheClose()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1).Life(static l => l with { MaxRequestsPerConnection = 1 }));
        UpstreamConnection connection = await harness.RentOk();
        Task<RentResult> next = harness.Rent();
        Assert.Single(harness.Connector.Started); // a draining connection still counts

        connection.Release(reusable: true);

        Assert.True(harness.Connector.Started[0].Transport!.IsDisposed);
        harness.Connector.Open[0].Succeed();
        Assert.Equal(RentStatus.Ok, (await UpstreamHarness.Soon(next)).Status);
    }

    [Fact]
    public async Task IdleTimeout_Passed_ClosesOnlyWhatIdledThatLong()
    {
        using UpstreamHarness harness = new(static c => c.Life(static l => l with { HttpIdleTimeout = TimeSpan.FromMinutes(1) }));
        harness.Connector.ConnectsAtOnce = true;
        UpstreamConnection a = await harness.RentOk();
        UpstreamConnection b = await harness.RentOk();
        UpstreamConnection busy = await harness.RentOk();
        a.Release(reusable: true);
        harness.Time.Advance(TimeSpan.FromSeconds(30));
        b.Release(reusable: true);

        harness.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(2, harness.Connector.Alive.Count);
        Assert.Equal(1, harness.Stats.CxIdleTimeout.Value);

        harness.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Single(harness.Connector.Alive);
        Assert.Equal(2, harness.Stats.CxIdleTimeout.Value);
        harness.Time.Advance(TimeSpan.FromHours(2));
        busy.Release(reusable: true);
        Assert.Single(harness.Connector.Alive);
    }

    [Fact]
    public async Task MaxConnectionDuration_Passed_ClosesIdleNowAndBusyAfterItsStream()
    {
        using UpstreamHarness harness = new(static c => c.Life(static l => l with { MaxConnectionDuration = TimeSpan.FromMinutes(5) }));
        harness.Connector.ConnectsAtOnce = true;
        UpstreamConnection idle = await harness.RentOk();
        UpstreamConnection busy = await harness.RentOk();
        idle.Release(reusable: true);

        harness.Time.Advance(TimeSpan.FromMinutes(5));

        Assert.Equal(2, harness.Stats.CxMaxDurationReached.Value);
        Assert.True(busy.IsDraining);
        Assert.Single(harness.Connector.Alive);
        busy.Release(reusable: true);
        Assert.Empty(harness.Connector.Alive);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task PeerClosesIdleConnection_IsNeverHandedOut(bool transportTells)
    {
        using UpstreamHarness harness = new();
        harness.Connector.ConnectsAtOnce = true;
        UpstreamConnection first = await harness.RentOk();
        first.Release(reusable: true);

        FakeTransport transport = harness.Connector.Started[0].Transport!;
        if (transportTells)
        {
            transport.CloseByPeer();
            Assert.Equal(0, harness.Stats.CxActive.Value);
        }
        else
        {
            transport.CloseSilently();
        }

        Assert.NotSame(first, await harness.RentOk());
        Assert.Equal(1, harness.Stats.CxDestroyRemote.Value);
        Assert.Equal(1, harness.Stats.CxActive.Value);
    }

    [Fact]
    public async Task StrayBytesOnIdleConnection_IsNeverHandedOut()
    {
        using UpstreamHarness harness = new();
        harness.Connector.ConnectsAtOnce = true;
        UpstreamConnection first = await harness.RentOk();
        first.Release(reusable: true);

        await harness.Connector.Started[0].Transport!.SendAsync("HTTP/1.1 408 Request Timeout\r\n\r\n");

        Assert.NotSame(first, await harness.RentOk());
    }

    [Fact]
    public async Task Release_NotReusable_ClosesAndServesTheWaiterWithANewOne()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1));
        UpstreamConnection connection = await harness.RentOk();
        Task<RentResult> waiting = harness.Rent();

        connection.Release(reusable: false);

        harness.Connector.Open[0].Succeed();
        RentResult result = await UpstreamHarness.Soon(waiting);
        Assert.NotSame(connection, result.Connection);
        Assert.False(result.Connection!.IsReused);
    }

    [Fact]
    public async Task Release_Twice_Throws()
    {
        using UpstreamHarness harness = new();
        UpstreamConnection connection = await harness.RentOk();
        connection.Release(reusable: true);

        Assert.Throws<InvalidOperationException>(() => connection.Release(reusable: true));
        Assert.Equal(0, harness.Stats.RqActive.Value);
    }

    [Fact]
    public async Task Abort_ThenRelease_ClosesIt()
    {
        using UpstreamHarness harness = new();
        UpstreamConnection connection = await harness.RentOk();

        connection.Abort();
        Assert.True(connection.Closed.IsCancellationRequested);
        connection.Release(reusable: true);

        Assert.Equal(0, harness.Stats.CxActive.Value);
        Assert.Equal(1, harness.Stats.CxDestroyWithActiveRq.Value);
    }

    [Fact]
    public async Task Close_PeerTakesNothing_CountsUntilItIsCutOffAfterFiveSeconds()
    {
        using UpstreamHarness harness = new(static c => c.Limit(connections: 1));
        UpstreamConnection connection = await harness.RentOk();
        FakeTransport transport = Assert.Single(harness.Connector.Alive);
        transport.ClosesOnlyByAbort = true;

        connection.Release(reusable: false);
        Task<RentResult> next = harness.Rent();
        harness.Time.Advance(TimeSpan.FromSeconds(4.999));
        Assert.Equal(1, harness.Stats.CxActive.Value);
        Assert.Single(harness.Connector.Started);
        harness.Time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.True(transport.IsAborted);
        harness.Connector.Open[0].Succeed();
        Assert.Equal(RentStatus.Ok, (await UpstreamHarness.Soon(next)).Status);
    }

    [Fact]
    public async Task Ejected_WhileConnecting_TheConnectionIsMadeAndKept()
    {
        using UpstreamHarness harness = new(static c => c.Outlier(static o => o with { MaxEjectionPercent = 100, Consecutive5xx = 1 }));
        Task<RentResult> rent = harness.Rent();

        harness.Cluster.Record(harness.First, UpstreamOutcome.Response, 500);
        harness.Connector.Open[0].Succeed();

        UpstreamConnection connection = (await UpstreamHarness.Soon(rent)).Connection!;
        Assert.False(connection.IsDraining);
        connection.Release(reusable: true);
        Assert.Single(harness.Connector.Alive); // for panic or return
    }

    [Fact]
    public async Task EndpointRemoved_WhileConnecting_WhoWaitsIsStillServed()
    {
        using UpstreamHarness harness = new();
        Task<RentResult> rent = harness.Rent();

        harness.Manager.AddOrUpdate([(harness.Cluster.Config, [])]);
        harness.Connector.Open[0].Succeed();

        UpstreamConnection connection = (await UpstreamHarness.Soon(rent)).Connection!;
        connection.Release(reusable: true);
        Assert.Empty(harness.Connector.Alive);
        Assert.Equal(0, harness.Stats.CxActive.Value);
    }
}
