using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Transport;

/// <summary>One bound address and its accept loop. Unbinding stops accepting; connections that were accepted go on.</summary>
internal sealed partial class Listener : IAsyncDisposable
{
    /// <summary>First pause after a refusal of the system, doubled from one to the next: long enough to cost nothing, short enough to go unnoticed.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ListenerServices _services;
    private readonly CancellationTokenSource _unbound = new();
    private bool _isUnbound;
    private readonly IConnectionListener _listener;
    private readonly Task _accepting;

    private Listener(IConnectionListener listener, ListenerSide side, ListenerServices services)
    {
        _listener = listener;
        _services = services;
        _accepting = AcceptAsync(side);
        services.Background.Start("accept", static t => t, _accepting);
    }

    /// <summary>The address that is bound, with its real port.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_listener.EndPoint;

    /// <summary>Binds <paramref name="address"/>.</summary>
    /// <exception cref="IOException">The address cannot be bound.</exception>
    public static async Task<Listener> BindAsync(ListenerServices services, IPEndPoint address, ListenerSide side)
    {
        try
        {
            return new Listener(await services.Transport.BindAsync(side.IsTransparent ? new TransparentEndPoint(address) : address), side, services);
        }
        catch (Exception refusal) when (refusal is AddressInUseException or SocketException or IOException)
        {
            throw new IOException($"cannot listen on {address}: {refusal.InnerException?.Message ?? refusal.Message}", refusal);
        }
    }

    /// <summary>Stops accepting.</summary>
    public async ValueTask UnbindAsync()
    {
        if (!Interlocked.Exchange(ref _isUnbound, true))
        {
            await _unbound.CancelAsync();
            await _listener.UnbindAsync();
        }

        await _accepting;
        await Task.Yield(); // it may have ended on an event loop, which the caller must not hold up
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await UnbindAsync();
        await _listener.DisposeAsync();
        _unbound.Dispose();
    }

    private async Task AcceptAsync(ListenerSide side)
    {
        TimeSpan pause = FirstPause;
        while (!_unbound.IsCancellationRequested)
        {
            try
            {
                if (await _listener.AcceptAsync() is not { } connection)
                {
                    return;
                }

                pause = FirstPause;
                _ = _services.Dispatcher.RunAsync(connection, side); // never throws
            }
            catch (SocketException refusal)
            {
                // No descriptor or no memory left: those who wait in the kernel's queue get their turn when connections have ended.
                _services.Stats.AcceptErrors.Add();
                if (pause == FirstPause)
                {
                    LogRefused(_services.Logger, _listener.EndPoint, refusal.Message);
                }

                await Task.Delay(pause, _services.Time, _unbound.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot accept connections on {Address} for now: {Reason}")]
    private static partial void LogRefused(ILogger logger, EndPoint address, string reason);
}

/// <summary>What every listener needs. Thread-safe.</summary>
/// <param name="Transport">Binds.</param>
/// <param name="Dispatcher">Serves what is accepted.</param>
/// <param name="Background">Watches the accept loops.</param>
/// <param name="Stats">Process counters.</param>
/// <param name="Time">Clock.</param>
/// <param name="Logger">Log.</param>
internal sealed record ListenerServices(
    IConnectionListenerFactory Transport, ConnectionDispatcher Dispatcher, BackgroundWork Background, ProxyStats Stats, TimeProvider Time, ILogger Logger)
{
    /// <summary>The kernel redirects the calls of the application, so that the addresses of service entries need no listeners of their own.</summary>
    public bool IsRedirected { get; init; }
}
