using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Transport;

/// <summary>An address to listen on for connections to any address, which TPROXY rules of the kernel bring (IP_TRANSPARENT).</summary>
internal sealed class TransparentEndPoint(IPEndPoint address) : IPEndPoint(address.Address, address.Port)
{
    /// <summary>Prepares the socket, before it is bound, if <paramref name="endPoint"/> asks for it.</summary>
    /// <exception cref="SocketException">The process lacks CAP_NET_ADMIN.</exception>
    public static void Prepare(Socket socket, EndPoint endPoint)
    {
        if (endPoint is TransparentEndPoint)
        {
            ForeignAddress.Allow(socket);
        }
    }
}
