using Mesh.Proxy.Routing;

namespace Mesh.Proxy.Http1;

/// <summary>What was decided for a request before anything is done with it.</summary>
/// <param name="RouteName">Name of the route for the access log.</param>
/// <param name="Cluster">Name of the cluster; null when the route leads to none.</param>
/// <param name="Policy">What the route says of time and retries.</param>
/// <param name="Match">The match that fitted; null where there are no routes.</param>
/// <param name="Target">Which of the route's clusters was drawn.</param>
internal readonly record struct RouteChoice(string? RouteName, string? Cluster, RequestPolicy Policy, RouteMatch? Match = null, RouteTarget? Target = null);
