using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Config;

/// <summary>What would make a snapshot impossible to run. The compiler never makes such a one; a damaged or foreign one is refused whole. Pure.</summary>
internal static class SnapshotCheck
{
    /// <summary>The problems, each naming its place; empty when the snapshot can run.</summary>
    /// <param name="snapshot">The snapshot.</param>
    /// <param name="inForce">One that has passed: its lists of endpoints are not looked at again.</param>
    public static IReadOnlyList<string> FindErrors(ProxySnapshot snapshot, ProxySnapshot inForce)
    {
        List<string> errors = [];
        foreach ((string key, ClusterConfig config) in snapshot.Clusters)
        {
            if (key != config.Name)
            {
                errors.Add($"clusters[{key}]: its name is '{config.Name}'; key and name must be the same");
            }
        }

        foreach ((string cluster, ImmutableArray<EndpointConfig> endpoints) in snapshot.Endpoints)
        {
            RequireCluster(snapshot, cluster, "endpoints", cluster, errors);
            if (inForce.Endpoints.TryGetValue(cluster, out ImmutableArray<EndpointConfig> passed) && passed == endpoints && IsResolved(snapshot, cluster) == IsResolved(inForce, cluster))
            {
                continue;
            }

            foreach (EndpointConfig endpoint in endpoints)
            {
                if (!IsAddress(endpoint.Address) && !(IsResolved(snapshot, cluster) && IsNameWithPort(endpoint.Address)))
                {
                    errors.Add($"endpoints[{cluster}]: '{endpoint.Address}' is not an address; write ip:port, for example 10.0.0.1:8080");
                }
            }
        }

        foreach (VirtualHostConfig host in snapshot.Routes.VirtualHosts)
        {
            if (host.Routes.IsEmpty || host.Cluster.Length > 0) // a host that only routes know needs no cluster of its own
            {
                RequireCluster(snapshot, host.Cluster, "routes", host.Name, errors);
            }
        }

        foreach (ListenerConfig listener in snapshot.Listeners)
        {
            if (listener.Routes.IsEmpty || listener.Cluster.Length > 0) // what its routes leave over needs no cluster
            {
                RequireCluster(snapshot, listener.Cluster, "listeners", listener.Name, errors);
            }
        }

        return errors;
    }

    private static bool IsAddress(string text) => IPEndPoint.TryParse(text, out IPEndPoint? parsed) && parsed.Port != 0;

    private static bool IsResolved(ProxySnapshot snapshot, string cluster) => snapshot.Clusters.TryGetValue(cluster, out ClusterConfig? config) && config.Dns != DnsDiscovery.None;

    private static bool IsNameWithPort(string text) =>
        text.LastIndexOf(':') is > 0 and int colon && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && port > 0 &&
        Uri.CheckHostName(text[..colon]) == UriHostNameType.Dns;

    private static void RequireCluster(ProxySnapshot snapshot, string cluster, string list, string name, List<string> errors)
    {
        if (!snapshot.Clusters.ContainsKey(cluster))
        {
            errors.Add($"{list}[{name}]: there is no cluster '{cluster}' in the snapshot");
        }
    }
}
