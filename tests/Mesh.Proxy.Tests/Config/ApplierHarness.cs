using System.Collections.Concurrent;
using System.Collections.Immutable;
using Mesh.Proxy.Config;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Config;

/// <summary>An applier with everything below it, on a fake clock and fake connections.</summary>
internal sealed class ApplierHarness : IDisposable
{
    public const string Name = "outbound|80||a.test";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly ConcurrentQueue<EjectionEvent> _events = new();
    private long _bugs;

    public ApplierHarness()
    {
        NoSynchronizationContext.Use();
        ProxyRuntime runtime = new(Time, new ScriptedRandom(), Log);
        Clusters = new ClusterManager(runtime, Connector, _events.Enqueue, Stats, Dns);
        Applier = new SnapshotApplier(Clusters, Listeners, runtime, Stats);
        Connector.ConnectsAtOnce = true;
    }

    public FakeTimeProvider Time { get; } = new();

    public RecordingLoggerFactory Log { get; } = new();

    public FakeDnsClient Dns { get; } = new();

    public FakeConnector Connector { get; } = new();

    public ProxyStats Stats { get; } = new();

    public RecordingListenerSet Listeners { get; } = new();

    public ClusterManager Clusters { get; }

    public SnapshotApplier Applier { get; }

    public IReadOnlyList<EjectionEvent> Events => [.. _events];

    public Cluster Cluster => Clusters.Find(Name)!;

    public static ClusterConfig Config { get; } = new()
    {
        Name = Name,
        ServiceHost = "a.test",
        Port = 80,
        Outlier = new OutlierConfig { MaxEjectionPercent = 100 },
        OutlierSource = "default/a#spec.trafficPolicy.outlierDetection",
        PanicThresholdPercent = 0,
    };

    public static ProxySnapshot Snapshot(ClusterConfig? config = null, params string[] addresses) =>
        With(config ?? Config, [.. (addresses.Length == 0 ? ["10.0.0.1:80"] : addresses).Select(static a => new EndpointConfig(a))]);

    public static ProxySnapshot With(ClusterConfig config, params EndpointConfig[] endpoints) => ProxySnapshot.Empty with
    {
        Version = "v",
        Clusters = ImmutableDictionary<string, ClusterConfig>.Empty.Add(config.Name, config),
        Endpoints = ImmutableDictionary<string, ImmutableArray<EndpointConfig>>.Empty.Add(config.Name, [.. endpoints]),
        Routes = new RouteConfig([new VirtualHostConfig("a.test:80", 80, ["a.test"], config.Name)]),
    };

    public async Task ApplyAsync(ProxySnapshot snapshot)
    {
        ApplyResult result = await Applier.ApplyAsync(snapshot);
        Assert.True(result.IsAccepted, string.Join("; ", result.Errors));
    }

    public async Task<UpstreamConnection> RentAsync()
    {
        RentResult result = await Cluster.RentHttpAsync(CancellationToken.None).AsTask().WaitAsync(Patience);
        Assert.Equal(RentStatus.Ok, result.Status);
        return result.Connection!;
    }

    /// <summary>Leaves one connection idle in the pool.</summary>
    public async Task<UpstreamConnection> WarmUpAsync()
    {
        UpstreamConnection connection = await RentAsync();
        connection.Release(reusable: true);
        return connection;
    }

    public void Fail(Endpoint endpoint, int times = 5)
    {
        for (int i = 0; i < times; i++)
        {
            Cluster.Record(endpoint, UpstreamOutcome.Response, 500);
        }
    }

    /// <summary>Unexpected exceptions so far; from now on only others fail the test.</summary>
    public long TakeBugs() => _bugs = Stats.UnexpectedExceptions.Value;

    public void Dispose()
    {
        Applier.Dispose();
        Clusters.Dispose();
        Assert.Equal(_bugs, Stats.UnexpectedExceptions.Value);
    }
}

internal sealed class RecordingListenerSet : IListenerSet
{
    public List<IReadOnlyList<ListenerConfig>> Updates { get; } = [];

    /// <summary>Called during each update: what is in force at that moment?</summary>
    public Action? OnUpdate { get; set; }

    public IReadOnlyList<(ListenerConfig Listener, string Problem)> Problems { get; set; } = [];

    public Task<IReadOnlyList<(ListenerConfig Listener, string Problem)>> UpdateAsync(IReadOnlyList<ListenerConfig> listeners)
    {
        Updates.Add(listeners);
        OnUpdate?.Invoke();
        return Task.FromResult(Problems);
    }
}
