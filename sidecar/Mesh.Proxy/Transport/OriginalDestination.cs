using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Transport.Epoll;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Mesh.Proxy.Transport;

/// <summary>Where a connection was going before a REDIRECT rule of the kernel sent it here (semantics 9.2), on every transport. Linux only; elsewhere nobody redirects.</summary>
internal static class OriginalDestination
{
    private const int SolIp = 0;
    private const int SolIpV6 = 41;
    private const int OptionName = 80; // SO_ORIGINAL_DST, the same number for both families

    /// <summary>The address that was dialled; null when that is where the connection arrived, or when the kernel keeps no record. One call to the kernel.</summary>
    public static IPEndPoint? Of(ConnectionContext connection)
    {
        IPEndPoint? dialled = connection.Features.Get<IOriginalDestinationFeature>() is { } known ? known.OriginalDestination
            : OperatingSystem.IsLinux() && connection.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket ? Ask(socket)
            : null;
        return dialled is null || dialled.Equals(Plain(connection.LocalEndPoint)) ? null : dialled;
    }

    /// <summary>An IPv4 address in IPv6's clothes as IPv4; null for what is no IP address.</summary>
    internal static IPEndPoint? Plain(EndPoint? endPoint) => endPoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped
        ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port) : endPoint as IPEndPoint;

    private static IPEndPoint? Ask(Socket socket)
    {
        Span<byte> address = stackalloc byte[SocketAddresses.MaxBytes];
        try
        {
            bool isIpV6 = Plain(socket.LocalEndPoint)?.AddressFamily == AddressFamily.InterNetworkV6;
            socket.GetRawSocketOption(isIpV6 ? SolIpV6 : SolIp, OptionName, address);
            return SocketAddresses.Read(address);
        }
        catch (Exception unknown) when (unknown is SocketException or ObjectDisposedException)
        {
            return null;
        }
    }
}
