using Mesh.Proxy.LoadBalancing;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.LoadBalancing;

/// <summary>Vector 17: how the weight of a new target grows (semantics 8.5).</summary>
public sealed class SlowStartTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(0, 1.0, 10, 0.1)]
    [InlineData(30, 1.0, 10, 0.5)]
    [InlineData(30, 2.0, 10, 0.70711)]
    [InlineData(30, 0.5, 10, 0.25)]
    [InlineData(3, 1.0, 10, 0.1)] // below the minimum
    [InlineData(3, 1.0, 0, 0.05)]
    [InlineData(60, 1.0, 10, 1.0)]
    [InlineData(6000, 2.0, 10, 1.0)]
    public void Factor_GrowsFromTheMinimumToOne(int seconds, double aggression, double minimum, double expected)
    {
        FakeTimeProvider time = new();
        Target target = new(joinedAt: time.GetTimestamp());
        SlowStart slowStart = new(new WarmupConfig(Minute, minimum, aggression), time);
        time.Advance(TimeSpan.FromSeconds(seconds));

        Assert.Equal(expected, slowStart.FactorOf(target), tolerance: 0.00001);
        Assert.Equal(seconds < 60, slowStart.RestOf(target) > TimeSpan.Zero);
    }

    [Theory]
    [InlineData(LoadBalancerPolicy.RoundRobin, 0, 1.0 / 11)]
    [InlineData(LoadBalancerPolicy.RoundRobin, 30, 1.0 / 3)]
    [InlineData(LoadBalancerPolicy.RoundRobin, 60, 1.0 / 2)]
    [InlineData(LoadBalancerPolicy.LeastRequest, 0, 1.0 / 11)]
    [InlineData(LoadBalancerPolicy.LeastRequest, 30, 1.0 / 3)]
    [InlineData(LoadBalancerPolicy.LeastRequest, 60, 1.0 / 2)]
    [InlineData(LoadBalancerPolicy.Random, 0, 1.0 / 2)] // only the other two know a slow start
    public void NewTarget_GetsItsShare(LoadBalancerPolicy policy, int seconds, double share)
    {
        FakeTimeProvider time = new();
        Target old = new(joinedAt: time.GetTimestamp());
        time.Advance(TimeSpan.FromHours(1));
        Target young = new(joinedAt: time.GetTimestamp());
        time.Advance(TimeSpan.FromSeconds(seconds));
        Random random = new(1);
        ILoadBalancer balancer = LoadBalancerFactory.Create(policy, [old, young], new Rotation(random), random, new SlowStart(new WarmupConfig(Minute), time));

        int picks = Enumerable.Range(0, 100_000).Sum(_ => balancer.Pick());

        Assert.InRange(picks / 100_000.0, share - 0.01, share + 0.01);
    }

    [Fact]
    public void AllTargetsNew_ShareEvenly()
    {
        FakeTimeProvider time = new();
        Random random = new(1);
        ILoadBalancer balancer = LoadBalancerFactory.Create(
            LoadBalancerPolicy.RoundRobin, [new Target(), new Target()], new Rotation(random), random, new SlowStart(new WarmupConfig(Minute), time));

        Assert.InRange(Enumerable.Range(0, 1000).Sum(_ => balancer.Pick()), 499, 501);
    }
}
