using System.IO.Pipelines;
using System.Net;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Upstream;

/// <summary>Makes connections to endpoints: the seam below the pools. Implementations are thread-safe.</summary>
public interface IUpstreamConnector
{
    /// <summary>Connects. Failure and cancellation are values; an exception is a bug.</summary>
    /// <param name="endPoint">Where to.</param>
    /// <param name="keepalive">Keepalive probes; null leaves them off.</param>
    /// <param name="loop">Event loop whose code will use the connection; null leaves the choice to the transport.</param>
    /// <param name="cancellationToken">Gives up: the connect timeout passed or nobody wants the connection any more.</param>
    ValueTask<ConnectResult> ConnectAsync(EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken);
}

/// <summary>A connection, or why there is none.</summary>
/// <param name="Connection">The connection; the receiver disposes it. Null on failure.</param>
/// <param name="FailureText">The system's words (<c>Connection refused</c>); null on success.</param>
public readonly record struct ConnectResult(ConnectionContext? Connection, string? FailureText);
