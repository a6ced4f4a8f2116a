using System.Collections.Immutable;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream.Wire;
using Mesh.Rules.Snapshots;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Upstream;

/// <summary>All clusters by name; created, updated and drained by the snapshot applier. Reading is thread-safe, changes come from one applier.</summary>
public sealed class ClusterManager : IDisposable
{
    private readonly ClusterServices _services;
    private volatile Dictionary<string, Cluster> _clusters = []; // replaced whole, never changed once published

    /// <summary>Creates a manager without clusters.</summary>
    /// <param name="runtime">Clock, chance, log.</param>
    /// <param name="connector">Makes connections.</param>
    /// <param name="onEjection">Told of every ejection and return, outside locks; must not block or throw.</param>
    /// <param name="stats">Where exceptions of background work and files that were read are counted.</param>
    public ClusterManager(ProxyRuntime runtime, IUpstreamConnector connector, Action<EjectionEvent> onEjection, ProxyStats? stats = null)
    {
        ILogger logger = runtime.Loggers.CreateLogger<ClusterManager>();
        stats ??= new ProxyStats();
        BackgroundWork background = new(logger, stats.UnexpectedExceptions);
        Ticker ticker = new(runtime.Time, background);
        _services = new ClusterServices(
            runtime, connector, onEjection, ticker, new TimeoutPool(runtime.Time),
            new TlsFileWatch(runtime.Time, ticker, background, stats, logger), background, logger);
    }

    /// <summary>Clusters that are in force now (draining ones excluded).</summary>
    public IReadOnlyCollection<Cluster> Clusters => _clusters.Values;

    /// <summary>The cluster of this name, or null.</summary>
    public Cluster? Find(string name) => _clusters.GetValueOrDefault(name);

    /// <summary>Stops timers and lets all connections go; those in use end with their streams.</summary>
    public void Dispose()
    {
        _services.Ticker.Dispose();
        Remove([.. _clusters.Keys]);
    }

    /// <summary>Adds clusters, their endpoints with them, and puts new configurations in force; in one step for those who look up.</summary>
    internal void AddOrUpdate(IEnumerable<(ClusterConfig Config, ImmutableArray<EndpointConfig>? Endpoints)> changes)
    {
        Dictionary<string, Cluster> next = new(_clusters);
        foreach ((ClusterConfig config, ImmutableArray<EndpointConfig>? endpoints) in changes)
        {
            if (!next.TryGetValue(config.Name, out Cluster? cluster))
            {
                next.Add(config.Name, cluster = new Cluster(config, _services));
            }
            else if (cluster.Config != config)
            {
                cluster.Update(config);
            }

            if (endpoints is { } list)
            {
                cluster.UpdateEndpoints(list);
            }
        }

        _clusters = next;
        RetainTlsFiles();
    }

    /// <summary>Takes clusters out; their connections drain.</summary>
    internal void Remove(IReadOnlyCollection<string> names)
    {
        Dictionary<string, Cluster> next = new(_clusters);
        List<Cluster> gone = [];
        foreach (string name in names)
        {
            if (next.Remove(name, out Cluster? cluster))
            {
                gone.Add(cluster);
            }
        }

        _clusters = next;
        foreach (Cluster cluster in gone)
        {
            cluster.Retire();
        }

        RetainTlsFiles();
    }

    private void RetainTlsFiles() => _services.TlsFiles.Retain(_clusters.Values.Select(static c => c.Config.Tls?.Files).OfType<TlsFilesConfig>());
}
