using System.Collections.Immutable;
using BenchmarkDotNet.Attributes;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Benchmarks.Upstream;

/// <summary>A connection rented and given back, limits counted and the answer recorded, over connections in memory. Allocated must be 0.</summary>
[MemoryDiagnoser]
public class RentBenchmarks : IDisposable
{
    private ClusterManager _manager = null!;
    private Cluster _cluster = null!;

    [Params(1, 10)]
    public int Endpoints { get; set; }

    /// <summary>Each endpoint has a circuit breaker.</summary>
    [Params(false, true)]
    public bool Breakers { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        ProxyRuntime runtime = new(TimeProvider.System, Chance.Seeded(), NullLoggerFactory.Instance);
        _manager = new ClusterManager(runtime, new FakeConnector { ConnectsAtOnce = true }, static _ => { });
        ClusterConfig config = new()
        {
            Name = "outbound|80||a.test",
            ServiceHost = "a.test",
            Port = 80,
            Limits = new CircuitBreakerConfig(1024, 1024, 4096),
            Outlier = Breakers ? null : new OutlierConfig(),
            Breaker = Breakers ? new BreakerConfig { IsPerEndpoint = true } : null,
        };
        ImmutableArray<EndpointConfig> endpoints = [.. Enumerable.Range(1, Endpoints).Select(static i => new EndpointConfig($"10.0.0.{i}:80"))];
        _manager.AddOrUpdate([(config, endpoints)]);
        _cluster = _manager.Find(config.Name)!;
        for (int i = 0; i < 1000; i++)
        {
            Good.OrThrow(RentAndRelease().GetAwaiter().GetResult()); // every endpoint has its connection by then
        }
    }

    [Benchmark]
    public async Task<bool> RentAndRelease()
    {
        RentResult rented = await _cluster.RentHttpAsync(CancellationToken.None, pick: Breakers ? new PickContext(Luck: 0) : default);
        if (rented.Connection is not { } connection)
        {
            return false;
        }

        _cluster.Record(connection.Endpoint, UpstreamOutcome.Response, 200);
        connection.Release(reusable: true);
        return true;
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _manager?.Dispose();
        GC.SuppressFinalize(this);
    }
}
