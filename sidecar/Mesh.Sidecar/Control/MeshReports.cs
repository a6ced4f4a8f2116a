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
    /// <summary>Most circuits, and most limits, in a report: the control plane refuses one of more than 500.</summary>
    public const int Most = 400;

    private volatile int _mostKeys = Most; // of one limit

    /// <summary>The report with it: from the first one on, also of circuits that no call has passed yet.</summary>
    public SidecarReport AddTo(SidecarReport report)
    {
        ImmutableArray<CircuitReport> circuits = [.. clusters.Clusters.Select(static cluster => cluster.ReportCircuit()).OfType<CircuitReport>().Take(Most)];
        return report with
        {
            Circuits = circuits,
            Limits = Limits(),
            ActiveRequests = circuits.IsEmpty ? null : (int)Math.Clamp(stats.Inbound.RqActive.Value + stats.Outbound.RqActive.Value, 0, int.MaxValue),
        };
    }

    /// <summary>What of these fits into a report, and most keys of one limit from now on: those that have some divide what the whole limits leave, and a key without a place gives its share back.</summary>
    internal static (ImmutableArray<LimitReport> Reports, int MostKeys) Fit(IReadOnlyCollection<LimitReport> reports)
    {
        int whole = reports.Count(static l => l.Key.Length == 0);
        int keyed = reports.Where(static l => l.Key.Length > 0).Select(static l => (l.Rule, l.Cluster)).Distinct().Count();
        IEnumerable<LimitReport> fitting = reports.Count <= Most ? reports : reports.OrderBy(static l => l.Key.Length > 0).ThenByDescending(static l => l.Key.Length > 0 ? l.Wanted : 0).Take(Most);
        return ([.. fitting], Math.Max(0, Most - whole) / Math.Max(1, keyed));
    }

    private ImmutableArray<LimitReport> Limits()
    {
        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        foreach (Cluster cluster in clusters.Clusters)
        {
            cluster.ReportShares(reports, _mostKeys);
        }

        (ImmutableArray<LimitReport> fitting, _mostKeys) = Fit(reports);
        return fitting;
    }
}
