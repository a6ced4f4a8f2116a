using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>Routes of the outbound listener, indexed for lookup by authority. Immutable.</summary>
public sealed class RouteTable
{
    /// <summary>Indexes <paramref name="config"/>.</summary>
    public RouteTable(RouteConfig config) => Config = config;

    /// <summary>What it was built from.</summary>
    public RouteConfig Config { get; }
}
