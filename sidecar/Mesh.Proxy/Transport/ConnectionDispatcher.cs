using System.Diagnostics.CodeAnalysis;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Middleware;
using Mesh.Proxy.Tcp;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Transport;

/// <summary>Runs one accepted connection from its first byte to its disposal: registers it, chooses the protocol, and has the one catch of the data path. Thread-safe.</summary>
internal sealed partial class ConnectionDispatcher
{
    private readonly ProxyContext _context;
    private readonly ConnectionRegistry _registry;
    private readonly ILogger _logger;

    /// <param name="context">What all connections share.</param>
    /// <param name="registry">All client connections that live.</param>
    public ConnectionDispatcher(ProxyContext context, ConnectionRegistry registry)
    {
        (_context, _registry) = (context, registry);
        _logger = context.Runtime.Loggers.CreateLogger<ConnectionDispatcher>();
        Exchanges = new ExchangePool(context);
        Redirection = new Redirection(context);
        context.ServeOwn = ServeOwnAsync;
    }

    /// <summary>Exchanges that wait for a request.</summary>
    public ExchangePool Exchanges { get; }

    /// <summary>Tells where redirected connections go.</summary>
    public Redirection Redirection { get; }

    /// <summary>Serves <paramref name="connection"/> and disposes it. Never throws.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The last resort of a connection: what escapes is a bug, counted and logged, and ends this connection only.")]
    public async Task RunAsync(ConnectionContext connection, ListenerSide side)
    {
        side.Stats.CxTotal.Add();
        side.Stats.CxActive.Add();
        try
        {
            if (connection.Features.Get<ILoopFeature>() is { } loop)
            {
                await new LoopSwitch(loop.Loop, loop.IsOnLoop);
                loop.Begin();
            }

            if (Redirection.Place(connection, side) is not { } place)
            {
                return;
            }

            if (!_registry.TryAdd(connection, connection.Transport.Input.CancelPendingRead, _context.Limits.MaxConnections, side.IsInbound))
            {
                side.Stats.CxOverloadReject.Add(); // the newest goes, without a byte: an answer would cost what is lacking
                return;
            }

            await ServeAsync(connection, place);
        }
        catch (Exception bug)
        {
            _context.Stats.UnexpectedExceptions.Add();
            LogBug(bug);
            connection.Abort();
        }
        finally
        {
            _registry.Remove(connection);
            await connection.DisposeAsync();
            side.Stats.CxActive.Add(-1);
        }
    }

    /// <summary>Serves one request on a connection that an exchange made, and disposes it: a drain waits for it as for any other.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "As in RunAsync.")]
    private async Task ServeOwnAsync(CallConnection connection, ListenerSide side)
    {
        try
        {
            Http1ServerConnection http = new(connection, side, _context, Exchanges);
            _registry.AddOwn(connection, http.Stop);
            await http.ProcessAsync();
        }
        catch (Exception bug)
        {
            _context.Stats.UnexpectedExceptions.Add();
            LogBug(bug);
            connection.Abort();
        }
        finally
        {
            _registry.Remove(connection);
            await connection.DisposeAsync();
        }
    }

    private async Task ServeAsync(ConnectionContext connection, ListenerSide side)
    {
        WireProtocol protocol = IsTcp(side) ? WireProtocol.Opaque
            : side.IsInbound || side.Otherwise is not null ? await ProtocolSniffer.DetectAsync(connection.Transport.Input) : WireProtocol.Http1;
        if (protocol == WireProtocol.Opaque)
        {
            await ServeTcpAsync(connection, IsTcp(side) ? side : side.Otherwise ?? side);
        }
        else if (protocol == WireProtocol.Http1)
        {
            Http1ServerConnection http = new(connection, side, _context, Exchanges);
            _registry.Change(connection, http.Stop); // one that comes during a drain is not stopped: its first request gets its answer, and a close
            await http.ProcessAsync();
        }
    }

    private async Task ServeTcpAsync(ConnectionContext connection, ListenerSide side)
    {
        ClientHello? hello = default(ClientHello);
        if (side.Target is { IsTls: true })
        {
            hello = await TlsInspector.ReadAsync(connection.Transport.Input, _context.Runtime.Time);
        }

        if (hello is { } told)
        {
            TcpProxy tcp = new(connection, side, told.ServerName, _context);
            _registry.Change(connection, tcp.OnStopping);
            await tcp.RunAsync();
        }
    }

    // A listener with a cluster of its own is a TCP listener; the inbound one is only when its application declares TCP.
    private bool IsTcp(ListenerSide side) =>
        side.Cluster is { } name && (!side.IsInbound || _context.Clusters.Find(name)?.Config.Protocol == ClusterProtocol.Tcp);

    [LoggerMessage(Level = LogLevel.Error, Message = "A connection ended with an unexpected exception; please report this")]
    private partial void LogBug(Exception bug);
}
