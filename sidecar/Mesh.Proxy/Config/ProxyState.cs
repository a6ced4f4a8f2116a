using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Config;

/// <summary>What a request captures once: the routes in force. Immutable, swapped whole.</summary>
/// <param name="Snapshot">The snapshot behind it.</param>
/// <param name="Routes">Outbound routes.</param>
public sealed record ProxyState(ProxySnapshot Snapshot, RouteTable Routes);
