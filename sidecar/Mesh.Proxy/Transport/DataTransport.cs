using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Transport.Epoll;
using Mesh.Proxy.Upstream;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Transport;

/// <summary>Which transport carries the connections.</summary>
public enum TransportKind
{
    /// <summary>Event loops where the system has epoll, else Kestrel's sockets.</summary>
    Auto,

    /// <summary>Event loops of our own (sidecar/adr/0012).</summary>
    Epoll,

    /// <summary>Kestrel's socket transport: every platform, and the second opinion in tests.</summary>
    Sockets,
}

/// <summary>The two ends of a transport: listening and connecting. Dispose it after the last connection has ended.</summary>
internal sealed class DataTransport : IDisposable
{
    private readonly List<IDisposable> _parts = [];

    private DataTransport(IConnectionListenerFactory listeners, IUpstreamConnector connector, params IDisposable[] parts)
    {
        Listeners = listeners;
        Connector = connector;
        _parts.AddRange(parts);
    }

    /// <summary>Binds.</summary>
    public IConnectionListenerFactory Listeners { get; }

    /// <summary>Connects.</summary>
    public IUpstreamConnector Connector { get; }

    /// <summary>Starts a transport.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="concurrency">Event loops; 0 is one for each processor of the quota.</param>
    /// <param name="loggers">Where Kestrel's logs.</param>
    /// <param name="background">Counts what escapes on a loop.</param>
    /// <exception cref="IOException">The system refuses an event loop.</exception>
    public static DataTransport Start(TransportKind kind, int concurrency, ILoggerFactory loggers, BackgroundWork background)
    {
        if (kind == TransportKind.Epoll || (kind == TransportKind.Auto && EventLoopGroup.IsSupported))
        {
            EventLoopGroup loops = new(concurrency > 0 ? concurrency : Environment.ProcessorCount, bug => background.Report("event loop", bug));
            return new DataTransport(new EpollListenerFactory(loops), new EpollConnector(loops), loops);
        }

        // Inline: what reads from a connection goes on where its bytes arrived. A write buffer of one byte: a finished flush has left for the kernel.
        SocketConnectionFactoryOptions options = new() { IOQueueCount = 0, UnsafePreferInlineScheduling = true, MaxWriteBufferSize = 1 };
        SocketListenerFactory listeners = new(options, loggers);
        SocketUpstreamConnector connector = new(loggers);
        return new DataTransport(listeners, connector, connector, listeners);
    }

    /// <inheritdoc/>
    public void Dispose() => _parts.ForEach(static p => p.Dispose());
}
