using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>A socket on its way to being connected. Used once, on its loop.</summary>
internal sealed class Connecting(EventLoop loop) : LoopHandle
{
    /// <summary>Result of a connect that was given up.</summary>
    private const int Cancelled = -1;

    private readonly TaskCompletionSource<int> _done = new(); // completed on the loop, so inline is what we want

    /// <summary>The socket; after a success it belongs to the caller.</summary>
    public int Descriptor { get; private set; } = -1;

    /// <summary>Connects: 0, the system's error, or negative when cancelled. On failure the socket is closed.</summary>
    public async ValueTask<int> RunAsync(IPEndPoint endPoint, TcpKeepaliveConfig? keepalive, CancellationToken cancellationToken)
    {
        int error = Begin(endPoint, keepalive);
        if (error == LibC.InProgress)
        {
            using CancellationTokenRegistration giveUp = cancellationToken.UnsafeRegister(
                static c => ((Connecting)c!).GiveUp(), this);
            error = await _done.Task;
        }

        loop.Forget(this, Descriptor);
        if (error != 0 && Descriptor >= 0)
        {
            _ = LibC.Close(Descriptor);
        }

        return error;
    }

    internal override void OnReady(uint events) => _done.TrySetResult(LibC.PendingError(Descriptor));

    private int Begin(IPEndPoint endPoint, TcpKeepaliveConfig? keepalive)
    {
        if (endPoint is not BorrowedEndPoint borrowed)
        {
            return Begin(endPoint, (endPoint as SourcedEndPoint)?.Source is { } source ? new IPEndPoint(source, 0) : null, isBorrowed: false, keepalive, out _);
        }

        int error = LibC.AddressInUse;
        bool isPortTaken = true;
        for (int left = BorrowedEndPoint.PortTries; isPortTaken && left > 0; left--)
        {
            if (Descriptor >= 0)
            {
                _ = LibC.Close(Descriptor); // a socket that is bound stays so
            }

            error = Begin(endPoint, borrowed.NextSource(), isBorrowed: true, keepalive, out isPortTaken);
        }

        return error;
    }

    private unsafe int Begin(IPEndPoint endPoint, IPEndPoint? source, bool isBorrowed, TcpKeepaliveConfig? keepalive, out bool isPortTaken)
    {
        isPortTaken = false;
        Descriptor = LibC.NewSocket(SocketAddresses.Family(endPoint));
        if (Descriptor < 0)
        {
            return LibC.Error;
        }

        LibC.SetNoDelay(Descriptor);
        if (keepalive is not null)
        {
            LibC.SetKeepalive(Descriptor, keepalive.TimeSeconds, keepalive.IntervalSeconds, keepalive.Probes);
        }

        if (isBorrowed)
        {
            LibC.SetBorrowing(Descriptor, endPoint.AddressFamily == AddressFamily.InterNetworkV6);
        }

        byte* address = stackalloc byte[SocketAddresses.MaxBytes];
        if (source is not null && !LibC.TryBindSource(Descriptor, address, SocketAddresses.Write(source, address)) && isBorrowed)
        {
            int refusal = LibC.Error; // from any other address the kernel's rules would bring the connection back to us
            isPortTaken = refusal == LibC.AddressInUse;
            return refusal;
        }

        int length = SocketAddresses.Write(endPoint, address); // an address that this machine lacks is no borrowed one: then from any
        if (LibC.Connect(Descriptor, address, length) == 0)
        {
            return 0;
        }

        int error = LibC.Error;
        isPortTaken = isBorrowed && error == LibC.AddressNotAvailable; // the same two ends have a connection, or had one a moment ago
        return error == LibC.InProgress && !loop.TryWatch(this, Descriptor, LibC.EpollOut) ? LibC.Error : error;
    }

    private void GiveUp() => loop.Schedule(static c => ((Connecting)c!)._done.TrySetResult(Cancelled), this);
}
