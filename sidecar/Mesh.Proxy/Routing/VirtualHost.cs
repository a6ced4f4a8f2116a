using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>A virtual host whose routes are made ready. Immutable.</summary>
internal sealed class VirtualHost
{
    private readonly RouteMatch[] _matches;
    private readonly PathGate[] _gates;

    /// <param name="config">What it is made from.</param>
    /// <param name="stats">Where its routes count; null for nowhere.</param>
    public VirtualHost(VirtualHostConfig config, RouteStatsTable? stats = null)
    {
        Config = config;
        _matches = [.. config.Routes.SelectMany(r => new Route(r, prefix => stats?.Get(config.Name, prefix)).Matches)];
        _gates = Array.ConvertAll(_matches, static m => m.Gate);
        Unrouted = new RouteChoice(config.Name, config.Cluster, RequestPolicy.Of(config.Retry));
    }

    /// <summary>What it was made from.</summary>
    public VirtualHostConfig Config { get; }

    /// <summary>Whether every request goes to the one cluster.</summary>
    public bool HasNoRoutes => _matches.Length == 0;

    /// <summary>Where requests go when there are no routes.</summary>
    public RouteChoice Unrouted { get; }

    /// <summary>The first match that fits, or null.</summary>
    public RouteMatch? Find(in RequestView request)
    {
        ulong head = PathGate.Head(request.Path);
        for (int i = 0; i < _gates.Length; i++)
        {
            if (_gates[i].LetsIn(request.Path, head) && _matches[i].Fits(request))
            {
                return _matches[i];
            }
        }

        return null;
    }
}
