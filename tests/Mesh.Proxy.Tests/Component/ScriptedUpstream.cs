using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh.Proxy.Tests.Component;

/// <summary>A TCP peer of either side, spoken to in raw bytes. Every wait is bounded.</summary>
internal sealed class RawPeer(Socket socket) : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly StringBuilder _received = new();
    private readonly byte[] _buffer = new byte[64 * 1024];

    public Socket Socket => socket;

    public static async Task<RawPeer> ConnectAsync(IPEndPoint to)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(to).WaitAsync(Patience);
        return new RawPeer(socket);
    }

    public async Task SendAsync(string text)
    {
        ReadOnlyMemory<byte> rest = Encoding.Latin1.GetBytes(text);
        while (!rest.IsEmpty)
        {
            rest = rest[await socket.SendAsync(rest).AsTask().WaitAsync(Patience)..];
        }
    }

    /// <summary>Takes text up to and including <paramref name="end"/>; fails when the peer ends before.</summary>
    public async Task<string> ReadUntilAsync(string end)
    {
        while (true)
        {
            string text = _received.ToString();
            int at = text.IndexOf(end, StringComparison.Ordinal);
            if (at >= 0)
            {
                _received.Remove(0, at + end.Length);
                return text[..(at + end.Length)];
            }

            if (!await ReceiveAsync())
            {
                throw new EndOfStreamException($"ended while waiting for '{end}', after: {text}");
            }
        }
    }

    public Task<string> ReadHeadAsync() => ReadUntilAsync("\r\n\r\n");

    public async Task<string> ReadAsync(int count)
    {
        while (_received.Length < count)
        {
            if (!await ReceiveAsync())
            {
                throw new EndOfStreamException($"ended after: {_received}");
            }
        }

        string text = _received.ToString(0, count);
        _received.Remove(0, count);
        return text;
    }

    /// <summary>All that comes until the peer ends or resets.</summary>
    public async Task<string> ReadToEndAsync()
    {
        while (await ReceiveAsync())
        {
        }

        string text = _received.ToString();
        _received.Clear();
        return text;
    }

    /// <summary>Ends with RST.</summary>
    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public void HalfClose() => socket.Shutdown(SocketShutdown.Send);

    public void Dispose() => socket.Dispose();

    private async Task<bool> ReceiveAsync()
    {
        try
        {
            int read = await socket.ReceiveAsync(_buffer.AsMemory()).AsTask().WaitAsync(Patience);
            _received.Append(Encoding.Latin1.GetString(_buffer, 0, read));
            return read > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}

/// <summary>A server that does what the test says: accept, read, write, end.</summary>
internal sealed class ScriptedUpstream : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public ScriptedUpstream()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Address = _listener.LocalEndPoint!.ToString()!;
    }

    public string Address { get; }

    public async Task<RawPeer> AcceptAsync() => new(await _listener.AcceptAsync().WaitAsync(RawPeer.Patience));

    /// <summary>Nobody listens there any more.</summary>
    public void Dispose() => _listener.Dispose();
}
