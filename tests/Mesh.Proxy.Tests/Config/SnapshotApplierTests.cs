using System.Collections.Immutable;
using Mesh.Proxy.Config;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Config;

public sealed class SnapshotApplierTests
{
    [Fact]
    public async Task Apply_First_ClustersAreThereBeforeTheRoutes()
    {
        using ApplierHarness harness = new();
        Assert.Same(ProxySnapshot.Empty, harness.Applier.State.Snapshot);
        ProxySnapshot snapshot = ApplierHarness.Snapshot();

        await harness.ApplyAsync(snapshot);

        Assert.Same(snapshot, harness.Applier.State.Snapshot);
        Assert.Single(harness.Cluster.Endpoints);
        Assert.Equal("v", (await harness.Applier.ApplyAsync(snapshot)).Version);
    }

    [Fact]
    public async Task Apply_ListenerCannotBeBound_IsReportedAndTriedAgainWithTheNextSnapshot()
    {
        using ApplierHarness harness = new();
        ListenerConfig listener = new("10.9.9.9_3306", "10.9.9.9", 3306, ApplierHarness.Name, "ServiceEntry/default/db");
        ProxySnapshot snapshot = ApplierHarness.Snapshot() with { Listeners = [listener] };
        harness.Listeners.Problems = [(listener, "no such address here")];

        ApplyResult first = await harness.Applier.ApplyAsync(snapshot);
        harness.Listeners.Problems = [];
        ApplyResult second = await harness.Applier.ApplyAsync(snapshot);
        await harness.Applier.ApplyAsync(snapshot);

        Assert.True(first.IsAccepted);
        Assert.Equal("no such address here", Assert.Single(first.ListenerProblems).Problem);
        Assert.Empty(second.ListenerProblems);
        Assert.Equal(2, harness.Listeners.Updates.Count);
    }

    [Fact]
    public async Task Apply_EndpointTwice_IsOneEndpoint()
    {
        using ApplierHarness harness = new();

        await harness.ApplyAsync(ApplierHarness.Snapshot(null, "10.0.0.1:80", "10.0.0.1:80"));

        Assert.Single(harness.Cluster.Endpoints);
    }

    [Fact]
    public async Task Apply_ManyAtOnce_RunOneAfterTheOther()
    {
        using ApplierHarness harness = new();
        ProxySnapshot[] snapshots =
            [.. Enumerable.Range(1, 50).Select(static i => ApplierHarness.Snapshot(null, $"10.0.0.{i}:80") with { Version = $"{i}" })];

        await Task.WhenAll(snapshots.Select(s => Task.Run(() => harness.ApplyAsync(s)))).WaitAsync(TimeSpan.FromSeconds(10));

        string address = harness.Applier.State.Snapshot.Endpoints[ApplierHarness.Name][0].Address;
        Assert.Equal(address, Assert.Single(harness.Cluster.Endpoints).Address);
        Assert.Equal(50, harness.Stats.ConfigApplied.Value);
    }

    [Fact]
    public void FindErrors_UnknownClusters_NamesEachPlace()
    {
        ProxySnapshot snapshot = ProxySnapshot.Empty with
        {
            Endpoints = ImmutableDictionary<string, ImmutableArray<EndpointConfig>>.Empty.Add("x", []),
            Routes = new RouteConfig([new VirtualHostConfig("a.test:80", 80, ["a.test"], "y")]),
            Listeners = [new ListenerConfig("l", "127.0.0.1", 1, "z", "ServiceEntry/default/db")],
        };

        Assert.Equal(
            [
                "endpoints[x]: there is no cluster 'x' in the snapshot",
                "routes[a.test:80]: there is no cluster 'y' in the snapshot",
                "listeners[l]: there is no cluster 'z' in the snapshot",
            ],
            SnapshotCheck.FindErrors(snapshot, ProxySnapshot.Empty));
    }

    [Theory]
    [InlineData("10.0.0.1:80", true)]
    [InlineData("[::1]:80", true)]
    [InlineData("10.0.0.1", false)]
    [InlineData("example.test:80", false)]
    public void FindErrors_Addresses_MustBeIpAndPort(string address, bool valid) =>
        Assert.Equal(valid, SnapshotCheck.FindErrors(ApplierHarness.Snapshot(null, address), ProxySnapshot.Empty).Count == 0);

    [Fact]
    public void Diff_EqualContent_IsEmpty() =>
        Assert.True(SnapshotDiff.Between(ApplierHarness.Snapshot(), ApplierHarness.Snapshot() with { Version = "other" }).IsEmpty);

    [Fact]
    public void Diff_OnlyEndpoints_DoesNotTouchRoutes()
    {
        SnapshotDiff diff = SnapshotDiff.Between(ApplierHarness.Snapshot(), ApplierHarness.Snapshot(null, "10.0.0.9:80"));

        Assert.Equal("10.0.0.9:80", Assert.Single(Assert.Single(diff.Clusters).Endpoints!.Value).Address);
        Assert.False(diff.RoutesChanged);
    }

    [Fact]
    public void Diff_OnlyConfig_LeavesTheEndpointsAlone()
    {
        SnapshotDiff diff = SnapshotDiff.Between(
            ApplierHarness.Snapshot(), ApplierHarness.Snapshot(ApplierHarness.Config with { LoadBalancer = LoadBalancerPolicy.Random }));

        Assert.Null(Assert.Single(diff.Clusters).Endpoints);
    }
}
