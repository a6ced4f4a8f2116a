using System.Runtime.InteropServices;

namespace Mesh.Peers.Backend;

/// <summary>The few calls of libc that the backend makes itself. Linux only.</summary>
internal static class EpollCalls
{
    /// <summary>EPOLLIN.</summary>
    public const int Readable = 1;

    /// <summary>EPOLL_CTL_ADD.</summary>
    public const int Add = 1;

    /// <summary>MSG_NOSIGNAL.</summary>
    public const int NoSignal = 0x4000;

    /// <summary>Ints of one <c>epoll_event</c>: packed on x64, aligned elsewhere.</summary>
    public static readonly int EventInts = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 3 : 4;

    /// <summary>Where its data begins.</summary>
    public static readonly int DataAt = EventInts - 2;

    [DllImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    public static extern int Create(int flags);

    [DllImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    public static extern int Control(int epoll, int operation, int descriptor, ref int firstEvent);

    [DllImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    public static extern int Wait(int epoll, ref int firstEvent, int count, int milliseconds);

    [DllImport("libc", EntryPoint = "recv", SetLastError = true)]
    public static extern nint Receive(int descriptor, ref byte first, nint count, int flags);

    [DllImport("libc", EntryPoint = "send", SetLastError = true)]
    public static extern nint Send(int descriptor, ref byte first, nint count, int flags);
}
