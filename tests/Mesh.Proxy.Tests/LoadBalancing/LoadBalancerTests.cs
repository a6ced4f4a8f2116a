using Mesh.Proxy.LoadBalancing;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.LoadBalancing;

/// <summary>What every policy must keep, then what makes each of them itself (semantics 8.2).</summary>
public sealed class LoadBalancerTests
{
    private const int Seed = 20260801;

    public static TheoryData<LoadBalancerPolicy> Policies { get; } = [.. Enum.GetValues<LoadBalancerPolicy>()];

    [Theory]
    [MemberData(nameof(Policies))]
    public void Pick_NoTargets_MinusOne(LoadBalancerPolicy policy) => Assert.Equal(-1, Create(policy, Seeded()).Pick());

    [Theory]
    [MemberData(nameof(Policies))]
    public void Pick_OneTarget_AlwaysIt(LoadBalancerPolicy policy)
    {
        ILoadBalancer balancer = Create(policy, Seeded(), 7);

        Assert.All(Enumerable.Range(0, 20), _ => Assert.Equal(0, balancer.Pick()));
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Pick_EqualWeights_SharesEvenly(LoadBalancerPolicy policy)
    {
        int[] picks = Count(Create(policy, Seeded(), 1, 1, 1, 1), targets: 4, rounds: 8000);

        Assert.All(picks, static n => Assert.InRange(n, 1800, 2200));
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Pick_Weights_AreHonoured(LoadBalancerPolicy policy)
    {
        int[] picks = Count(Create(policy, Seeded(), 1, 2, 5), targets: 3, rounds: 8000);

        Assert.InRange(picks[0], 900, 1100);
        Assert.InRange(picks[1], 1850, 2150);
        Assert.InRange(picks[2], 4800, 5200);
    }

    [Theory]
    [InlineData(LoadBalancerPolicy.RoundRobin, 1)]
    [InlineData(LoadBalancerPolicy.LeastRequest, 1_500)] // five standard deviations of a binomial share of a tenth
    [InlineData(LoadBalancerPolicy.Random, 1_500)]
    public void Pick_AMillionTimes_StaysWithinItsBounds(LoadBalancerPolicy policy, int spread)
    {
        int[] picks = Count(Create(policy, Seeded(), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), targets: 10, rounds: 1_000_000);

        Assert.All(picks, n => Assert.InRange(n, 100_000 - spread, 100_000 + spread));
    }

    [Theory]
    [InlineData(LoadBalancerPolicy.RoundRobin, 10)]
    [InlineData(LoadBalancerPolicy.LeastRequest, 10)] // by deadline, not by chance
    [InlineData(LoadBalancerPolicy.Random, 2_500)]
    public void Pick_AMillionTimesByWeight_StaysWithinItsBounds(LoadBalancerPolicy policy, int spread)
    {
        int[] picks = Count(Create(policy, Seeded(), 1, 2, 3, 4), targets: 4, rounds: 1_000_000);

        Assert.All(picks.Select(static (n, i) => n - (100_000 * (i + 1))), off => Assert.InRange(off, -spread, spread));
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Pick_Warm_AllocatesNothing(LoadBalancerPolicy policy)
    {
        ILoadBalancer balancer = Create(policy, Seeded(), 1, 2, 5);
        Count(balancer, 3, rounds: 100);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            balancer.Pick();
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void LeastRequest_TwoDraws_TheOneWithFewerRequestsWins()
    {
        Target[] targets = [new(1) { ActiveRequests = 5 }, new(1) { ActiveRequests = 2 }, new(1) { ActiveRequests = 0 }];
        ScriptedRandom draws = new(0, 1, 1, 0, 0, 0); // the last: with replacement, the same one twice

        TwoChoicesBalancer balancer = new(targets, draws);

        Assert.Equal([1, 1, 0], [balancer.Pick(), balancer.Pick(), balancer.Pick()]);
        Assert.Equal(6, draws.Draws);
    }

    [Fact]
    public void LeastRequest_Tie_TheFirstDrawnWins()
    {
        TwoChoicesBalancer balancer = new([new Target(1), new Target(1)], new ScriptedRandom(1, 0));

        Assert.Equal(1, balancer.Pick());
    }

    [Fact]
    public void LeastRequest_Weights_LoadReducesTheShare()
    {
        Target[] targets = [new(3) { ActiveRequests = 2 }, new(1)]; // 3 / (2 + 1) = 1 against 1
        ILoadBalancer balancer = LoadBalancerFactory.Create(LoadBalancerPolicy.LeastRequest, targets, new Rotation(Seeded()), Seeded());

        Assert.Equal([500, 500], Count(balancer, 2, rounds: 1000));
    }

    [Fact]
    public void RoundRobin_EqualWeights_RotatesFromARandomStart()
    {
        Rotation rotation = new(new ScriptedRandom(2));
        Target[] targets = [new(1), new(1), new(1)];
        ILoadBalancer balancer = LoadBalancerFactory.Create(LoadBalancerPolicy.RoundRobin, targets, rotation, Seeded());

        Assert.Equal([2, 0, 1, 2], [balancer.Pick(), balancer.Pick(), balancer.Pick(), balancer.Pick()]);
    }

    [Fact]
    public void RoundRobin_Rebuilt_GoesOnWhereItStood()
    {
        Rotation rotation = new(new ScriptedRandom(0));
        Target[] targets = [new(1), new(1), new(1)];
        LoadBalancerFactory.Create(LoadBalancerPolicy.RoundRobin, targets, rotation, Seeded()).Pick();

        Assert.Equal(1, LoadBalancerFactory.Create(LoadBalancerPolicy.RoundRobin, targets, rotation, Seeded()).Pick());
    }

    [Fact]
    public void RoundRobin_Weights_SpreadsTheHeavyOne()
    {
        ILoadBalancer balancer = LoadBalancerFactory.Create(
            LoadBalancerPolicy.RoundRobin, [new Target(2), new Target(1)], new Rotation(Seeded()), new ScriptedRandom(0));

        int[] six = [.. Enumerable.Range(0, 6).Select(_ => balancer.Pick())];

        Assert.Equal(4, six.Count(static i => i == 0));
        Assert.DoesNotContain("000", string.Concat(six));
    }

    private static Random Seeded() => new(Seed);

    private static ILoadBalancer Create(LoadBalancerPolicy policy, Random random, params int[] weights) =>
        LoadBalancerFactory.Create(policy, [.. weights.Select(static w => new Target(w))], new Rotation(random), random);

    private static int[] Count(ILoadBalancer balancer, int targets, int rounds)
    {
        int[] picks = new int[targets];
        for (int i = 0; i < rounds; i++)
        {
            picks[balancer.Pick()]++;
        }

        return picks;
    }
}
