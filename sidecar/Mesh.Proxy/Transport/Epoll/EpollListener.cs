using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>Listeners on event loops, behind Kestrel's abstraction. Thread-safe.</summary>
internal sealed class EpollListenerFactory(EventLoopGroup loops) : IConnectionListenerFactory
{
    private const int Backlog = 1024;

    /// <summary>Binds an IP address.</summary>
    /// <exception cref="AddressInUseException">Somebody listens there.</exception>
    /// <exception cref="SocketException">The address cannot be bound for another reason.</exception>
    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        Socket socket = new(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
        try
        {
            if (endpoint is IPEndPoint { Address: { } ip } && ip.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            TransparentEndPoint.Prepare(socket, endpoint);
            socket.Bind(endpoint);
            socket.Listen(Backlog);
        }
        catch (SocketException failure)
        {
            socket.Dispose();
            throw failure.SocketErrorCode == SocketError.AddressAlreadyInUse ? new AddressInUseException(failure.Message, failure) : failure;
        }

        EpollListener listener = new(loops, socket);
        await listener.StartAsync();
        await Task.Yield(); // the caller's code has no place on a loop
        return listener;
    }
}

/// <summary>
/// One listening socket, watched by one loop; each connection is given to the loop that has the fewest. The accepted connection's code must first go to its loop.
/// One accept at a time; it may come from any thread and ends on the listener's loop.
/// </summary>
[SuppressMessage("Usage", "CA2213", Justification = "The loop is the group's.")]
internal sealed class EpollListener(EventLoopGroup loops, Socket socket) : LoopHandle, IConnectionListener, IValueTaskSource<bool>
{
    private readonly EventLoop _loop = loops.Next();
    private readonly int _descriptor = (int)socket.Handle;
    private ManualResetValueTaskSourceCore<bool> _ready;
    private bool _isWaiting;
    private bool _isReadable;
    private bool _isUnbound;

    public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

    /// <summary>Begins to watch the socket.</summary>
    public async ValueTask StartAsync()
    {
        await _loop.SwitchTo();
        if (!_loop.TryWatch(this, _descriptor, LibC.EpollIn))
        {
            throw new SocketException(LibC.Error);
        }
    }

    /// <summary>The next connection; null after unbinding.</summary>
    /// <exception cref="SocketException">No descriptor is left: the caller waits and tries again, the connection stays in the kernel's queue.</exception>
    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        await _loop.SwitchTo();
        while (!_isUnbound)
        {
            if (!_isReadable)
            {
                _ready.Reset();
                _isWaiting = true;
                await new ValueTask<bool>(this, _ready.Version);
                continue;
            }

            if (AcceptOne() is { } connection)
            {
                return connection;
            }
        }

        return null;
    }

    /// <summary>Stops listening; what the kernel has accepted but nobody took is reset.</summary>
    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        await _loop.SwitchTo();
        if (!_isUnbound)
        {
            _isUnbound = true;
            _loop.Forget(this);
            socket.Dispose();
            WakeUp();
        }

        await Task.Yield(); // the caller's code has no place on a loop
    }

    public ValueTask DisposeAsync() => UnbindAsync();

    bool IValueTaskSource<bool>.GetResult(short token) => _ready.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _ready.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _ready.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);

    internal override void OnReady(uint events)
    {
        _isReadable = true;
        WakeUp();
    }

    private void WakeUp()
    {
        if (_isWaiting)
        {
            _isWaiting = false;
            _ready.SetResult(true);
        }
    }

    private unsafe EpollConnection? AcceptOne()
    {
        byte* address = stackalloc byte[SocketAddresses.MaxBytes];
        int length = SocketAddresses.MaxBytes;
        int descriptor = LibC.Accept(_descriptor, address, &length);
        if (descriptor >= 0)
        {
            LibC.SetNoDelay(descriptor);
            return new EpollConnection(loops.LeastLoaded(), descriptor, isAccepted: true, SocketAddresses.OfSocket(descriptor), SocketAddresses.Read(address, length));
        }

        switch (LibC.Error)
        {
            case LibC.WouldBlock:
                _isReadable = false;
                return null;
            case LibC.TooManyFiles or LibC.TooManyFilesInSystem:
                throw new SocketException((int)SocketError.TooManyOpenSockets);
            default:
                return null; // this one broke before it was taken (accept(2)): on to the next
        }
    }
}
