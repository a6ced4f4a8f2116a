using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>The PROXY protocol header, versions 1 and 2, as HAProxy's specification has them. Pure.</summary>
internal static class ProxyProtocolHeader
{
    private const byte Version2Local = 0x20;
    private const byte Version2Proxy = 0x21;
    private const byte Tcp4 = 0x11;
    private const byte Tcp6 = 0x21;

    private static ReadOnlySpan<byte> Signature => [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

    /// <summary>The header of a connection.</summary>
    /// <param name="version">V1 or V2.</param>
    /// <param name="client">The client it is made for; null when it is nobody's in particular, as those of an HTTP pool are.</param>
    /// <param name="own">Addresses of the connection itself, which V1 has to name then (as Envoy); V2 can say that there is no client.</param>
    public static byte[] For(ProxyProtocolVersion version, ClientAddresses? client, ClientAddresses own) => version == ProxyProtocolVersion.V1
        ? Text(client ?? own)
        : client is null ? [.. Signature, Version2Local, 0, 0, 0] : Binary(client);

    private static byte[] Text(ClientAddresses of)
    {
        (IPAddress from, IPAddress to, bool isV4) = SameFamily(of);
        return Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"PROXY {(isV4 ? "TCP4" : "TCP6")} {from} {to} {of.Source.Port} {of.Destination.Port}\r\n"));
    }

    private static byte[] Binary(ClientAddresses of)
    {
        (IPAddress from, IPAddress to, bool isV4) = SameFamily(of);
        byte[] ports = new byte[4];
        BinaryPrimitives.WriteUInt16BigEndian(ports, (ushort)of.Source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(ports.AsSpan(2), (ushort)of.Destination.Port);
        return [.. Signature, Version2Proxy, isV4 ? Tcp4 : Tcp6, 0, (byte)(isV4 ? 12 : 36), .. from.GetAddressBytes(), .. to.GetAddressBytes(), .. ports];
    }

    private static (IPAddress From, IPAddress To, bool IsV4) SameFamily(ClientAddresses of)
    {
        IPAddress from = Plain(of.Source.Address);
        IPAddress to = Plain(of.Destination.Address);
        bool isV4 = from.AddressFamily == AddressFamily.InterNetwork && to.AddressFamily == AddressFamily.InterNetwork;
        return isV4 ? (from, to, true) : (from.MapToIPv6(), to.MapToIPv6(), false);
    }

    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
}
