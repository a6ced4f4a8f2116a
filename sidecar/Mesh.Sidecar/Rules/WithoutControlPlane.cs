using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Rules;

/// <summary>Rules that say what only a control plane can do, in a sidecar that has none. Pure.</summary>
internal static class WithoutControlPlane
{
    /// <summary>A warning for each of them.</summary>
    public static IEnumerable<SidecarFinding> Find(ProxySnapshot snapshot) => [.. Circuits(snapshot), .. Limits(snapshot)];

    private static IEnumerable<SidecarFinding> Limits(ProxySnapshot snapshot) =>
        from limit in snapshot.Clusters.Values
            .SelectMany(static c => ((string?, string)[])
                [.. (c.RateLimits?.All ?? []).Where(static l => l.IsMesh).Select(static l => ((string?, string))(l.Rule, "spec.scope")), (c.MeshLimits?.Rule, "spec.meshLimits")])
            .Where(static l => l.Item1 is not null).Distinct().Order()
        select new SidecarFinding(limit.Item1!, "warning", limit.Item2, "shares are given out by a control plane, and this sidecar has none: it takes all of it for itself");

    private static IEnumerable<SidecarFinding> Circuits(ProxySnapshot snapshot) =>
        from rule in snapshot.Clusters.Values.Select(static c => c.Breaker).OfType<BreakerConfig>().Where(static b => b.IsMesh).Select(static b => b.Rule).Distinct().Order(StringComparer.Ordinal)
        select new SidecarFinding(rule, "warning", "spec.scope", "mesh needs a control plane, and this sidecar has none: it decides by itself, as with scope: sidecar");
}
