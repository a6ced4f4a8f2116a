using BenchmarkDotNet.Attributes;
using Mesh.Proxy.LoadBalancing;
using Mesh.Rules.Snapshots;

namespace Mesh.Benchmarks.LoadBalancing;

/// <summary>Consistent hashing: one choice (allocated must be 0), and what it costs to build a ring or a table, which no request waits for.</summary>
[MemoryDiagnoser]
public class HashBenchmarks
{
    private readonly HashConfig _ring = new() { Source = HashKeySource.Header };
    private readonly HashConfig _maglev = new() { Source = HashKeySource.Header, MaglevTableSize = 65_537 };
    private ILoadTarget[] _targets = [];
    private double[] _weights = [];
    private ILoadBalancer _balancer = null!;
    private ulong _key;

    [Params(3, 1000)]
    public int Endpoints { get; set; }

    [Params(false, true)]
    public bool Maglev { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _targets = [.. Enumerable.Range(0, Endpoints).Select(static i => new Target($"10.0.{i / 250}.{i % 250}:80", 0, 1, 0))];
        _weights = Array.ConvertAll(_targets, static t => (double)t.Weight);
        _balancer = Create();
        Good.OrThrow(_balancer.Pick(1) >= 0);
    }

    [Benchmark]
    public int Pick() => _balancer.Pick(_key += 0x9E3779B97F4A7C15);

    [Benchmark]
    public object Build() => Create();

    private ILoadBalancer Create() => LoadBalancerFactory.CreateHash(Maglev ? _maglev : _ring, _targets, _weights);

    private sealed record Target(string Address, long ActiveRequests, int Weight, long JoinedAt) : ILoadTarget;
}
