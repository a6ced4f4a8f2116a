using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Mesh.Sidecar.Interception;

/// <summary>
/// Gives loopback the address ::6, from which the sidecar calls its application over IPv6, or takes it away. Unlike 127.0.0.6 no machine has it by itself, and
/// only <c>init</c> has the capability (NET_ADMIN).
/// </summary>
internal static partial class LoopbackAddress
{
    private const uint AddAddress = 0x8916; // SIOCSIFADDR
    private const uint RemoveAddress = 0x8936; // SIOCDIFADDR
    private const int Exists = 17;
    private const int NotThere = 99;
    private const int LoopbackIndex = 1; // the first interface of every network namespace

    /// <summary>Loopback itself, of one family.</summary>
    public static string Network(bool isIPv6) => isIPv6 ? "::1/128" : "127.0.0.1/32";

    /// <summary>Where the sidecar's calls of its application come from.</summary>
    public static string SourceOfSidecar(bool isIPv6) => isIPv6 ? "::6/128" : "127.0.0.6/32";

    /// <summary>Null when loopback is as asked, also when it was so before; else what the kernel said.</summary>
    public static string? Change(bool isRemoved)
    {
        using Socket socket = new(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
        byte[] request = new byte[24]; // struct in6_ifreq: address, length of its prefix, interface
        IPAddress.Parse("::6").TryWriteBytes(request, out _);
        BitConverter.TryWriteBytes(request.AsSpan(16), 128u);
        BitConverter.TryWriteBytes(request.AsSpan(20), LoopbackIndex);
        if (Control((int)socket.Handle, isRemoved ? RemoveAddress : AddAddress, request) == 0)
        {
            return null;
        }

        int error = Marshal.GetLastPInvokeError();
        return error == (isRemoved ? NotThere : Exists) ? null : Marshal.GetPInvokeErrorMessage(error);
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int descriptor, nuint request, [In] byte[] argument);
}
