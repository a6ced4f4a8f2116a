using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Mesh.Proxy.Infrastructure;

/// <summary>A connection that lives on an event loop; a feature of such connections only. Its pipes may be used on that loop's thread alone.</summary>
internal interface ILoopFeature
{
    /// <summary>Runs work on the loop's thread.</summary>
    PipeScheduler Loop { get; }

    /// <summary>Whether this is the loop's thread.</summary>
    bool IsOnLoop { get; }

    /// <summary>Begins to listen for the peer: first of all, once, on the loop.</summary>
    void Begin();

    /// <summary>
    /// Gives the connection to another loop. Only while nobody reads, writes or holds bytes of it. Any thread; whoever awaits it elsewhere than on
    /// <paramref name="loop"/> is not brought there.
    /// </summary>
    ValueTask MoveToAsync(PipeScheduler loop);
}

/// <summary>A connection whose sending side can end by itself.</summary>
internal interface IHalfCloseFeature
{
    /// <summary>Sends the end; what was flushed goes out before it. Does nothing on a dead connection.</summary>
    void EndSending();
}

/// <summary>Bytes of a relay without a way through our memory; a feature of connections whose platform can do that.</summary>
internal interface ITunnelFeature
{
    /// <summary>
    /// Moves bytes to <paramref name="to"/> until this side ends or either breaks. Null when the two cannot be joined; nothing has
    /// happened then. Bytes already read are sent first. <paramref name="onMoved"/> is told of every piece, <paramref name="watch"/> of the times in which
    /// <paramref name="to"/> takes nothing; null when nobody wants to know.
    /// </summary>
    /// <returns>True when this side ended in order and everything was passed on.</returns>
    Task<bool>? TryPump(ConnectionContext to, Action<long> onMoved, WriteWatch? watch);
}

/// <summary>A connection that knows where its peer was going before the kernel's NAT sent it here.</summary>
internal interface IOriginalDestinationFeature
{
    /// <summary>Address and port that the peer dialled; null when the kernel has changed nothing.</summary>
    IPEndPoint? OriginalDestination { get; }
}

/// <summary>A connection that can say why it broke, in words that a user can act on.</summary>
internal interface IConnectionFailureFeature
{
    /// <summary>Why; null while it is whole, or when there are no words for it.</summary>
    string? Failure { get; }
}

/// <summary>What the code above asks of a connection, whatever transport it came from.</summary>
internal static class ConnectionFeatures
{
    /// <summary>Whether <see cref="EndSending"/> can do something.</summary>
    public static bool CanEndSending(ConnectionContext connection) =>
        connection.Features.Get<IHalfCloseFeature>() is not null || connection.Features.Get<IConnectionSocketFeature>() is not null;

    /// <summary>Ends the sending side; the other goes on.</summary>
    public static void EndSending(ConnectionContext connection)
    {
        if (connection.Features.Get<IHalfCloseFeature>() is { } half)
        {
            half.EndSending();
            return;
        }

        try
        {
            connection.Features.Get<IConnectionSocketFeature>()?.Socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // The peer has closed already.
        }
    }
}
