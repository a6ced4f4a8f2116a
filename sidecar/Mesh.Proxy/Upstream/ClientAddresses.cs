using System.Net;

namespace Mesh.Proxy.Upstream;

/// <summary>Who a connection is made for. A connection that has a client is given to no other one.</summary>
/// <param name="Source">The client; port 0 for whatever port it calls from.</param>
/// <param name="Destination">Where it wanted to go.</param>
public sealed record ClientAddresses(IPEndPoint Source, IPEndPoint Destination);
