using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Transport;

/// <summary>Where calls of the own application come from, so that the kernel's rules leave them alone (semantics 9.2).</summary>
public static class InboundSource
{
    /// <summary>Mark of packets that are sent to the application in its client's name: rules of TPROXY mode know the connection by it, and keep it in the pod.</summary>
    public const int ClientMark = BorrowedEndPoint.Mark;

    private static readonly IPAddress Istios = IPAddress.Parse("::6");

    /// <summary>
    /// IPv6's companion of Istio's 127.0.0.6; null when another source is wished, or when the machine does not have the address: unlike 127.0.0.6 it must be
    /// given to an interface, which <c>init</c> does.
    /// </summary>
    public static IPAddress? FindV6(IPAddress? wanted)
    {
        if (!ClusterManager.DefaultInboundSource.Equals(wanted) || !Socket.OSSupportsIPv6)
        {
            return null;
        }

        try
        {
            using Socket attempt = new(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            attempt.Bind(new IPEndPoint(Istios, 0));
            return Istios;
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
