using System.Collections.Concurrent;
using System.Collections.Immutable;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>One cluster on a fake clock, fake connections and scripted chance.</summary>
internal sealed class UpstreamHarness : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly ClusterConfig Plain = new()
    {
        Name = "outbound|80||a.test",
        ServiceHost = "a.test",
        Port = 80,
        ConnectionPoolSource = "default/a#spec.trafficPolicy.connectionPool",
    };

    private readonly ConcurrentQueue<EjectionEvent> _events = new();
    private long _bugs;

    public UpstreamHarness(Func<ClusterConfig, ClusterConfig>? configure = null, int endpoints = 1, Random? random = null, ILoggerFactory? log = null)
        : this(configure?.Invoke(Plain) ?? Plain, Addresses(endpoints), random, log)
    {
    }

    public UpstreamHarness(ClusterConfig config, ImmutableArray<EndpointConfig> endpoints, Random? random = null, ILoggerFactory? log = null)
    {
        NoSynchronizationContext.Use();
        ProxyRuntime runtime = new(Time, random ?? new ScriptedRandom(), log ?? NullLoggerFactory.Instance);
        Manager = new ClusterManager(runtime, Connector, _events.Enqueue, ProcessStats);
        Manager.AddOrUpdate([(config, endpoints)]);
        Cluster = Manager.Find(config.Name)!;
    }

    public FakeTimeProvider Time { get; } = new();

    public FakeConnector Connector { get; } = new();

    public ProxyStats ProcessStats { get; } = new();

    public ClusterManager Manager { get; }

    public Cluster Cluster { get; }

    public ClusterStats Stats => Cluster.Stats;

    public Endpoint First => Cluster.Endpoints[0];

    public IReadOnlyList<EjectionEvent> Events => [.. _events];

    public static ImmutableArray<EndpointConfig> Addresses(int count) =>
        [.. Enumerable.Range(1, count).Select(static i => new EndpointConfig($"10.0.0.{i}:80"))];

    public Task<RentResult> Rent(CancellationToken cancellationToken = default) => Cluster.RentHttpAsync(cancellationToken).AsTask();

    public Task<RentResult> RentTcp(CancellationToken cancellationToken = default) => Cluster.RentTcpAsync(cancellationToken).AsTask();

    /// <summary>Rents and makes the connection, or takes the idle one.</summary>
    public async Task<UpstreamConnection> RentOk()
    {
        Task<RentResult> rent = Rent();
        foreach (FakeConnect connect in Connector.Open)
        {
            connect.Succeed();
        }

        RentResult result = await Soon(rent);
        Assert.Equal(RentStatus.Ok, result.Status);
        return result.Connection!;
    }

    public static Task<T> Soon<T>(Task<T> task) => task.WaitAsync(Patience);

    public static async Task<IReadOnlyList<RentResult>> All(IEnumerable<Task<RentResult>> rents) => await Task.WhenAll(rents).WaitAsync(Patience);

    /// <summary>An answer of <paramref name="endpoint"/>, as the exchange records it.</summary>
    public void Answer(Endpoint endpoint, int code, int times = 1)
    {
        for (int i = 0; i < times; i++)
        {
            Cluster.Record(endpoint, UpstreamOutcome.Response, code);
        }
    }

    public void Configure(Func<ClusterConfig, ClusterConfig> change) => Manager.AddOrUpdate([(change(Cluster.Config), null)]);

    /// <summary>Unexpected exceptions so far; from now on only others fail the test.</summary>
    public long TakeBugs() => _bugs = ProcessStats.UnexpectedExceptions.Value;

    public void Dispose()
    {
        Manager.Dispose();
        Assert.Equal(_bugs, ProcessStats.UnexpectedExceptions.Value);
    }
}

internal static class ClusterConfigExtensions
{
    public static ClusterConfig Limit(
        this ClusterConfig config, uint connections = uint.MaxValue, uint pending = uint.MaxValue, uint requests = uint.MaxValue) =>
        config with { Limits = new CircuitBreakerConfig(connections, pending, requests) };

    public static ClusterConfig Tcp(this ClusterConfig config) => config with { Protocol = ClusterProtocol.Tcp };

    public static ClusterConfig Life(this ClusterConfig config, Func<ConnectionConfig, ConnectionConfig> change) =>
        config with { Connection = change(config.Connection) };

    /// <summary>As the compiler does it: with a detector, the panic threshold is <c>minHealthPercent</c>, 0 by default.</summary>
    public static ClusterConfig Outlier(this ClusterConfig config, Func<OutlierConfig, OutlierConfig> change) => config with
    {
        Outlier = change(config.Outlier ?? new OutlierConfig()),
        OutlierSource = "default/a#spec.trafficPolicy.outlierDetection",
        PanicThresholdPercent = 0,
    };
}
