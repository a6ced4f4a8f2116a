namespace Mesh.Proxy.Routing;

/// <summary>Where requests of a route go, decided once when the route is made. Immutable.</summary>
/// <param name="routeName">Name of the route for the access log.</param>
/// <param name="cluster">Name of the cluster; null when the route leads to none.</param>
/// <param name="policy">What the route says of time and retries; null for nothing.</param>
/// <param name="target">The one of the route's clusters that it stands for; null where there are no routes.</param>
internal sealed class RouteChoice(string? routeName, string? cluster, RequestPolicy? policy = null, RouteTarget? target = null)
{
    /// <summary>Name of the route for the access log.</summary>
    public string? RouteName => routeName;

    /// <summary>Name of the cluster; null when the route leads to none.</summary>
    public string? Cluster => cluster;

    /// <summary>What the route says of time and retries; null for nothing.</summary>
    public RequestPolicy? Policy => policy;

    /// <summary>The one of the route's clusters that it stands for.</summary>
    public RouteTarget? Target => target;
}
