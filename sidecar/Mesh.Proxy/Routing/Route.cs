using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>One route made ready to be followed. Immutable.</summary>
internal sealed class Route
{
    private readonly long _weights;

    /// <param name="config">What it was made from.</param>
    public Route(HttpRouteConfig config)
    {
        Config = config;
        Targets = new RouteTarget[config.Clusters.Length];
        for (int i = 0; i < Targets.Length; i++)
        {
            _weights += config.Clusters[i].Weight;
            Targets[i] = new RouteTarget(config.Clusters[i].Cluster, _weights);
        }

        Matches = config.Matches.IsEmpty ? [new RouteMatch(this, new HttpMatchConfig())] : [.. config.Matches.Select(m => new RouteMatch(this, m))];
    }

    /// <summary>What it was made from.</summary>
    public HttpRouteConfig Config { get; }

    /// <summary>Its matches, at least one.</summary>
    public RouteMatch[] Matches { get; }

    /// <summary>Where it leads.</summary>
    public RouteTarget[] Targets { get; }

    /// <summary>Chooses by weight, with one draw; with none when there is nothing to choose. Null when it leads nowhere.</summary>
    public RouteTarget? Pick(Random random)
    {
        if (Targets.Length <= 1)
        {
            return Targets.Length == 0 ? null : Targets[0];
        }

        long drawn = random.NextInt64(_weights);
        int at = 0;
        while (Targets[at].WeightEnd <= drawn)
        {
            at++;
        }

        return Targets[at];
    }
}

/// <summary>One of the places a route leads to. Immutable.</summary>
/// <param name="cluster">Name of the cluster.</param>
/// <param name="weightEnd">Its weight and that of all before it.</param>
internal sealed class RouteTarget(string cluster, long weightEnd)
{
    /// <summary>Name of the cluster.</summary>
    public string Cluster => cluster;

    /// <summary>A draw below this, and not below the one before, means this one.</summary>
    public long WeightEnd => weightEnd;
}
