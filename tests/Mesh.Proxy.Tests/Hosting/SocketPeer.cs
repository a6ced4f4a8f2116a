using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>One end of a real TCP connection, without any protocol: what the kernel does is part of what is tested.</summary>
internal sealed class SocketPeer(Socket socket) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly byte[] _buffer = new byte[64 * 1024];

    /// <summary>True once a read met a reset instead of an orderly end.</summary>
    public bool WasReset { get; private set; }

    public Socket Socket => socket;

    public static async Task<SocketPeer> ConnectAsync(IPEndPoint address)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address).WaitAsync(Patience);
        return new SocketPeer(socket);
    }

    public async Task SendAsync(string text)
    {
        ReadOnlyMemory<byte> rest = Encoding.Latin1.GetBytes(text);
        while (!rest.IsEmpty)
        {
            rest = rest[await socket.SendAsync(rest).AsTask().WaitAsync(Patience)..];
        }
    }

    /// <summary>Text until <paramref name="end"/> has come or the peer ended; reads no byte too many only if the peer waits after it.</summary>
    public Task<string> ReadUntilAsync(string end) => ReadUntilAsync(end, Patience);

    /// <summary>The same with another patience for each read.</summary>
    public async Task<string> ReadUntilAsync(string end, TimeSpan patience)
    {
        StringBuilder text = new();
        while (!text.ToString().Contains(end, StringComparison.Ordinal))
        {
            int read = await ReceiveAsync(patience);
            if (read == 0)
            {
                break;
            }

            text.Append(Encoding.Latin1.GetString(_buffer, 0, read));
        }

        return text.ToString();
    }

    public Task<string> ReadToEndAsync() => ReadUntilAsync("\0 never sent");

    /// <summary>Ends the sending side only.</summary>
    public void EndSending() => socket.Shutdown(SocketShutdown.Send);

    public void Reset() => socket.Close(0);

    public void Dispose() => socket.Dispose();

    private async Task<int> ReceiveAsync(TimeSpan patience)
    {
        try
        {
            return await socket.ReceiveAsync(_buffer).WaitAsync(patience);
        }
        catch (SocketException reset) when (reset.SocketErrorCode == SocketError.ConnectionReset)
        {
            WasReset = true;
            return 0;
        }
    }
}
