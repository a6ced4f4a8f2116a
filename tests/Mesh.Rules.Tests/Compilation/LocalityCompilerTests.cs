using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

/// <summary>Priorities and weights that localities get for one caller (semantics 8.4), from rule to snapshot.</summary>
public sealed class LocalityCompilerTests
{
    private const string Products = "products.default.svc.cluster.local";
    private static readonly OutlierDetection Outlier = new() { MaxEjectionPercent = 100 };

    // One endpoint at each distance from r1/z1/s1, and two more regions; its address says where.
    private static readonly string[] Places = ["r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r2/z1/s1", "r3/z1/s1"];

    [Fact]
    public void NoOutlierDetection_LocalitiesDoNotCount() => Assert.Equal([0, 0, 0, 0, 0], Priorities(new TrafficPolicy(), "r1/z1/s1"));

    [Theory]
    [InlineData("r1/z1/s1", 0, 1, 2, 3, 3)]
    [InlineData("r1/z2/s1", 1, 1, 0, 2, 2)] // without gaps
    [InlineData("r9", 0, 0, 0, 0, 0)]
    [InlineData("", 0, 0, 0, 0, 0)] // who does not know where it is has no neighbours
    public void OutlierDetectionAlone_OrdersByDistance(string zone, params int[] expected) =>
        Assert.Equal(expected, Priorities(new TrafficPolicy { OutlierDetection = Outlier }, zone));

    [Fact]
    public void EnabledFalse_SwitchesOff() =>
        Assert.Equal([0, 0, 0, 0, 0], Priorities(Policy(new LocalityLbSetting { Enabled = false }), "r1/z1/s1"));

    [Fact]
    public void Failover_TheNamedRegionComesBeforeTheOthers() =>
        Assert.Equal([0, 1, 2, 4, 3], Priorities(Policy(new LocalityLbSetting { Failover = [new LocalityFailover { From = "r1", To = "r3" }] }), "r1/z1/s1"));

    [Fact]
    public void Failover_OfAnotherRegion_ChangesNothing() =>
        Assert.Equal([0, 1, 2, 3, 3], Priorities(Policy(new LocalityLbSetting { Failover = [new LocalityFailover { From = "r2", To = "r3" }] }), "r1/z1/s1"));

    [Theory]
    [InlineData("version", 0, 0, 1, 1, 1)] // the caller's own version is v1; the first two endpoints have it
    [InlineData("version=v2", 1, 1, 0, 0, 0)]
    [InlineData("topology.kubernetes.io/region", 0, 0, 0, 1, 1)]
    [InlineData("topology.kubernetes.io/region,topology.kubernetes.io/zone", 0, 0, 1, 2, 2)]
    [InlineData("topology.kubernetes.io/region=r2,version", 1, 1, 1, 0, 1)]
    [InlineData("nobody=has", 0, 0, 0, 0, 0)]
    public void FailoverPriority_CountsLabelsUntilOneDiffers(string labels, params int[] expected) =>
        Assert.Equal(expected, Priorities(Policy(new LocalityLbSetting { FailoverPriority = [.. labels.Split(',')] }), "r1/z1/s1"));

    [Fact]
    public void FailoverPriority_WithFailover_OrdersByLabelsThenByDistance() => Assert.Equal(
        [0, 1, 2, 4, 3],
        Priorities(Policy(new LocalityLbSetting { FailoverPriority = ["version"], Failover = [new LocalityFailover { From = "r1", To = "r3" }] }), "r1/z1/s1"));

    [Fact]
    public void Distribute_WeighsPlaces_AndLeavesOutTheRest()
    {
        ImmutableArray<EndpointConfig> placed = Compile(
            new TrafficPolicy { LoadBalancer = Setting(new LocalityLbSetting { Distribute = [From("r1/*", ("r1/z1/*", 80), ("r2", 20))] }) }, "r1/z1/s1");

        Assert.Equal([("r1/z1/s1", 40_000), ("r1/z1/s2", 40_000), ("r2/z1/s1", 20_000)], placed.Select(static e => (e.Zone, e.LocalityWeight)));
        Assert.All(placed, static e => Assert.Equal(0, e.Priority));
    }

    [Fact]
    public void Distribute_TheExactPlaceIsTakenBeforeTheWildcard()
    {
        ImmutableArray<EndpointConfig> placed = Compile(
            new TrafficPolicy { LoadBalancer = Setting(new LocalityLbSetting { Distribute = [From("*", ("*", 10), ("r1/z1/s1", 90))] }) }, "r1/z1/s1");

        Assert.Equal([90_000, 2_500, 2_500, 2_500, 2_500], placed.Select(static e => e.LocalityWeight));
    }

    [Theory]
    [InlineData("r2")]
    [InlineData("")]
    public void Distribute_OfAnotherOrigin_ChangesNothing(string zone)
    {
        ImmutableArray<EndpointConfig> placed = Compile(
            new TrafficPolicy { LoadBalancer = Setting(new LocalityLbSetting { Distribute = [From("r1", ("r1", 100))] }) }, zone);

        Assert.Equal([0, 0, 0, 0, 0], placed.Select(static e => e.LocalityWeight));
    }

    // Endpoints: 3 of 5 in r1, of which one in r1/z1/s1, a fifth; callers: as listed.
    [Theory]
    [InlineData("r1/z1/s1,r2/z1/s1,r3/z1/s1,r1/z2/s1,r1/z1/s2", 5, 0, 1, 1, 1, 1)] // as many callers as endpoints: all stays
    [InlineData("r1/z1/s1,r2/z1/s1", 6, 0, 0, 0, 0, 0)] // too few endpoints
    [InlineData("r2/z1/s1", 5, 0, 0, 0, 0, 0)] // nobody of this service here
    public void ZoneAware_EnoughEndpointsHere_TrafficStays(string callers, int minimum, params int[] expected) =>
        Assert.Equal(expected, ZoneAware(callers, new ZoneAwareLbSetting { MinClusterSize = minimum }).Select(static e => e.Priority));

    [Fact]
    public void ZoneAware_TooFewHere_TheRestGoesWhereThereIsRoom()
    {
        // Half of the callers are here, a fifth of the endpoints: 40 % stays; r2 has its other half of callers, hence no room.
        ImmutableArray<EndpointConfig> placed = ZoneAware("r1/z1/s1,r2/z1/s1", new ZoneAwareLbSetting { MinClusterSize = 1 });

        Assert.Equal([40_000, 20_000, 20_000, 1, 20_000], placed.Select(static e => e.LocalityWeight));
        Assert.All(placed, static e => Assert.Equal(0, e.Priority));
    }

    [Fact]
    public void ZoneAware_SwitchedOff_ChangesNothing() => Assert.All(
        ZoneAware("r1/z1/s1,r2/z1/s1", new ZoneAwareLbSetting { Enabled = false, MinClusterSize = 1 }),
        static e => Assert.Equal((0, 0), (e.Priority, e.LocalityWeight)));

    [Fact]
    public void OutlierDetection_WithoutASetting_IsToldOfItsAffinity()
    {
        CompileResult silent = Result(new TrafficPolicy { OutlierDetection = Outlier }, "r1/z1/s1");
        CompileResult asked = Result(Policy(new LocalityLbSetting { Enabled = true }), "r1/z1/s1");

        Assert.Contains(silent.Diagnostics, static d => d.Finding.Path == "spec.trafficPolicy.outlierDetection" && d.Finding.Message.Contains(
            "callers in 'r1/z1/s1' send everything to the 1 nearest of 5 endpoints", StringComparison.Ordinal));
        Assert.Empty(asked.Diagnostics);
    }

    private static TrafficPolicy Policy(LocalityLbSetting setting) => new() { OutlierDetection = Outlier, LoadBalancer = Setting(setting) };

    private static ImmutableArray<EndpointConfig> ZoneAware(string callers, ZoneAwareLbSetting setting) => Result(
        new TrafficPolicy { LoadBalancer = new LoadBalancerSettings { ZoneAwareLbSetting = setting } }, "r1/z1/s1", callers.Split(','))
        .Snapshot.Endpoints["outbound|8080||" + Products];

    private static LoadBalancerSettings Setting(LocalityLbSetting setting) => new() { LocalityLbSetting = setting };

    private static LocalityDistribute From(string from, params (string To, int Weight)[] to) =>
        new() { From = from, To = to.ToImmutableSortedDictionary(static t => t.To, static t => t.Weight) };

    private static IEnumerable<int> Priorities(TrafficPolicy policy, string zone) => Compile(policy, zone).Select(static e => e.Priority);

    private static ImmutableArray<EndpointConfig> Compile(TrafficPolicy policy, string zone) =>
        Result(policy, zone).Snapshot.Endpoints["outbound|8080||" + Products];

    private static CompileResult Result(TrafficPolicy policy, string zone, params string[] callers)
    {
        ProxyIdentity orders = new("default", "orders", 8080, "", Labels("version=v1"), zone);
        MeshView view = new()
        {
            Services = ImmutableDictionary<string, MeshService>.Empty.Add(Products, new MeshService(Products, "default", [new MeshServicePort(8080, "HTTP")])),
            Endpoints = ImmutableDictionary<string, ImmutableArray<MeshEndpoint>>.Empty.Add(
                Products, [.. Places.Select(static (place, i) => new MeshEndpoint($"10.0.0.{i + 1}:8080", 8080, Labels($"version=v{(i < 2 ? 1 : 2)}"), place, "products", "v1"))]),
        };
        view = view with
        {
            Endpoints = view.Endpoints.Add(
                "orders.default.svc.cluster.local", [.. callers.Select(static (place, i) => new MeshEndpoint($"10.0.1.{i}:1", 8080, Labels(), place, "orders", "v1"))]),
        };
        Reading.RuleDocument rule = Rule("products", new DestinationRule { Host = "products", TrafficPolicy = policy });
        return new SnapshotCompiler().Compile(orders, view with { Rules = view.Rules.Add(rule.Key, rule) }, "1");
    }
}
