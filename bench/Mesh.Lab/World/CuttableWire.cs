using System.Net;
using System.Net.Sockets;

namespace Mesh.Lab.World;

/// <summary>
/// A wire to somebody that can be cut. While it is cut nothing arrives and nothing is refused, as where a network drops packets: who waits for an answer waits. When it is mended, what
/// was under way arrives, late.
/// </summary>
internal sealed class CuttableWire : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly IPEndPoint _target;
    private readonly Task _accepting;
    private volatile TaskCompletionSource _whole = NotYet();

    /// <summary>Listens from now on. It is whole.</summary>
    /// <param name="target">Its far end; nobody need listen there yet.</param>
    public CuttableWire(IPEndPoint target)
    {
        _target = target;
        _whole.SetResult();
        _listener.Start(512);
        _accepting = AcceptAsync();
    }

    /// <summary>Its near end.</summary>
    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>Cuts it.</summary>
    public void Cut() => _whole = NotYet();

    /// <summary>Mends it.</summary>
    public void Mend() => _whole.TrySetResult();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private static TaskCompletionSource NotYet() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task AcceptAsync()
    {
        List<Task> carried = [];
        try
        {
            while (true)
            {
                carried.Add(CarryAsync(await _listener.AcceptSocketAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            await Task.WhenAll(carried);
        }
    }

    private async Task CarryAsync(Socket accepted)
    {
        using Socket near = accepted;
        using Socket far = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.NoDelay = true;
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        try
        {
            await _whole.Task.WaitAsync(end.Token);
            await far.ConnectAsync(_target, end.Token);
            Task[] both = [CopyAsync(near, far, end.Token), CopyAsync(far, near, end.Token)];
            await Task.WhenAny(both);
            await end.CancelAsync(); // HTTP closes both directions at once
            await Task.WhenAll(both);
        }
        catch (Exception e) when (IsEnd(e))
        {
            // One of the ends is gone, or this wire.
        }
    }

    private async Task CopyAsync(Socket from, Socket to, CancellationToken end)
    {
        byte[] buffer = new byte[16 * 1024];
        try
        {
            int read;
            while ((read = await from.ReceiveAsync(buffer, end)) > 0)
            {
                await _whole.Task.WaitAsync(end);
                for (int sent = 0; sent < read;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), end);
                }
            }

            await _whole.Task.WaitAsync(end); // a goodbye does not arrive either
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The same.
        }
    }

    private static bool IsEnd(Exception e) => e is OperationCanceledException or SocketException or ObjectDisposedException;
}
