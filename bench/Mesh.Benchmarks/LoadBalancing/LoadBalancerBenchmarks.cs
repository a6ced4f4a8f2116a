using BenchmarkDotNet.Attributes;
using Mesh.Proxy.LoadBalancing;
using Mesh.Rules.Snapshots;

namespace Mesh.Benchmarks.LoadBalancing;

/// <summary>One choice by each policy. Allocated must be 0.</summary>
[MemoryDiagnoser]
public class LoadBalancerBenchmarks
{
    private ILoadBalancer _balancer = null!;

    [Params(LoadBalancerPolicy.RoundRobin, LoadBalancerPolicy.LeastRequest, LoadBalancerPolicy.Random)]
    public LoadBalancerPolicy Policy { get; set; }

    [Params(3, 100)]
    public int Endpoints { get; set; }

    [Params(false, true)]
    public bool Weighted { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Random random = Chance.Seeded();
        ILoadTarget[] targets = [.. Enumerable.Range(0, Endpoints).Select(i => new Target($"10.0.0.{i}:80", i % 5, Weighted ? 1 + (i % 3) : 1, 0))];
        _balancer = LoadBalancerFactory.Create(Policy, targets, new Rotation(random), random);
        Good.OrThrow(_balancer.Pick() >= 0);
    }

    [Benchmark]
    public int Pick() => _balancer.Pick();

    private sealed record Target(string Address, long ActiveRequests, int Weight, long JoinedAt) : ILoadTarget;
}
