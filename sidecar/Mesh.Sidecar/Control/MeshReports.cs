using System.Collections.Immutable;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Control;

/// <summary>What this sidecar has to say of that which all callers share. Any thread.</summary>
/// <param name="clusters">The clusters in force.</param>
/// <param name="stats">Counters of the listeners.</param>
internal sealed class MeshReports(ClusterManager clusters, ProxyStats stats)
{
    /// <summary>The report with it: from the first one on, also of circuits that no call has passed yet.</summary>
    public SidecarReport AddTo(SidecarReport report)
    {
        ImmutableArray<CircuitReport> circuits = All(static cluster => cluster.ReportCircuit());
        return report with
        {
            Circuits = circuits,
            Limits = Limits(),
            ActiveRequests = circuits.IsEmpty ? null : (int)Math.Clamp(stats.Inbound.RqActive.Value + stats.Outbound.RqActive.Value, 0, int.MaxValue),
        };
    }

    private ImmutableArray<LimitReport> Limits()
    {
        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        foreach (Cluster cluster in clusters.Clusters)
        {
            cluster.ReportShares(reports);
        }

        return reports.ToImmutable();
    }

    private ImmutableArray<T> All<T>(Func<Cluster, T?> read)
        where T : class => [.. clusters.Clusters.Select(read).OfType<T>()];
}
