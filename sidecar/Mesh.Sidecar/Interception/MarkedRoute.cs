using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mesh.Sidecar.Interception;

/// <summary>
/// The policy route of TPROXY mode: what has the mark of <see cref="MangleRules"/> is for this machine, whatever its destination. Said to the kernel directly
/// (rtnetlink), so that the image needs no program <c>ip</c> with its libraries.
/// </summary>
internal static partial class MarkedRoute
{
    /// <summary>Istio's number.</summary>
    public const byte Table = 133;

    /// <summary>Place of the rule among others, before that of the main table.</summary>
    public const uint RulePriority = 1337;

    private const ushort NewRoute = 24;
    private const ushort NewRule = 32; // each has its opposite, which removes, one above
    private const ushort Request = 0x1;
    private const ushort WantsAnswer = 0x4;
    private const ushort NoneYet = 0x200;
    private const ushort Create = 0x400;
    private const int HeaderBytes = 16;
    private const int BodyBytes = 12;
    private const int AttributeBytes = 8; // each of ours is a number

    private const int FamilyIPv4 = 2;
    private const int FamilyIPv6 = 10;
    private const int NoEntry = 2;
    private const int NoSuchProcess = 3; // the kernel's word for a route that is not there
    private const int Exists = 17;
    private const int NotSupported = 95; // a kernel without policy routes
    private const int FamilyNotSupported = 97;

    /// <summary>Null when rule and route are there, or gone, also when they were so before; else what the kernel said. Needs NET_ADMIN.</summary>
    /// <param name="isIPv6">Which family.</param>
    /// <param name="isRemoved">Takes them away.</param>
    public static string? Change(bool isIPv6, bool isRemoved)
    {
        const byte TypeLocal = 2, ScopeHost = 254, ByHand = 3, ToTable = 1;
        const ushort OutputInterface = 4, Priority = 6, FirewallMark = 10;
        const uint LoopbackIndex = 1; // the first interface of every network namespace
        byte family = (byte)(isIPv6 ? FamilyIPv6 : FamilyIPv4);
        using SafeFileHandle netlink = Open(16, 3 | 0x80000, 0); // AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE
        if (netlink.IsInvalid)
        {
            return Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
        }

        // struct rtmsg and struct fib_rule_hdr, which agree on family and table: lengths of destination and source, TOS, table, …
        return Tell(netlink, NewRoute, isRemoved, [family, 0, 0, 0, Table, ByHand, ScopeHost, TypeLocal, 0, 0, 0, 0], [(OutputInterface, LoopbackIndex)])
            // With a priority of its own the kernel knows the same rule again.
            ?? Tell(netlink, NewRule, isRemoved, [family, 0, 0, 0, Table, 0, 0, ToTable, 0, 0, 0, 0], [(Priority, RulePriority), (FirewallMark, MangleRules.InboundMark)]);
    }

    private static string? Tell(SafeFileHandle netlink, ushort kind, bool isRemoved, ReadOnlySpan<byte> body, ReadOnlySpan<(ushort Kind, uint Value)> attributes)
    {
        byte[] message = new byte[HeaderBytes + BodyBytes + (attributes.Length * AttributeBytes)];
        BitConverter.TryWriteBytes(message, (uint)message.Length);
        BitConverter.TryWriteBytes(message.AsSpan(4), (ushort)(isRemoved ? kind + 1 : kind));
        BitConverter.TryWriteBytes(message.AsSpan(6), (ushort)(Request | WantsAnswer | (isRemoved ? 0 : NoneYet | Create)));
        body.CopyTo(message.AsSpan(HeaderBytes));
        Span<byte> rest = message.AsSpan(HeaderBytes + BodyBytes);
        foreach ((ushort attribute, uint value) in attributes)
        {
            BitConverter.TryWriteBytes(rest, (ushort)AttributeBytes);
            BitConverter.TryWriteBytes(rest[2..], attribute);
            BitConverter.TryWriteBytes(rest[4..], value);
            rest = rest[AttributeBytes..];
        }

        byte[] answer = new byte[HeaderBytes + 4 + message.Length]; // a header, the error, and the message once more
        if (Send(netlink, message, message.Length, 0) < 0 || Receive(netlink, answer, answer.Length, 0) < 0)
        {
            return Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
        }

        int error = -BitConverter.ToInt32(answer, HeaderBytes);
        bool isAsAsked = error == 0 || (isRemoved ? error is NoEntry or NoSuchProcess or NotSupported or FamilyNotSupported : error == Exists);
        return isAsAsked ? null : Marshal.GetPInvokeErrorMessage(error);
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial SafeFileHandle Open(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(SafeFileHandle socket, [In] byte[] message, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(SafeFileHandle socket, [Out] byte[] answer, nint length, int flags);
}
