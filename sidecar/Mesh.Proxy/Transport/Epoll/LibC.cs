using System.Runtime.InteropServices;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>The calls to the kernel that the event loops make, and the few constants they need. Linux only.</summary>
internal static unsafe partial class LibC
{
    public const uint EpollIn = 0x1;
    public const uint EpollOut = 0x4;
    public const uint EpollErr = 0x8;
    public const uint EpollHup = 0x10;
    public const uint EpollPeerEnd = 0x2000; // EPOLLRDHUP
    public const uint EpollEdge = 1u << 31;

    public const int Interrupted = 4;
    public const int WouldBlock = 11;
    public const int TooManyFilesInSystem = 23;
    public const int TooManyFiles = 24;
    public const int AddressInUse = 98;
    public const int AddressNotAvailable = 99;
    public const int ConnectionAborted = 103;
    public const int InProgress = 115;

    public const int ShutdownWrite = 1;

    private const int Add = 1;
    private const int Remove = 2;
    private const int Modify = 3;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int NoSignal = 0x4000;
    private const int SolIp = 0;
    private const int SolIpV6 = 41;
    private const int OriginalDestinationOption = 80; // SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST
    private const int BindAddressNoPort = 24;
    private const int SolSocket = 1;
    private const int SoError = 4;
    private const int SoLinger = 13;
    private const int IpProtoTcp = 6;
    private const int TcpNoDelay = 1;
    private const int SpliceMoveNonBlock = 0x1 | 0x2;

    /// <summary>Bytes of one epoll_event: the kernel packs it on x64 only.</summary>
    public static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;

    /// <summary>Where its data begins.</summary>
    public static readonly int EventData = EventSize - 8;

    // recvfrom and sendto.
    private static readonly int ReceiveNumber = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 45,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 207,
        _ => 0,
    };

    private static readonly int SendNumber = ReceiveNumber - (ReceiveNumber > 0 ? 1 : 0);

    public static int NewEpoll() => epoll_create1(CloseOnExec);

    public static int NewWake() => eventfd(0, CloseOnExec | NonBlocking);

    public static int NewSocket(int family) => socket(family, 1 | NonBlocking | CloseOnExec, 0);

    public static int Accept(int listener, byte* address, int* length) => accept4(listener, address, length, NonBlocking | CloseOnExec);

    public static int Watch(int epoll, int descriptor, uint events, long data) => Control(epoll, Add, descriptor, events, data);

    public static int Unwatch(int epoll, int descriptor) => Control(epoll, Remove, descriptor, 0, 0);

    public static int Rewatch(int epoll, int descriptor, uint events, long data) => Control(epoll, Modify, descriptor, events, data);

    // By number where it is known: the C library's own functions can be cancelled, and pay for it on every call.
    public static nint Receive(int socket, byte* buffer, int length) =>
        ReceiveNumber != 0 ? syscall(ReceiveNumber, socket, buffer, length, 0, 0, 0) : recv(socket, buffer, length, 0);

    public static nint Send(int socket, byte* buffer, int length) =>
        SendNumber != 0 ? syscall(SendNumber, socket, buffer, length, NoSignal, 0, 0) : send(socket, buffer, length, NoSignal);

    public static nint Send(int socket, IoVector* vectors, int count)
    {
        MessageHeader header = new() { Vectors = vectors, VectorCount = count };
        return sendmsg(socket, &header, NoSignal);
    }

    public static nint Splice(int from, int to, nint length) => splice(from, null, to, null, length, SpliceMoveNonBlock);

    /// <summary>Makes a pipe; false when there are no descriptors left.</summary>
    public static bool TryPipe(out int readEnd, out int writeEnd)
    {
        int* ends = stackalloc int[2];
        bool made = pipe2(ends, CloseOnExec | NonBlocking) == 0;
        (readEnd, writeEnd) = (ends[0], ends[1]);
        return made;
    }

    /// <summary>The error that waits on a socket, 0 for none.</summary>
    public static int PendingError(int socket)
    {
        int error = 0;
        int length = sizeof(int);
        return getsockopt(socket, SolSocket, SoError, &error, &length) == 0 ? error : Error;
    }

    /// <summary>Where a connection was going before NAT, by the kernel's connection tracking; false when there is none.</summary>
    public static bool TryOriginalDestination(int socket, bool isIpV6, byte* address, int* length) =>
        getsockopt(socket, isIpV6 ? SolIpV6 : SolIp, OriginalDestinationOption, address, length) == 0;

    /// <summary>Connections of this socket come from <paramref name="address"/>; their port is chosen when they connect, as there may be more of them than ports. False when the system refuses.</summary>
    public static bool TryBindSource(int socket, byte* address, int length)
    {
        SetOption(socket, SolIp, BindAddressNoPort, 1);
        return bind(socket, address, length) == 0;
    }

    /// <summary>Connections of this socket may come from an address that the machine does not have, and have the mark by which the rules of TPROXY mode know them. Needs CAP_NET_ADMIN. Their ports may have been those of connections that ended a moment ago.</summary>
    public static void SetBorrowing(int socket, bool isIpV6)
    {
        const int Transparent = 19, TransparentV6 = 75, ReuseAddress = 2, Mark = 36;
        SetOption(socket, isIpV6 ? SolIpV6 : SolIp, isIpV6 ? TransparentV6 : Transparent, 1);
        SetOption(socket, SolSocket, ReuseAddress, 1);
        SetOption(socket, SolSocket, Mark, InboundSource.ClientMark);
    }

    public static void SetNoDelay(int socket) => SetOption(socket, IpProtoTcp, TcpNoDelay, 1);

    /// <summary>SO_KEEPALIVE and, where given, its times.</summary>
    public static void SetKeepalive(int socket, int? idleSeconds, int? intervalSeconds, int? probes)
    {
        SetOption(socket, SolSocket, 9, 1);
        SetIfGiven(socket, 4, idleSeconds);
        SetIfGiven(socket, 5, intervalSeconds);
        SetIfGiven(socket, 6, probes);
    }

    /// <summary>The next close sends a reset and forgets what has not been sent.</summary>
    public static void ResetOnClose(int socket)
    {
        long onWithoutTime = 1; // struct linger { int on = 1; int seconds = 0; }
        _ = setsockopt(socket, SolSocket, SoLinger, &onWithoutTime, sizeof(long));
    }

    /// <summary>errno of the last call on this thread, if that failed: read it at once.</summary>
    public static int Error => Marshal.GetLastSystemError();

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    public static partial int Shutdown(int socket, int how);

    [LibraryImport("libc", EntryPoint = "connect")]
    public static partial int Connect(int socket, byte* address, int length);

    [LibraryImport("libc", EntryPoint = "getsockname")]
    public static partial int LocalAddress(int socket, byte* address, int* length);

    [LibraryImport("libc", EntryPoint = "epoll_wait")]
    public static partial int Wait(int epoll, byte* events, int count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "write")]
    public static partial nint Write(int descriptor, void* buffer, nint length);

    private static int Control(int epoll, int operation, int descriptor, uint events, long data)
    {
        byte* change = stackalloc byte[16];
        *(uint*)change = events;
        *(long*)(change + EventData) = data;
        return epoll_ctl(epoll, operation, descriptor, change);
    }

    private static void SetIfGiven(int socket, int option, int? value)
    {
        if (value is { } number)
        {
            SetOption(socket, IpProtoTcp, option, number);
        }
    }

    private static void SetOption(int socket, int level, int option, int value) => _ = setsockopt(socket, level, option, &value, sizeof(int));

    [LibraryImport("libc")]
    private static partial int epoll_create1(int flags);

    [LibraryImport("libc")]
    private static partial int eventfd(uint value, int flags);

    [LibraryImport("libc")]
    private static partial int epoll_ctl(int epoll, int operation, int descriptor, byte* change);

    [LibraryImport("libc")]
    private static partial int socket(int family, int type, int protocol);

    [LibraryImport("libc")]
    private static partial int bind(int socket, byte* address, int length);

    [LibraryImport("libc")]
    private static partial int accept4(int socket, byte* address, int* length, int flags);

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, nint socket, byte* buffer, nint length, nint flags, nint address, nint addressLength);

    [LibraryImport("libc")]
    private static partial nint recv(int socket, byte* buffer, nint length, int flags);

    [LibraryImport("libc")]
    private static partial nint send(int socket, byte* buffer, nint length, int flags);

    [LibraryImport("libc")]
    private static partial nint sendmsg(int socket, MessageHeader* message, int flags);

    [LibraryImport("libc")]
    private static partial nint splice(int from, long* fromOffset, int to, long* toOffset, nint length, int flags);

    [LibraryImport("libc")]
    private static partial int pipe2(int* ends, int flags);

    [LibraryImport("libc")]
    private static partial int getsockopt(int socket, int level, int option, void* value, int* length);

    [LibraryImport("libc")]
    private static partial int setsockopt(int socket, int level, int option, void* value, int length);

    /// <summary>struct iovec.</summary>
    public struct IoVector
    {
        public byte* Start;
        public nint Length;
    }

    /// <summary>struct msghdr; the fields that stay zero are there for their place.</summary>
    private struct MessageHeader
    {
        public nint Name;
        public nint NameLength;
        public IoVector* Vectors;
        public nint VectorCount;
        public nint Control;
        public nint ControlLength;
        public nint Flags;
    }
}
