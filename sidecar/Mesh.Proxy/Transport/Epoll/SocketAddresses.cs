using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>Addresses in the kernel's form.</summary>
internal static unsafe class SocketAddresses
{
    /// <summary>Longest address we use (sockaddr_in6).</summary>
    public const int MaxBytes = 28;

    private const int Inet = 2;
    private const int Inet6 = 10;

    /// <summary>The kernel's number of the family.</summary>
    public static int Family(EndPoint endPoint) => endPoint.AddressFamily == AddressFamily.InterNetworkV6 ? Inet6 : Inet;

    /// <summary>Writes an address; returns its length.</summary>
    public static int Write(IPEndPoint endPoint, byte* address)
    {
        SocketAddress text = endPoint.Serialize();
        text.Buffer.Span[..text.Size].CopyTo(new Span<byte>(address, MaxBytes));
        return text.Size;
    }

    /// <summary>Reads an address; an IPv4 one in IPv6's clothes is given as IPv4.</summary>
    public static IPEndPoint Read(byte* address, int length) => Read(new ReadOnlySpan<byte>(address, length));

    /// <summary>The same of a copy.</summary>
    public static IPEndPoint Read(ReadOnlySpan<byte> bytes)
    {
        int port = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        if (MemoryMarshal.Read<ushort>(bytes) != Inet6)
        {
            return new IPEndPoint(new IPAddress(bytes.Slice(4, 4)), port);
        }

        IPAddress ip = new(bytes.Slice(8, 16), MemoryMarshal.Read<uint>(bytes[24..]));
        return new IPEndPoint(ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip, port);
    }

    /// <summary>Where a connection was going before NAT; null when the kernel has no record of it.</summary>
    public static IPEndPoint? OriginalDestination(int descriptor, bool isIpV6)
    {
        byte* address = stackalloc byte[MaxBytes];
        int length = MaxBytes;
        return LibC.TryOriginalDestination(descriptor, isIpV6, address, &length) ? Read(address, length) : null;
    }

    /// <summary>The address a socket is bound to; null when it has none.</summary>
    public static IPEndPoint? OfSocket(int descriptor)
    {
        byte* address = stackalloc byte[MaxBytes];
        int length = MaxBytes;
        return LibC.LocalAddress(descriptor, address, &length) == 0 ? Read(address, length) : null;
    }
}
