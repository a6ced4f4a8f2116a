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

    private unsafe int Begin(IPEndPoint endPoint, TcpKeepaliveConfig? keepalive)
    {
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

        byte* address = stackalloc byte[SocketAddresses.MaxBytes];
        int length;
        if (endPoint is BorrowedEndPoint borrowed)
        {
            if (!TryBind(borrowed, address))
            {
                return LibC.Error; // from any other address the kernel's rules would bring the connection back to us
            }
        }
        else if (endPoint is SourcedEndPoint { Source: { } source })
        {
            length = SocketAddresses.Write(new IPEndPoint(source, 0), address);
            _ = LibC.TryBindSource(Descriptor, address, length); // an address that this machine lacks: then from any
        }

        length = SocketAddresses.Write(endPoint, address);
        if (LibC.Connect(Descriptor, address, length) == 0)
        {
            return 0;
        }

        int error = LibC.Error;
        return error == LibC.InProgress && !loop.TryWatch(this, Descriptor, LibC.EpollOut) ? LibC.Error : error;
    }

    private unsafe bool TryBind(BorrowedEndPoint borrowed, byte* address)
    {
        LibC.SetBorrowing(Descriptor, borrowed.AddressFamily == AddressFamily.InterNetworkV6);
        for (int left = BorrowedEndPoint.PortTries; left > 0; left--)
        {
            int length = SocketAddresses.Write(borrowed.NextSource(), address);
            if (LibC.TryBindSource(Descriptor, address, length))
            {
                return true;
            }
        }

        return false;
    }

    private void GiveUp() => loop.Schedule(static c => ((Connecting)c!)._done.TrySetResult(Cancelled), this);
}
