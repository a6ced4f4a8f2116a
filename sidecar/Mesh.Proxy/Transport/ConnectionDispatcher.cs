using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Tcp;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Transport;

/// <summary>Runs one accepted connection from its first byte to its disposal: registers it, chooses the protocol, and has the one catch of the data path. Thread-safe.</summary>
internal sealed partial class ConnectionDispatcher(ProxyContext context, ConnectionRegistry registry)
{
    private readonly ILogger _logger = context.Runtime.Loggers.CreateLogger<ConnectionDispatcher>();

    private static ReadOnlySpan<byte> Http2Preface => "PRI * HTTP/2"u8;

    /// <summary>Serves <paramref name="connection"/> and disposes it. Never throws.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The last resort of a connection: what escapes is a bug, counted and logged, and ends this connection only.")]
    public async Task RunAsync(ConnectionContext connection, ListenerSide side)
    {
        side.Stats.CxTotal.Add();
        side.Stats.CxActive.Add();
        try
        {
            if (!side.IsInbound && connection.RemoteEndPoint is IPEndPoint remote && !IPAddress.IsLoopback(remote.Address))
            {
                side.Stats.CxNotRedirected.Add(); // an open proxy for the whole network is nobody's wish
                connection.Abort();
                return;
            }

            await ServeAsync(connection, side);
        }
        catch (Exception bug)
        {
            context.Stats.UnexpectedExceptions.Add();
            LogBug(bug);
            connection.Abort();
        }
        finally
        {
            registry.Remove(connection);
            await connection.DisposeAsync();
            side.Stats.CxActive.Add(-1);
        }
    }

    private async Task ServeAsync(ConnectionContext connection, ListenerSide side)
    {
        bool isTcp = side.Cluster is { } name && !(side.IsInbound && context.Clusters.Find(name)?.Config.Protocol != ClusterProtocol.Tcp);
        registry.Add(connection, connection.Transport.Input.CancelPendingRead); // a relay does not mind, one that waits for its first byte ends
        if (isTcp || (side.IsInbound && await LooksOpaqueAsync(connection.Transport.Input)))
        {
            await new TcpProxy(connection, side, context).RunAsync();
            return;
        }

        Http1ServerConnection http = new(connection, side, context);
        registry.Add(connection, http.Stop);
        if (context.IsDraining)
        {
            http.Stop(); // accepted in the moment in which the drain began
        }

        await http.ProcessAsync();
    }

    // In front of an application whose protocol nobody declared: what does not begin like a request line is passed through as bytes.
    private static async ValueTask<bool> LooksOpaqueAsync(PipeReader input)
    {
        while (true)
        {
            ReadResult read = await SafePipe.ReadAsync(input);
            if (read.Buffer.IsEmpty)
            {
                SafePipe.Advance(input, read, read.Buffer.Start, read.Buffer.End);
                if (read.IsCompleted || read.IsCanceled)
                {
                    return false;
                }

                continue;
            }

            byte first = read.Buffer.FirstSpan[0];
            if (read.Buffer.Length < Http2Preface.Length && Http2Preface.StartsWith(read.Buffer.FirstSpan) && !read.IsCompleted && !read.IsCanceled)
            {
                input.AdvanceTo(read.Buffer.Start, read.Buffer.End); // P of PRI or of POST?
                continue;
            }

            bool isHttp2 = read.Buffer.FirstSpan.StartsWith(Http2Preface);
            input.AdvanceTo(read.Buffer.Start);
            return isHttp2 || (!char.IsAsciiLetter((char)first) && first is not ((byte)'\r' or (byte)'\n'));
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A connection ended with an unexpected exception; please report this")]
    private partial void LogBug(Exception bug);
}
