using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Proxy.Tests.Fuzz;

namespace Mesh.Integration.Tests.Strictness;

/// <summary>An upstream that takes whatever looks a little like a request for one, and answers each with 200.</summary>
internal sealed class GullibleUpstream : IObservedUpstream
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly Task _accepting;

    public GullibleUpstream()
    {
        _listener.Start();
        Address = _listener.LocalEndpoint.ToString()!;
        _accepting = AcceptAsync();
    }

    public string Address { get; }

    public IReadOnlyList<string> Lines() => [.. _lines];

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        List<Task> served = [];
        try
        {
            while (true)
            {
                served.Add(ServeAsync(await _listener.AcceptSocketAsync()));
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(served).WaitAsync(TimeSpan.FromSeconds(30));
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using Socket owned = socket;
        byte[] bytes = new byte[256 * 1024];
        int length = 0;
        try
        {
            while (await socket.ReceiveAsync(bytes.AsMemory(length)) is > 0 and int read)
            {
                length += read;
                while (GullibleReader.Request(bytes.AsSpan(0, length)) is { IsWhole: true } message)
                {
                    string text = Encoding.Latin1.GetString(bytes, 0, message.Length).TrimStart('\r', '\n');
                    _lines.Enqueue(text[..text.IndexOf('\n', StringComparison.Ordinal)].TrimEnd('\r'));
                    bytes.AsSpan(message.Length, length - message.Length).CopyTo(bytes);
                    length -= message.Length;
                    await socket.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"u8.ToArray());
                }
            }
        }
        catch (SocketException)
        {
            // The proxy has cut a broken request off.
        }
    }
}
