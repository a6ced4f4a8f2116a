using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>A virtual host whose routes are made ready. Immutable.</summary>
/// <param name="config">What it is made from.</param>
/// <param name="stats">Where its routes count; null for nowhere.</param>
internal sealed class VirtualHost(VirtualHostConfig config, RouteStatsTable? stats = null)
{
    private readonly RouteMatch[] _matches = [.. config.Routes.SelectMany(r => new Route(r, prefix => stats?.Get(config.Name, prefix)).Matches)];

    /// <summary>What it was made from.</summary>
    public VirtualHostConfig Config => config;

    /// <summary>Whether every request goes to the one cluster.</summary>
    public bool HasNoRoutes => _matches.Length == 0;

    /// <summary>The first match that fits, or null.</summary>
    public RouteMatch? Find(in RequestView request)
    {
        foreach (RouteMatch match in _matches)
        {
            if (match.Fits(request))
            {
                return match;
            }
        }

        return null;
    }
}
