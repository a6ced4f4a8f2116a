using System.Net;

namespace Mesh.Proxy.Infrastructure;

/// <summary>Tells where a connection would come back to this proxy.</summary>
internal static class OwnAddress
{
    /// <summary>Whether <paramref name="address"/> and <paramref name="port"/> are among the addresses of listeners; one on all addresses is on this one too.</summary>
    public static bool IsAmong(IReadOnlyCollection<IPEndPoint> own, IPAddress address, int port) => own.Any(o => o.Port == port &&
        (o.Address.Equals(address) || o.Address.Equals(IPAddress.Any) || o.Address.Equals(IPAddress.IPv6Any)));
}
