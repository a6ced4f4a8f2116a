using System.Net;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Sidecar.Hosting;
using Mesh.Sidecar.Rules;

namespace Mesh.Sidecar.Admin;

/// <summary>What the admin pages show and change. Everything is read at the moment of the request.</summary>
internal sealed record AdminContext
{
    /// <summary>Clusters in force.</summary>
    public required ClusterManager Clusters { get; init; }

    /// <summary>Counters of the process.</summary>
    public required ProxyStats Stats { get; init; }

    /// <summary>Istio's standard metrics.</summary>
    public required StandardMetrics Metrics { get; init; }

    /// <summary>Outlier events.</summary>
    public required EjectionLog Ejections { get; init; }

    /// <summary>Rules and snapshot in force.</summary>
    public required SnapshotPipeline Pipeline { get; init; }

    /// <summary>Life of the process.</summary>
    public required SidecarState State { get; init; }

    /// <summary>The log, whose level can be changed.</summary>
    public required StandardErrorLog Log { get; init; }

    /// <summary>Id of this sidecar, or its service when it has none.</summary>
    public required Func<string> Node { get; init; }

    /// <summary>Version of this build.</summary>
    public required string Version { get; init; }

    /// <summary>Threads that carry traffic.</summary>
    public required int Concurrency { get; init; }

    /// <summary>Fixed listeners by name, as bound.</summary>
    public required Func<IReadOnlyList<(string Name, IPEndPoint Address)>> Listeners { get; init; }

    /// <summary>Lines of the access log that were dropped.</summary>
    public required Func<long> DroppedLogLines { get; init; }

    /// <summary>Stops accepting and finishes what is in flight.</summary>
    public required Func<Task> Drain { get; init; }

    /// <summary>All statistics now.</summary>
    public StatsPages Pages() => new(
        [.. Clusters.Clusters.Select(static c => ViewOf(c))],
        new ProxyStatsView(Stats, State.Current == ServerState.Live, (int)State.Current, (long)State.Uptime.TotalSeconds, Concurrency));

    /// <summary>The snapshot in force, or an empty one.</summary>
    public ProxySnapshot Snapshot => Pipeline.Current?.Snapshot ?? ProxySnapshot.Empty;

    private static ClusterStatsView ViewOf(Cluster cluster)
    {
        BreakerFigures figures = cluster.BreakerFigures;
        return new ClusterStatsView(cluster.Name, cluster.Stats, cluster.Config.Limits, cluster.Config.RetryBudget is not null)
        {
            BreakerState = (int)cluster.BreakerState,
            ConcurrencyActive = cluster.ConcurrencyActive,
            ConcurrencyWaiting = cluster.ConcurrencyWaiting,
            ConcurrencyLimit = cluster.ConcurrencyLimit,
            BreakerCalls = figures.Calls,
            BreakerFailures = figures.Failures,
            BreakerSlow = figures.Slow,
            BreakerEndpointsOpen = cluster.BrokenEndpoints.Open,
            BreakerEndpointsHalfOpen = cluster.BrokenEndpoints.HalfOpen,
            BreakerEpoch = cluster.CircuitOrder?.Order.Epoch ?? 0,
            RateLimitShare = cluster.RateLimitShare,
            RateLimitPlanLeft = cluster.RateLimitPlanLeft,
            FallbackEntries = cluster.FallbackEntries,
            FallbackBytes = cluster.FallbackBytes,
        };
    }
}
