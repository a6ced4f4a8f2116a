using System.Net;

namespace Mesh.Proxy.Infrastructure;

/// <summary>Tells where a connection would come back to this proxy.</summary>
internal static class OwnAddress
{
    /// <summary>Whether <paramref name="address"/> and <paramref name="port"/> are among the addresses of listeners; one on all addresses is on this one too.</summary>
    public static bool IsAmong(IReadOnlyCollection<IPEndPoint> own, IPAddress address, int port)
    {
        foreach (IPEndPoint one in own)
        {
            if (one.Port == port && (IsAny(one.Address) || IsAny(address) || Plain(one.Address).Equals(Plain(address))))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether any listener has that port: most ports are nobody's here, and then no address needs to be read.</summary>
    public static bool HasPort(IReadOnlyCollection<IPEndPoint> own, int port)
    {
        foreach (IPEndPoint one in own)
        {
            if (one.Port == port)
            {
                return true;
            }
        }

        return false;
    }

    // Whoever dials the address of all reaches loopback, and all that listens there.
    private static bool IsAny(IPAddress address) => Plain(address).Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    // ::ffff:127.0.0.1 leads where 127.0.0.1 does.
    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}
