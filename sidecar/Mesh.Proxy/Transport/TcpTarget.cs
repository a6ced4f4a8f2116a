using System.Collections.Immutable;
using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Transport;

/// <summary>Where the connections of a TCP listener go. It changes with the rules while the listener stays bound. Thread-safe.</summary>
internal sealed class TcpTarget(ListenerConfig config)
{
    private volatile State _state = new(config, new ConnectionRoutes(config.Routes));

    /// <summary>Whether its clients speak TLS, so that the server that they ask for can be told.</summary>
    public bool IsTls => _state.Config.IsTls;

    /// <summary>From now on, as <paramref name="config"/> says.</summary>
    public void Change(ListenerConfig config) => _state = new State(config, new ConnectionRoutes(config.Routes));

    /// <summary>Name of the cluster for the next connection, with one draw, and only where there is a choice; empty when nothing is there for it.</summary>
    public string Pick(Random random, in ConnectionView view)
    {
        State state = _state;
        return state.Routes.Find(view) is { } route ? Draw(route.Clusters, random) : state.Config.Cluster;
    }

    private static string Draw(ImmutableArray<WeightedClusterConfig> clusters, Random random)
    {
        if (clusters.Length == 1)
        {
            return clusters[0].Cluster;
        }

        long total = 0;
        foreach (WeightedClusterConfig cluster in clusters)
        {
            total += cluster.Weight;
        }

        long left = random.NextInt64(total);
        int at = 0;
        while ((left -= clusters[at].Weight) >= 0)
        {
            at++;
        }

        return clusters[at].Cluster;
    }

    private sealed record State(ListenerConfig Config, ConnectionRoutes Routes);
}
