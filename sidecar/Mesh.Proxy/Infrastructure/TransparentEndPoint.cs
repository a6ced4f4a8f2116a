using System.Net;
using System.Net.Sockets;

namespace Mesh.Proxy.Infrastructure;

/// <summary>An address to listen on for connections to any address, which TPROXY rules of the kernel bring (IP_TRANSPARENT).</summary>
internal sealed class TransparentEndPoint(IPEndPoint address) : IPEndPoint(address.Address, address.Port)
{
    private const int SolIp = 0;
    private const int SolIpV6 = 41;
    private const int Transparent = 19; // IP_TRANSPARENT
    private const int TransparentV6 = 75; // IPV6_TRANSPARENT

    /// <summary>Prepares the socket, before it is bound, if <paramref name="endPoint"/> asks for it.</summary>
    /// <exception cref="SocketException">The process lacks CAP_NET_ADMIN.</exception>
    public static void Prepare(Socket socket, EndPoint endPoint)
    {
        if (endPoint is TransparentEndPoint)
        {
            Allow(socket);
        }
    }

    /// <summary>Lets <paramref name="socket"/> have addresses that are not this machine's.</summary>
    /// <exception cref="SocketException">The process lacks CAP_NET_ADMIN.</exception>
    public static void Allow(Socket socket)
    {
        bool isIpV6 = socket.AddressFamily == AddressFamily.InterNetworkV6;
        socket.SetRawSocketOption(isIpV6 ? SolIpV6 : SolIp, isIpV6 ? TransparentV6 : Transparent, BitConverter.GetBytes(1));
    }
}
