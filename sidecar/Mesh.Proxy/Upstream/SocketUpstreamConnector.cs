using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Upstream;

/// <summary>Connects with sockets and hands them to Kestrel's socket transport. Thread-safe; dispose it after the last connection has ended.</summary>
public sealed class SocketUpstreamConnector : IUpstreamConnector, IDisposable
{
    private readonly SocketConnectionContextFactory _contexts;

    /// <summary>Creates it.</summary>
    /// <param name="loggers">Where the transport logs.</param>
    public SocketUpstreamConnector(ILoggerFactory loggers) =>
        _contexts = new SocketConnectionContextFactory(
            // Inline: what reads from a connection goes on where its bytes arrived, without a hop over the thread pool.
            new SocketConnectionFactoryOptions { IOQueueCount = 0, UnsafePreferInlineScheduling = true, WaitForDataBeforeAllocatingBuffer = true, MaxWriteBufferSize = 1 },
            loggers.CreateLogger<SocketUpstreamConnector>());

    /// <inheritdoc/>
    public async ValueTask<ConnectResult> ConnectAsync(
        EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }; // may lack descriptors
            SetKeepalive(socket, keepalive);
            BindSource(socket, endPoint);
            await socket.ConnectAsync(endPoint, cancellationToken);
            return new ConnectResult(_contexts.Create(socket), null);
        }
        catch (SocketException failure)
        {
            socket?.Dispose();
            return new ConnectResult(null, failure.Message);
        }
        catch (OperationCanceledException)
        {
            socket?.Dispose();
            return new ConnectResult(null, "connect cancelled");
        }
    }

    /// <summary>Releases the transport's memory.</summary>
    public void Dispose() => _contexts.Dispose();

    private static void BindSource(Socket socket, EndPoint endPoint)
    {
        if (endPoint is BorrowedEndPoint borrowed)
        {
            BindBorrowed(socket, borrowed);
        }
        else if (endPoint is SourcedEndPoint { Source: { } source })
        {
            try
            {
                socket.Bind(new IPEndPoint(source, 0));
            }
            catch (SocketException)
            {
                // An address that this machine lacks: then from any.
            }
        }
    }

    // Or fails: from any other address the kernel's rules would bring the connection back to us.
    private static void BindBorrowed(Socket socket, BorrowedEndPoint borrowed)
    {
        BorrowedEndPoint.Allow(socket);
        for (int left = BorrowedEndPoint.PortTries; ; left--)
        {
            try
            {
                socket.Bind(borrowed.NextSource());
                return;
            }
            catch (SocketException inUse) when (left > 1 && inUse.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
            }
        }
    }

    private static void SetKeepalive(Socket socket, TcpKeepaliveConfig? keepalive)
    {
        if (keepalive is null)
        {
            return;
        }

        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        SetIfGiven(socket, SocketOptionName.TcpKeepAliveTime, keepalive.TimeSeconds);
        SetIfGiven(socket, SocketOptionName.TcpKeepAliveInterval, keepalive.IntervalSeconds);
        SetIfGiven(socket, SocketOptionName.TcpKeepAliveRetryCount, keepalive.Probes);
    }

    private static void SetIfGiven(Socket socket, SocketOptionName option, int? value)
    {
        if (value is { } number)
        {
            socket.SetSocketOption(SocketOptionLevel.Tcp, option, number);
        }
    }
}
