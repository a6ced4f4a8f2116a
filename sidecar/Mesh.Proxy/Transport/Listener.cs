using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Transport;

/// <summary>One bound address and its accept loop. Unbinding stops accepting; connections that were accepted go on.</summary>
internal sealed class Listener : IAsyncDisposable
{
    private readonly IConnectionListener _listener;
    private readonly Task _accepting;

    private Listener(IConnectionListener listener, ListenerSide side, ConnectionDispatcher dispatcher, BackgroundWork background)
    {
        _listener = listener;
        _accepting = AcceptAsync(side, dispatcher);
        background.Start("accept", static t => t, _accepting);
    }

    /// <summary>The address that is bound, with its real port.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_listener.EndPoint;

    /// <summary>Binds <paramref name="address"/>.</summary>
    /// <exception cref="IOException">The address cannot be bound.</exception>
    public static async Task<Listener> BindAsync(
        IConnectionListenerFactory transport, IPEndPoint address, ListenerSide side, ConnectionDispatcher dispatcher, BackgroundWork background)
    {
        try
        {
            return new Listener(await transport.BindAsync(address), side, dispatcher, background);
        }
        catch (Exception refusal) when (refusal is AddressInUseException or System.Net.Sockets.SocketException or IOException)
        {
            throw new IOException($"cannot listen on {address}: {refusal.InnerException?.Message ?? refusal.Message}", refusal);
        }
    }

    /// <summary>Stops accepting.</summary>
    public async ValueTask UnbindAsync()
    {
        await _listener.UnbindAsync();
        await _accepting;
        await Task.Yield(); // it may have ended on an event loop, which the caller must not hold up
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await UnbindAsync();
        await _listener.DisposeAsync();
    }

    private async Task AcceptAsync(ListenerSide side, ConnectionDispatcher dispatcher)
    {
        while (await _listener.AcceptAsync() is { } connection)
        {
            _ = dispatcher.RunAsync(connection, side); // never throws
        }
    }
}
