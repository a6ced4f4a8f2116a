using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Config;

/// <summary>What survives which change: one test for each row of the table in sidecar/adr/0003.</summary>
public sealed class SnapshotApplierSurvivalTests
{
    [Fact]
    public async Task Apply_SameContent_TouchesNothing()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot());
        (Cluster cluster, IReadOnlyList<Endpoint> endpoints) = (harness.Cluster, harness.Cluster.Endpoints);

        await harness.ApplyAsync(ApplierHarness.Snapshot() with { Version = "the same again" });

        Assert.Same(cluster, harness.Cluster);
        Assert.Same(endpoints, harness.Cluster.Endpoints);
        Assert.Equal(1, harness.Stats.ConfigApplied.Value);
        Assert.Empty(harness.Listeners.Updates);
    }

    [Fact]
    public async Task Apply_RouteChanged_KeepsAllOfTheCluster()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot());
        UpstreamConnection idle = await harness.WarmUpAsync();
        IReadOnlyList<Endpoint> endpoints = harness.Cluster.Endpoints;
        ProxySnapshot next = ApplierHarness.Snapshot();

        await harness.ApplyAsync(next with
        {
            Routes = new RouteConfig([next.Routes.VirtualHosts[0] with { Domains = ["a.test", "b.test"] }]),
        });

        Assert.Equal(2, harness.Applier.State.Routes.Config.VirtualHosts[0].Domains.Length);
        Assert.Same(endpoints, harness.Cluster.Endpoints);
        Assert.Same(idle, await harness.RentAsync());
    }

    [Fact]
    public async Task Apply_LoadBalancerChanged_KeepsConnectionsAndEjections()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80", "10.0.0.2:80"));
        harness.Fail(harness.Cluster.Endpoints[1]);
        UpstreamConnection idle = await harness.WarmUpAsync();

        await harness.ApplyAsync(ApplierHarness.Snapshot(
            ApplierHarness.Config with { LoadBalancer = LoadBalancerPolicy.Random }, "10.0.0.1:80", "10.0.0.2:80"));

        Assert.Same(idle, await harness.RentAsync());
        Assert.True(harness.Cluster.Endpoints[1].IsEjected);
        Assert.Equal(1, harness.Cluster.Stats.EjectionsActive.Value);
        Assert.Equal(1, harness.Cluster.Stats.RqPendingTotal.Value);
    }

    [Fact]
    public async Task Apply_OutlierThresholdsChanged_CountsStayAndNewOnesHoldFromTheNextEvent()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot());
        Endpoint endpoint = harness.Cluster.Endpoints[0];
        harness.Fail(endpoint, times: 2);

        await harness.ApplyAsync(ApplierHarness.Snapshot(Outlier(static o => o with { Consecutive5xx = 3 })));
        Assert.False(endpoint.IsEjected);
        harness.Fail(endpoint, times: 1);

        Assert.True(endpoint.IsEjected);
    }

    [Fact]
    public async Task Apply_EjectionTimeChanged_CurrentEjectionEndsByTheNewTimeAtTheNextSweep()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot());
        Endpoint endpoint = harness.Cluster.Endpoints[0];
        harness.Fail(endpoint);

        await harness.ApplyAsync(ApplierHarness.Snapshot(Outlier(static o => o with { BaseEjectionTime = TimeSpan.FromSeconds(15) })));
        Assert.True(endpoint.IsEjected);
        harness.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.True(endpoint.IsEjected);
        harness.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.False(endpoint.IsEjected);
    }

    [Fact]
    public async Task Apply_OutlierRemoved_ReturnsEveryoneAndClearsTheCounts()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80", "10.0.0.2:80"));
        Endpoint ejected = harness.Cluster.Endpoints[0];
        Endpoint failing = harness.Cluster.Endpoints[1];
        harness.Fail(ejected);
        harness.Fail(failing, times: 4);

        await harness.ApplyAsync(ApplierHarness.Snapshot(
            ApplierHarness.Config with { Outlier = null, OutlierSource = null }, "10.0.0.1:80", "10.0.0.2:80"));

        Assert.False(ejected.IsEjected);
        Assert.Equal(0, harness.Cluster.Stats.EjectionsActive.Value);
        Assert.Equal(2, harness.Cluster.Stats.MembershipHealthy.Value);
        Assert.Equal((false, "policy_removed"), (harness.Events[^1].IsEject, harness.Events[^1].Reason));

        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80", "10.0.0.2:80"));
        harness.Fail(failing, times: 4);
        Assert.False(failing.IsEjected);
        harness.Fail(ejected);
        Assert.True(ejected.IsEjected);
        Assert.Equal(TimeSpan.FromSeconds(30), harness.Events[^1].Until!.Value - harness.Events[^1].Timestamp);
    }

    [Fact]
    public async Task Apply_LimitLoweredBelowUse_KillsNothingAndCountsOn()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot());
        UpstreamConnection[] inUse = [await harness.RentAsync(), await harness.RentAsync(), await harness.RentAsync()];

        await harness.ApplyAsync(ApplierHarness.Snapshot(
            ApplierHarness.Config with { Limits = new CircuitBreakerConfig(MaxConnections: 1, MaxPendingRequests: 1, MaxRequests: 2) }));

        Assert.Equal(3, harness.Connector.Alive.Count);
        Assert.All(inUse, static c => Assert.False(c.IsDraining));
        inUse[0].Release(reusable: true);
        Assert.Equal(RentStatus.Overflow, (await harness.Cluster.RentHttpAsync(CancellationToken.None)).Status); // 2 of 2 are active
        inUse[1].Release(reusable: false);
        Assert.Equal(2, harness.Cluster.Stats.CxActive.Value);
        Assert.Equal(RentStatus.Ok, (await harness.Cluster.RentHttpAsync(CancellationToken.None)).Status);
    }

    [Fact]
    public async Task Apply_IdleTimeoutChanged_HoldsFromTheNextIdlePeriod()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot(Idle(TimeSpan.FromMinutes(10))));
        UpstreamConnection connection = await harness.WarmUpAsync();

        await harness.ApplyAsync(ApplierHarness.Snapshot(Idle(TimeSpan.FromMinutes(1))));
        harness.Time.Advance(TimeSpan.FromMinutes(5));
        Assert.Same(connection, await harness.RentAsync());

        connection.Release(reusable: true);
        harness.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty(harness.Connector.Alive);
        Assert.Equal(1, harness.Cluster.Stats.CxIdleTimeout.Value);
    }

    [Fact]
    public async Task Apply_TransportChanged_OldConnectionsDrainEjectionsStay()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80", "10.0.0.2:80"));
        harness.Fail(harness.Cluster.Endpoints[1]);
        UpstreamConnection busy = await harness.RentAsync();
        UpstreamConnection idle = await harness.WarmUpAsync();
        TcpKeepaliveConfig probes = new(3, 60, 10);

        await harness.ApplyAsync(ApplierHarness.Snapshot(
            ApplierHarness.Config with { Connection = new ConnectionConfig { TcpKeepalive = probes } }, "10.0.0.1:80", "10.0.0.2:80"));

        Assert.Single(harness.Connector.Alive);
        Assert.True(busy.IsDraining);
        UpstreamConnection fresh = await harness.RentAsync();
        Assert.NotSame(idle, fresh);
        Assert.Equal(probes, harness.Connector.Started[^1].Keepalive);
        Assert.Equal(2, harness.Cluster.Stats.CxActive.Value); // one count spans old and new
        Assert.True(harness.Cluster.Endpoints[1].IsEjected);
        busy.Release(reusable: true);
        Assert.Equal(1, harness.Cluster.Stats.CxActive.Value);
    }

    public static TheoryData<ClusterConfig> OtherWires =>
    [
        ApplierHarness.Config with { ProxyProtocol = ProxyProtocolVersion.V2 },
        ApplierHarness.Config with { Tls = new UpstreamTlsConfig { Sni = "a.test" } },
        ApplierHarness.Config with { Tls = new UpstreamTlsConfig { Sni = "a.test", SubjectAltNames = "b.test" } },
        ApplierHarness.Config with { Tunnel = new TunnelConfig("a.test:1", UsesPost: false) },
    ];

    [Theory]
    [MemberData(nameof(OtherWires))]
    public async Task Apply_WireChanged_OldConnectionsDrainEjectionsStay(ClusterConfig other)
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80", "10.0.0.2:80"));
        harness.Fail(harness.Cluster.Endpoints[1]);
        UpstreamConnection busy = await harness.RentAsync();
        await harness.WarmUpAsync();

        await harness.ApplyAsync(ApplierHarness.Snapshot(other, "10.0.0.1:80", "10.0.0.2:80"));

        Assert.Single(harness.Connector.Alive);
        Assert.True(busy.IsDraining);
        Assert.True(harness.Cluster.Endpoints[1].IsEjected);
        busy.Release(reusable: true);
        Assert.Equal(0, harness.Cluster.Stats.CxActive.Value);
    }

    [Fact]
    public async Task Apply_EndpointDetailsChanged_SameEndpointSameConnectionsSameEjection()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.With(ApplierHarness.Config, new("10.0.0.1:80"), new EndpointConfig("10.0.0.2:80")));
        (Endpoint first, Endpoint second) = (harness.Cluster.Endpoints[0], harness.Cluster.Endpoints[1]);
        harness.Fail(second);
        UpstreamConnection idle = await harness.WarmUpAsync();

        await harness.ApplyAsync(ApplierHarness.With(
            ApplierHarness.Config,
            new EndpointConfig("10.0.0.2:80", Weight: 3, Zone: "b"),
            new EndpointConfig("10.0.0.1:80", Weight: 5, WorkloadVersion: "v2")));

        Assert.Equal([second, first], harness.Cluster.Endpoints);
        Assert.Equal("v2", first.Labels.Version);
        Assert.True(second.IsEjected);
        Assert.Same(idle, await harness.RentAsync());
        Assert.Equal(1, harness.Cluster.Stats.MembershipChange.Value); // only the first snapshot
    }

    [Fact]
    public async Task Apply_ServiceReportsUnhealthy_LeavesTheRotationKeepsItsConnections()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.With(ApplierHarness.Config, new EndpointConfig("10.0.0.1:80")));
        UpstreamConnection idle = await harness.WarmUpAsync();

        await harness.ApplyAsync(ApplierHarness.With(ApplierHarness.Config, new EndpointConfig("10.0.0.1:80", IsHealthy: false)));
        Assert.Equal(RentStatus.NoHealthyUpstream, (await harness.Cluster.RentHttpAsync(CancellationToken.None)).Status);
        await harness.ApplyAsync(ApplierHarness.With(ApplierHarness.Config, new EndpointConfig("10.0.0.1:80")));

        Assert.Same(idle, await harness.RentAsync());
    }

    [Fact]
    public async Task Apply_EndpointRemoved_InFlightFinishesThenItIsGone()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80"));
        Endpoint removed = harness.Cluster.Endpoints[0];
        UpstreamConnection busy = await harness.RentAsync();
        await harness.WarmUpAsync();

        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.2:80"));

        Assert.Equal("10.0.0.2:80", Assert.Single(harness.Cluster.Endpoints).Address);
        Assert.Single(harness.Connector.Alive);
        Assert.True(busy.IsDraining);
        Assert.Equal(1, harness.Cluster.Stats.CxActive.Value); // counts until it is closed
        busy.Release(reusable: true);
        Assert.Empty(harness.Connector.Alive);

        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80"));
        Assert.NotSame(removed, harness.Cluster.Endpoints[0]);
    }

    [Fact]
    public async Task Apply_EndpointBackWhileDraining_IsTheSameOneStillEjected()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80"));
        Endpoint endpoint = harness.Cluster.Endpoints[0];
        UpstreamConnection busy = await harness.RentAsync();
        harness.Fail(endpoint);

        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.2:80"));
        Assert.Equal(0, harness.Cluster.Stats.EjectionsActive.Value);
        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80", "10.0.0.2:80"));

        Assert.Same(endpoint, harness.Cluster.Endpoints[0]);
        Assert.True(endpoint.IsEjected);
        Assert.Equal(1, harness.Cluster.Stats.EjectionsActive.Value);
        busy.Release(reusable: true);
        Assert.Equal(0, endpoint.CxActive.Value);
    }

    [Fact]
    public async Task Apply_ClusterRemoved_DrainsAndTakesNothingNew()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot());
        Cluster removed = harness.Cluster;
        UpstreamConnection busy = await harness.RentAsync();
        await harness.WarmUpAsync();

        await harness.ApplyAsync(ProxySnapshot.Empty);

        Assert.Null(harness.Clusters.Find(ApplierHarness.Name));
        Assert.Single(harness.Connector.Alive);
        Assert.Equal(RentStatus.NoHealthyUpstream, (await removed.RentHttpAsync(CancellationToken.None)).Status);
        busy.Release(reusable: true);
        Assert.Empty(harness.Connector.Alive);
        harness.Time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, harness.Time.ArmedTimers); // nothing goes on for it: no sweep, no idle check
    }

    [Fact]
    public async Task Apply_ClusterRenamed_IsAnotherOne()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot());
        Cluster old = harness.Cluster;
        UpstreamConnection busy = await harness.RentAsync();

        await harness.ApplyAsync(ApplierHarness.Snapshot(ApplierHarness.Config with { Name = "outbound|80|v1|a.test" }));

        Cluster renamed = harness.Clusters.Find("outbound|80|v1|a.test")!;
        Assert.NotSame(old, renamed);
        Assert.Equal(0, renamed.Stats.CxActive.Value);
        Assert.False(busy.Closed.IsCancellationRequested);
        busy.Release(reusable: true);
    }

    [Fact]
    public async Task Apply_ListenerMoved_AsksTheListenersBeforeOldClustersDrain()
    {
        using ApplierHarness harness = new();
        ListenerConfig listener = new("127.0.0.1_3306", "127.0.0.1", 3306, ApplierHarness.Name, "ServiceEntry/default/db");
        await harness.ApplyAsync(ApplierHarness.Snapshot() with { Listeners = [listener] });
        bool oldClusterThere = false;
        harness.Listeners.OnUpdate = () => oldClusterThere = harness.Clusters.Find(ApplierHarness.Name) is not null;

        await harness.ApplyAsync(ProxySnapshot.Empty);

        Assert.Equal([1, 0], harness.Listeners.Updates.Select(static l => l.Count));
        Assert.True(oldClusterThere);
        Assert.Empty(harness.Clusters.Clusters);
    }

    [Fact]
    public async Task Apply_InvalidSnapshot_ChangesNothingAndIsCounted()
    {
        using ApplierHarness harness = new();
        await harness.ApplyAsync(ApplierHarness.Snapshot());
        (Mesh.Proxy.Config.ProxyState state, Cluster cluster) = (harness.Applier.State, harness.Cluster);

        Mesh.Proxy.Config.ApplyResult result = await harness.Applier.ApplyAsync(ApplierHarness.Snapshot(null, "nonsense"));

        Assert.False(result.IsAccepted);
        Assert.Equal(
            $"endpoints[{ApplierHarness.Name}]: 'nonsense' is not an address; write ip:port, for example 10.0.0.1:8080", Assert.Single(result.Errors));
        Assert.Equal(1, harness.Stats.ConfigRejected.Value);
        Assert.Same(state, harness.Applier.State);
        Assert.Same(cluster, harness.Cluster);
        Assert.Equal("10.0.0.1:80", cluster.Endpoints[0].Address);
    }

    private static ClusterConfig Outlier(Func<OutlierConfig, OutlierConfig> change) =>
        ApplierHarness.Config with { Outlier = change(ApplierHarness.Config.Outlier!) };

    private static ClusterConfig Idle(TimeSpan timeout) =>
        ApplierHarness.Config with { Connection = new ConnectionConfig { HttpIdleTimeout = timeout } };
}
