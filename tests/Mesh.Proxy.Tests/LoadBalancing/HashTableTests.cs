using Mesh.Proxy.LoadBalancing;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.LoadBalancing;

/// <summary>Ring and Maglev (semantics 8.2): shares, stickiness, how little moves, and that building 1,000 targets is possible at all.</summary>
public sealed class HashTableTests
{
    private const int Keys = 1_000_000;

    public static HashConfig Ring { get; } = new() { Source = HashKeySource.Header };

    public static HashConfig Maglev { get; } = new() { Source = HashKeySource.Header, MaglevTableSize = 65_537 };

    public static TheoryData<bool> Kinds { get; } = [false, true];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_AMillionKeys_SharesAsTheTableIsBuilt(bool maglev)
    {
        int[] picks = Count(Create(maglev, Target.Many(10)), 10);

        // A ring of 512 places a target varies by 1 / sqrt(512), three of them are 13 %; Maglev gives each its entries to the last one.
        int spread = maglev ? 2_000 : 13_000;
        Assert.All(picks, n => Assert.InRange(n, (Keys / 10) - spread, (Keys / 10) + spread));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_Weights_AreHonoured(bool maglev)
    {
        ILoadTarget[] targets = [new Target(1, "10.0.0.1:80"), new Target(2, "10.0.0.2:80"), new Target(5, "10.0.0.3:80")];

        int[] picks = Count(Create(maglev, targets), 3);

        Assert.InRange(picks[0], 110_000, 140_000);
        Assert.InRange(picks[1], 225_000, 275_000);
        Assert.InRange(picks[2], 595_000, 655_000);
    }

    [Theory]
    [InlineData(false, 3)]
    [InlineData(false, 10)]
    [InlineData(false, 100)]
    [InlineData(true, 3)]
    [InlineData(true, 10)]
    [InlineData(true, 100)]
    public void Pick_OneLeaves_NotMuchMoreThanItsKeysMove(bool maglev, int targets)
    {
        const int keys = 200_000;
        ILoadTarget[] before = Target.Many(targets);
        ILoadTarget[] after = [.. before.Where(static (_, i) => i != 1)];
        (ILoadBalancer old, ILoadBalancer young) = (Create(maglev, before), Create(maglev, after));
        int had = 0;
        int moved = 0;
        foreach (ulong key in SomeKeys(keys))
        {
            ILoadTarget was = before[old.Pick(key)];
            had += was == before[1] ? 1 : 0;
            moved += was != after[young.Pick(key)] ? 1 : 0;
        }

        // Of a ring its own keys move and no other; of Maglev some few others too.
        Assert.InRange(had, 1, keys * (1.15 / targets));
        Assert.InRange(moved, had, had + (maglev ? keys * 0.04 : 0));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_OtherOrderOfTargets_SameChoice(bool maglev)
    {
        ILoadTarget[] targets = Target.Many(5);
        ILoadTarget[] turned = [.. targets.Reverse()];
        (ILoadBalancer one, ILoadBalancer other) = (Create(maglev, targets), Create(maglev, turned));

        Assert.All(SomeKeys(1000), key => Assert.Same(targets[one.Pick(key)], turned[other.Pick(key)]));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_FurtherAttempts_FindOthers(bool maglev)
    {
        ILoadBalancer balancer = Create(maglev, Target.Many(3));

        Assert.All(SomeKeys(1000), key => Assert.InRange(Enumerable.Range(0, 30).Select(i => balancer.Pick(key, i)).Distinct().Count(), 2, 3));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pick_AllocatesNothing_AndNoTargetsGiveNothing(bool maglev)
    {
        ILoadBalancer balancer = Create(maglev, Target.Many(1000));
        Assert.Equal(-1, Create(maglev, []).Pick(1));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (ulong key = 0; key < 100; key++)
        {
            balancer.Pick(key << 57, 1);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData(1, 1024, 1024)]
    [InlineData(2, 1024, 1024)]
    [InlineData(3, 1024, 1536)] // each keeps its 512
    [InlineData(200, 1024, 102_400)]
    [InlineData(1000, 1024, 131_000)]
    [InlineData(3, 400_000, 400_002)] // as Envoy: the minimum, in whole places each
    [InlineData(3, 8_388_608, 8_388_608)]
    public void Ring_Size_IsAtLeastTheMinimum_AndBounded(int targets, long minimum, int expected)
    {
        RingTable ring = (RingTable)Create(Ring with { MinimumRingSize = minimum }, Target.Many(targets));

        Assert.Equal(expected, ring.Size);
    }

    private static ILoadBalancer Create(bool maglev, ILoadTarget[] targets) => Create(maglev ? Maglev : Ring, targets);

    private static ILoadBalancer Create(HashConfig config, ILoadTarget[] targets) =>
        LoadBalancerFactory.CreateHash(config, targets, Array.ConvertAll(targets, static t => (double)t.Weight));

    private static int[] Count(ILoadBalancer balancer, int targets)
    {
        int[] picks = new int[targets];
        foreach (ulong key in SomeKeys(Keys))
        {
            picks[balancer.Pick(key)]++;
        }

        return picks;
    }

    // Spread evenly over all values.
    private static IEnumerable<ulong> SomeKeys(int count) => Enumerable.Range(1, count).Select(static i => (ulong)i * 0x9E3779B97F4A7C15);
}
