using System.Net;
using System.Net.Sockets;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>An upstream on loopback that answers every request with its own name, on connections that it keeps.</summary>
internal sealed class Backend : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly List<Socket> _open = [];
    private readonly string _answer;
    private readonly Task _accepting;
    private int _requests;

    /// <summary>Listens on <paramref name="address"/>, on a port of the system's choice unless one is given.</summary>
    public Backend(string name, string address = "127.0.0.1", int port = 0)
    {
        _answer = $"HTTP/1.1 200 OK\r\nContent-Length: {name.Length}\r\n\r\n{name}";
        _listener = new TcpListener(IPAddress.Parse(address), port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>While set, requests wait for it before they are answered.</summary>
    public TaskCompletionSource? Gate { get; init; }

    /// <summary>Requests so far, answered or not.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Connections so far.</summary>
    public int Connections { get; private set; }

    public async ValueTask DisposeAsync()
    {
        Gate?.TrySetResult();
        _listener.Dispose();
        await _accepting.WaitAsync(TimeSpan.FromSeconds(10));
    }

    private async Task AcceptAsync()
    {
        List<Task> serving = [];
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync();
                Connections++;
                _open.Add(socket);
                serving.Add(ServeAsync(new SocketPeer(socket)));
            }
        }
        catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException)
        {
            _open.ForEach(static s => s.Dispose());
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(SocketPeer peer)
    {
        try
        {
            while ((await peer.ReadUntilAsync("\r\n\r\n", Timeout.InfiniteTimeSpan)).Length > 0)
            {
                Interlocked.Increment(ref _requests);
                await (Gate?.Task ?? Task.CompletedTask);
                await peer.SendAsync(_answer);
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // the proxy or the test is done with it
        }
    }
}
