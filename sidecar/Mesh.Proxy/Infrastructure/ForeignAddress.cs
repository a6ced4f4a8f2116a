using System.Net.Sockets;

namespace Mesh.Proxy.Infrastructure;

/// <summary>Sockets with addresses that are not this machine's, which TPROXY rules of the kernel lead to us. Needs CAP_NET_ADMIN.</summary>
public static class ForeignAddress
{
    /// <summary>Mark of packets that are sent to the application in its client's name: rules of TPROXY mode know the connection by it, and keep it in the pod.</summary>
    public const int ClientMark = 1337;

    private const int SolSocket = 1;
    private const int SoMark = 36;
    private const int SolIp = 0;
    private const int SolIpV6 = 41;
    private const int Transparent = 19; // IP_TRANSPARENT
    private const int TransparentV6 = 75; // IPV6_TRANSPARENT

    /// <summary>Lets <paramref name="socket"/> have such an address, before it is bound.</summary>
    /// <exception cref="SocketException">The process lacks CAP_NET_ADMIN.</exception>
    internal static void Allow(Socket socket)
    {
        bool isIpV6 = socket.AddressFamily == AddressFamily.InterNetworkV6;
        socket.SetRawSocketOption(isIpV6 ? SolIpV6 : SolIp, isIpV6 ? TransparentV6 : Transparent, BitConverter.GetBytes(1));
    }

    /// <summary>Lets <paramref name="socket"/> come to the application from a client's address, before it is bound.</summary>
    /// <exception cref="SocketException">The process lacks CAP_NET_ADMIN.</exception>
    internal static void Borrow(Socket socket)
    {
        Allow(socket);
        socket.SetRawSocketOption(SolSocket, SoMark, BitConverter.GetBytes(ClientMark));
    }
}
