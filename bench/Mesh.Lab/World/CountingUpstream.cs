using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh.Lab.World;

/// <summary>A request as the upstream saw it begin.</summary>
/// <param name="At">Timestamp.</param>
/// <param name="Class">Value of its header field <c>x-class</c>, or empty.</param>
internal readonly record struct Arrival(long At, string Class);

/// <summary>
/// A partner within the lab's own process that takes any number of connections and counts for itself how many there are at once: the judge of every limit. Speaks just enough HTTP/1.1:
/// requests without a body, each answered after a fixed time.
/// </summary>
internal sealed class CountingUpstream : IAsyncDisposable
{
    private static readonly byte[] Answer = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly TimeSpan _answerTime;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<Socket> _open = [];
    private readonly ConcurrentQueue<Arrival> _arrivals = new();
    private readonly Task _accepting;
    private int _active;
    private int _mostOpen;
    private int _mostActive;

    /// <summary>Listens from now on.</summary>
    /// <param name="time">Clock.</param>
    /// <param name="answerTime">How long each request takes.</param>
    public CountingUpstream(TimeProvider time, TimeSpan answerTime)
    {
        (_time, _answerTime) = (time, answerTime);
        _listener.Start(512);
        _accepting = AcceptAsync();
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>Requests so far, in order.</summary>
    public Arrival[] Arrivals => [.. _arrivals];

    /// <summary>Most connections and most requests at once since the last call.</summary>
    public (int Connections, int Requests) TakeMost()
    {
        lock (_gate)
        {
            (int, int) most = (_mostOpen, _mostActive);
            (_mostOpen, _mostActive) = (_open.Count, _active);
            return most;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        lock (_gate)
        {
            foreach (Socket socket in _open)
            {
                socket.Dispose();
            }
        }

        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token);
                socket.NoDelay = true;
                lock (_gate)
                {
                    _open.RemoveWhere(HasEnded); // its end was sent before this one's beginning, only nobody has read it yet
                    _open.Add(socket);
                    _mostOpen = Math.Max(_mostOpen, _open.Count);
                }

                _ = ServeAsync(socket);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The end.
        }
    }

    private static bool HasEnded(Socket socket)
    {
        try
        {
            return socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return true;
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        byte[] buffer = new byte[8192];
        int length = 0;
        try
        {
            int read;
            while ((read = await socket.ReceiveAsync(buffer.AsMemory(length), _stop.Token)) > 0)
            {
                length += read;
                if (buffer.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
                {
                    await AnswerAsync(socket, Encoding.ASCII.GetString(buffer, 0, length));
                    length = 0;
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The other end is gone, or this one.
        }

        lock (_gate)
        {
            _open.Remove(socket);
        }

        socket.Dispose();
    }

    private async Task AnswerAsync(Socket socket, string head)
    {
        _arrivals.Enqueue(new Arrival(_time.GetTimestamp(), ClassOf(head)));
        lock (_gate)
        {
            _mostActive = Math.Max(_mostActive, ++_active);
        }

        try
        {
            await Task.Delay(_answerTime, _time, _stop.Token);
        }
        finally
        {
            lock (_gate)
            {
                _active--; // before the answer: who has it may send the next request at once
            }
        }

        await socket.SendAsync(Answer, _stop.Token);
    }

    private static string ClassOf(string head)
    {
        const string Name = "\r\nx-class: ";
        int at = head.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
        return at < 0 ? "" : head[(at + Name.Length)..head.IndexOf('\r', at + Name.Length)];
    }
}
