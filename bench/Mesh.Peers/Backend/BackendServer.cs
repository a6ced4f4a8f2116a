using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh.Peers.Backend;

/// <summary>
/// The upstream of every proxy: one thread, two calls to the kernel for a request, no parsing beyond the path's number. It answers
/// <c>GET /N</c> with N bytes, so that it is never what limits a run.
/// </summary>
internal sealed class BackendServer : IDisposable
{
    private const int EventsAtOnce = 256;
    private const int WaitMilliseconds = 200; // how often an idle loop looks whether it should end
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ConcurrentDictionary<int, Connection> _connections = new();
    private readonly Dictionary<int, byte[]> _answers = [];
    private readonly byte[] _input = new byte[16 * 1024];
    private readonly int _epoll = EpollCalls.Create(0);

    /// <summary>Listens on loopback.</summary>
    public BackendServer(int port)
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        _listener.Listen(4096);
    }

    /// <summary>Serves until <paramref name="stop"/>.</summary>
    public void Run(CancellationToken stop)
    {
        Thread accepting = new(Accept) { IsBackground = true };
        accepting.Start();
        int[] events = new int[EventsAtOnce * EpollCalls.EventInts];
        while (!stop.IsCancellationRequested)
        {
            int ready = EpollCalls.Wait(_epoll, ref events[0], EventsAtOnce, WaitMilliseconds);
            for (int i = 0; i < ready; i++)
            {
                OnReadable(events[(i * EpollCalls.EventInts) + EpollCalls.DataAt]);
            }
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        foreach (Connection connection in _connections.Values)
        {
            connection.Socket.Dispose();
        }
    }

    /// <summary>The number after <c>GET /</c>; 0 when there is none. Public for its test.</summary>
    public static int SizeOf(ReadOnlySpan<byte> request)
    {
        int size = 0;
        for (int i = "GET /".Length; i < request.Length && request[i] is >= (byte)'0' and <= (byte)'9' && size < 1 << 24; i++)
        {
            size = (size * 10) + (request[i] - '0');
        }

        return size;
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                Socket socket = _listener.Accept();
                socket.NoDelay = true;
                socket.Blocking = false;
                int descriptor = (int)socket.Handle;
                _connections[descriptor] = new Connection(socket);
                int[] interest = new int[EpollCalls.EventInts];
                interest[0] = EpollCalls.Readable;
                interest[EpollCalls.DataAt] = descriptor;
                _ = EpollCalls.Control(_epoll, EpollCalls.Add, descriptor, ref interest[0]);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener is closed: the end.
        }
    }

    private void OnReadable(int descriptor)
    {
        Connection connection = _connections[descriptor];
        int kept = connection.Take(_input);
        int count = (int)EpollCalls.Receive(descriptor, ref _input[kept], _input.Length - kept, 0);
        if (count <= 0)
        {
            _connections.TryRemove(descriptor, out _);
            connection.Socket.Dispose(); // and with it the epoll's interest
            return;
        }

        Span<byte> rest = _input.AsSpan(0, kept + count);
        for (int end = rest.IndexOf("\r\n\r\n"u8); end >= 0; end = rest.IndexOf("\r\n\r\n"u8))
        {
            Send(connection.Socket, descriptor, Answer(SizeOf(rest)));
            rest = rest[(end + 4)..];
        }

        connection.Keep(rest);
    }

    private static void Send(Socket socket, int descriptor, byte[] answer)
    {
        int sent = (int)EpollCalls.Send(descriptor, ref answer[0], answer.Length, EpollCalls.NoSignal);
        if (sent >= answer.Length)
        {
            return;
        }

        try
        {
            socket.Blocking = true; // the peer's window is full: rare, and nothing else is due on this connection
            socket.Send(answer.AsSpan(Math.Max(sent, 0)));
            socket.Blocking = false;
        }
        catch (SocketException)
        {
            // It has gone away; the next read says so.
        }
    }

    private byte[] Answer(int size)
    {
        if (!_answers.TryGetValue(size, out byte[]? answer))
        {
            string head = $"HTTP/1.1 200 OK\r\nserver: backend\r\ncontent-type: text/plain\r\ncontent-length: {size}\r\n\r\n";
            _answers[size] = answer = Encoding.ASCII.GetBytes(head + new string('x', size));
        }

        return answer;
    }

    private sealed class Connection(Socket socket)
    {
        private byte[] _begun = [];

        public Socket Socket => socket;

        /// <summary>Puts the begun request, if any, back at the start of <paramref name="input"/>.</summary>
        public int Take(byte[] input)
        {
            _begun.CopyTo(input, 0);
            return _begun.Length;
        }

        public void Keep(ReadOnlySpan<byte> rest)
        {
            if (rest.Length > 0 || _begun.Length > 0)
            {
                _begun = rest.ToArray();
            }
        }
    }
}
