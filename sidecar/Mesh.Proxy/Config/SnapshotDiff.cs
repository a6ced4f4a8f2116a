using System.Collections.Immutable;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Config;

/// <summary>What changes between two snapshots, compared by content. Pure.</summary>
/// <param name="Clusters">Clusters that are new or have another configuration or other endpoints; the list is null when it stays as it is.</param>
/// <param name="Removed">Names of clusters that are gone.</param>
/// <param name="RoutesChanged">Whether the routes differ.</param>
/// <param name="ListenersChanged">Whether the listeners differ.</param>
/// <param name="PolicyChanged">Whether the policy for unknown destinations differs.</param>
internal sealed record SnapshotDiff(
    IReadOnlyList<(ClusterConfig Config, ImmutableArray<EndpointConfig>? Endpoints)> Clusters,
    IReadOnlyList<string> Removed,
    bool RoutesChanged,
    bool ListenersChanged,
    bool PolicyChanged)
{
    /// <summary>True when nothing is to be done.</summary>
    public bool IsEmpty => Clusters.Count == 0 && Removed.Count == 0 && !RoutesChanged && !ListenersChanged && !PolicyChanged;

    /// <summary>Compares.</summary>
    public static SnapshotDiff Between(ProxySnapshot old, ProxySnapshot next)
    {
        List<(ClusterConfig, ImmutableArray<EndpointConfig>?)> changed = [];
        foreach (ClusterConfig config in next.Clusters.Values)
        {
            bool isNew = !old.Clusters.TryGetValue(config.Name, out ClusterConfig? before);
            ImmutableArray<EndpointConfig> endpoints = EndpointsOf(next, config.Name);
            bool sameEndpoints = !isNew && SameItems(EndpointsOf(old, config.Name), endpoints);
            if (!sameEndpoints || before != config)
            {
                changed.Add((config, sameEndpoints ? null : endpoints));
            }
        }

        return new SnapshotDiff(
            changed,
            [.. old.Clusters.Keys.Where(name => !next.Clusters.ContainsKey(name))],
            !SameRoutes(old.Routes, next.Routes),
            !SameItems(old.Listeners, next.Listeners),
            old.OutboundPolicy != next.OutboundPolicy);
    }

    private static ImmutableArray<EndpointConfig> EndpointsOf(ProxySnapshot snapshot, string cluster) =>
        snapshot.Endpoints.TryGetValue(cluster, out ImmutableArray<EndpointConfig> endpoints) && !endpoints.IsDefault ? endpoints : [];

    private static bool SameItems<T>(ImmutableArray<T> left, ImmutableArray<T> right) => left == right || left.AsSpan().SequenceEqual(right.AsSpan());

    private static bool SameRoutes(RouteConfig left, RouteConfig right) =>
        left.VirtualHosts.Length == right.VirtualHosts.Length && left.VirtualHosts.Zip(right.VirtualHosts, SameHost).All(static same => same);

    private static bool SameHost(VirtualHostConfig left, VirtualHostConfig right) =>
        left with { Domains = right.Domains } == right && SameItems(left.Domains, right.Domains);
}
