using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Transport;

/// <summary>
/// Listens with sockets and hands what it accepts to Kestrel's socket transport. Kestrel's own listener tries again at once, for ever, when the process has no
/// descriptor left; this one lets its caller know. Thread-safe; dispose it after the last connection has ended.
/// </summary>
internal sealed class SocketListenerFactory(SocketConnectionFactoryOptions options, ILoggerFactory loggers) : IConnectionListenerFactory, IDisposable
{
    private const int Backlog = 512;
    private readonly SocketConnectionContextFactory _contexts = new(options, loggers.CreateLogger<SocketListenerFactory>());

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        Socket socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        try
        {
            TransparentEndPoint.Prepare(socket, endpoint); // in time: what counts is that it is set when connections come
            socket.Listen(Backlog);
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }

        return new(new SocketListener(socket, _contexts));
    }

    /// <summary>Releases the transport's memory.</summary>
    public void Dispose() => _contexts.Dispose();

    private sealed class SocketListener(Socket socket, SocketConnectionContextFactory contexts) : IConnectionListener
    {
        public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

        /// <summary>The next connection; null after <see cref="UnbindAsync"/>.</summary>
        /// <exception cref="SocketException">The system refuses, for want of descriptors for example; asking again later may help.</exception>
        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                try
                {
                    Socket accepted = await socket.AcceptAsync(cancellationToken);
                    accepted.NoDelay = true;
                    return contexts.Create(accepted);
                }
                catch (ObjectDisposedException)
                {
                    return null;
                }
                catch (SocketException closed) when (closed.SocketErrorCode == SocketError.OperationAborted)
                {
                    return null;
                }
                catch (SocketException gone) when (gone.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.InvalidArgument)
                {
                    // The client left while it waited, or before its options could be set: the next one, please.
                }
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            socket.Dispose();
            return default;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}
