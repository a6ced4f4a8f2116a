using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Outlier;
using Mesh.Rules.Snapshots;

namespace Mesh.Benchmarks.Outlier;

/// <summary>What the detector costs a request: a healthy endpoint, and one that fails now and then. Allocated must be 0.</summary>
[MemoryDiagnoser]
public class OutlierBenchmarks
{
    private readonly OutlierConfig _policy = new();
    private readonly EndpointOutlierState _endpoint = new();
    private int _turn;

    [Benchmark(Baseline = true)]
    public bool RecordSuccess() => _endpoint.AddResult(OutlierDetector.EffectiveCode(_policy, 200), 5, 5) == EjectionCause.None;

    [Benchmark]
    public bool RecordEveryFourthFails() =>
        _endpoint.AddResult(OutlierDetector.EffectiveCode(_policy, ++_turn % 4 == 0 ? 503 : 200), 5, 5) == EjectionCause.None;
}
