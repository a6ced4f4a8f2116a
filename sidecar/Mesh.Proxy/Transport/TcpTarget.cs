using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Transport;

/// <summary>Where the connections of a TCP listener go. It changes with the rules while the listener stays bound. Thread-safe.</summary>
internal sealed class TcpTarget(ListenerConfig config)
{
    private volatile ListenerConfig _config = config;

    /// <summary>From now on, as <paramref name="config"/> says.</summary>
    public void Change(ListenerConfig config) => _config = config;

    /// <summary>Name of the cluster for the next connection: one draw, and only where there is a choice.</summary>
    public string Pick(Random random)
    {
        ListenerConfig config = _config;
        long total = 0;
        foreach (WeightedClusterConfig cluster in config.Clusters)
        {
            total += cluster.Weight;
        }

        long left = total > 0 ? random.NextInt64(total) : 0;
        foreach (WeightedClusterConfig cluster in config.Clusters)
        {
            left -= cluster.Weight;
            if (left < 0)
            {
                return cluster.Cluster;
            }
        }

        return config.Cluster;
    }
}
