using System.Net;

namespace Mesh.Proxy.Upstream;

/// <summary>Where to connect, and from which address of this machine. Equal to every other <see cref="IPEndPoint"/> of the same place.</summary>
/// <param name="address">Address to connect to.</param>
/// <param name="port">Port to connect to.</param>
/// <param name="source">Address to come from; where it cannot be bound the system chooses.</param>
internal class SourcedEndPoint(IPAddress address, int port, IPAddress source) : IPEndPoint(address, port)
{
    /// <summary>Address to come from.</summary>
    public IPAddress Source => source;
}
