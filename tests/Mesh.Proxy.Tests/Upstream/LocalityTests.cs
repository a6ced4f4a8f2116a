using System.Collections.Immutable;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Where requests of a cluster with priorities, localities and new endpoints go, and how that changes when endpoints are ejected.</summary>
public sealed class LocalityTests
{
    private const int Requests = 20_000;

    [Theory]
    [InlineData(0, 100)]
    [InlineData(2, 100)] // 5 of 7 are 71.4 %: times 1.4 they carry everything
    [InlineData(3, 80)]
    [InlineData(5, 40)]
    [InlineData(7, 0)]
    public async Task NearEndpointsEjected_TheRestGoesToTheSecondRegion(int ejected, int percentNear)
    {
        using UpstreamHarness harness = Create(i => i <= 7 ? At(i, "near") : At(i, "far") with { Priority = 1 }, endpoints: 10);

        Eject(harness, ejected);

        await AssertShareAsync(harness, "near", percentNear);
        await AssertShareAsync(harness, "far", 100 - percentNear);
    }

    [Fact]
    public async Task NearEndpointReturns_TrafficComesBack()
    {
        using UpstreamHarness harness = Create(i => i == 1 ? At(i, "near") : At(i, "far") with { Priority = 1 }, endpoints: 3);
        Eject(harness, 1);
        await AssertShareAsync(harness, "far", 100);

        harness.Time.Advance(TimeSpan.FromSeconds(40));

        await AssertShareAsync(harness, "near", 100);
    }

    // Of 100: a locality keeps its weight until fewer than 71.4 % of it are healthy, then 140 % of its health (vector 16).
    [Theory]
    [InlineData(0, 80)]
    [InlineData(1, 80)] // 3 of 4
    [InlineData(2, 74)] // 80 × 0.7 against 20
    [InlineData(3, 58)] // 80 × 0.35
    [InlineData(4, 0)]
    public async Task Weights_ShrinkWithTheHealthOfTheLocality(int ejected, int percentA)
    {
        using UpstreamHarness harness = Create(i => i <= 4 ? At(i, "a") with { LocalityWeight = 80 } : At(i, "b") with { LocalityWeight = 20 }, endpoints: 6);

        Eject(harness, ejected);

        await AssertShareAsync(harness, "a", percentA);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65_537)]
    public async Task Hash_KeepsTheWeightsOfLocalities(int maglev)
    {
        using UpstreamHarness harness = Create(
            i => i <= 4 ? At(i, "a") with { LocalityWeight = 80 } : At(i, "b") with { LocalityWeight = 20 }, endpoints: 6,
            c => c with { Hash = new HashConfig { Source = HashKeySource.Header, MaglevTableSize = maglev } });

        await AssertShareAsync(harness, "a", 80, tolerance: maglev > 0 ? 2 : 5);
    }

    [Fact]
    public async Task RoundRobin_TakesTurnsInEachLocality()
    {
        using UpstreamHarness harness = Create(
            i => At(i, i <= 2 ? "a" : "b") with { LocalityWeight = 50 }, endpoints: 4, static c => c with { LoadBalancer = LoadBalancerPolicy.RoundRobin });
        string[] chosen = await AskAsync(harness, 1000);

        foreach ((string one, string other) in ((string, string)[])[("10.0.0.1:80", "10.0.0.2:80"), ("10.0.0.3:80", "10.0.0.4:80")])
        {
            Assert.InRange(chosen.Count(c => c == one) - chosen.Count(c => c == other), -1, 1);
        }
    }

    [Fact]
    public async Task Panic_OfOnePriority_IgnoresHealthThereOnly()
    {
        using UpstreamHarness harness = Create(
            i => i <= 5 ? At(i, "near") : At(i, "far") with { Priority = 1 }, endpoints: 10, static c => c with { PanicThresholdPercent = 50 });

        Eject(harness, 4); // 28 % of the near ones
        foreach (Endpoint endpoint in harness.Cluster.Endpoints.Skip(5).Take(3))
        {
            harness.Answer(endpoint, 500, times: 5); // and 56 % of the far ones: too few together
        }

        string[] chosen = await AskAsync(harness, Requests);
        Assert.Equal(10, chosen.Distinct().Count());
        Assert.Equal(Requests, harness.Stats.LbHealthyPanic.Value);
    }

    [Fact]
    public async Task Warmup_NewEndpointGetsLittle_ThenItsShare()
    {
        using UpstreamHarness harness = Create(i => At(i, ""), endpoints: 2, static c => c with
        {
            LoadBalancer = LoadBalancerPolicy.RoundRobin,
            Warmup = new WarmupConfig(TimeSpan.FromSeconds(60)),
        });
        harness.Time.Advance(TimeSpan.FromMinutes(2));
        harness.Manager.AddOrUpdate([(harness.Cluster.Config, [At(1, ""), At(2, ""), At(3, "new")])]);

        await AssertShareAsync(harness, "new", 100 * 0.1 / 2.1);
        harness.Time.Advance(TimeSpan.FromSeconds(30));
        await AssertShareAsync(harness, "new", 20);
        harness.Time.Advance(TimeSpan.FromSeconds(31));

        string[] chosen = await AskAsync(harness, 9); // over: plain turns again
        Assert.Equal(chosen[..3], chosen[3..6]);
        Assert.Equal(3, chosen[..3].Distinct().Count());
    }

    [Fact]
    public async Task Warmup_EjectionAndReturn_DoNotRestartIt()
    {
        using UpstreamHarness harness = Create(i => At(i, i == 1 ? "one" : ""), endpoints: 2, static c => c with
        {
            LoadBalancer = LoadBalancerPolicy.RoundRobin,
            Warmup = new WarmupConfig(TimeSpan.FromSeconds(60)),
        });
        harness.Time.Advance(TimeSpan.FromMinutes(2));
        Eject(harness, 1);
        harness.Time.Advance(TimeSpan.FromSeconds(40));
        Assert.False(harness.First.IsEjected);

        await AssertShareAsync(harness, "one", 50);
    }

    private static UpstreamHarness Create(Func<int, EndpointConfig> endpoint, int endpoints, Func<ClusterConfig, ClusterConfig>? configure = null)
    {
        UpstreamHarness harness = new(
            c => c.Outlier(static o => o with { MaxEjectionPercent = 100 }), 0, new Random(20261121));
        ImmutableArray<EndpointConfig> all = [.. Enumerable.Range(1, endpoints).Select(endpoint)];
        ClusterConfig config = configure?.Invoke(harness.Cluster.Config) ?? harness.Cluster.Config;
        harness.Manager.AddOrUpdate([(config, all)]);
        harness.Connector.ConnectsAtOnce = true;
        return harness;
    }

    private static EndpointConfig At(int index, string zone) => new($"10.0.0.{index}:80", Zone: zone);

    private static void Eject(UpstreamHarness harness, int count)
    {
        foreach (Endpoint endpoint in harness.Cluster.Endpoints.Take(count))
        {
            harness.Answer(endpoint, 500, times: 5);
            Assert.True(endpoint.IsEjected);
        }
    }

    private static async Task AssertShareAsync(UpstreamHarness harness, string zone, double percent, double tolerance = 2)
    {
        HashSet<string> there = [.. harness.Cluster.Endpoints.Where(e => e.Config.Zone == zone).Select(static e => e.Address)];
        string[] chosen = await AskAsync(harness, Requests);
        double share = 100.0 * chosen.Count(there.Contains) / chosen.Length;

        // Nothing and everything are exact.
        Assert.InRange(share, percent is 0 or 100 ? percent : percent - tolerance, percent is 0 or 100 ? percent : percent + tolerance);
    }

    private static async Task<string[]> AskAsync(UpstreamHarness harness, int requests)
    {
        string[] chosen = new string[requests];
        for (int i = 0; i < requests; i++)
        {
            RentResult rent = await harness.Cluster.RentHttpAsync(default);
            chosen[i] = rent.Endpoint!.Address;
            rent.Connection!.Release(true);
        }

        return chosen;
    }
}
