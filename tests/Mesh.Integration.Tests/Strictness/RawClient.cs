using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh.Integration.Tests.Strictness;

/// <summary>Raw bytes over TCP. Every wait is bounded.</summary>
internal sealed class RawClient(Socket socket) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly byte[] _buffer = new byte[64 * 1024];

    public static async Task<RawClient> ConnectAsync(Uri to)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Parse(to.Host), to.Port).WaitAsync(Patience);
        return new RawClient(socket);
    }

    public async Task SendAsync(string text)
    {
        ReadOnlyMemory<byte> rest = Encoding.Latin1.GetBytes(text);
        try
        {
            while (!rest.IsEmpty)
            {
                rest = rest[await socket.SendAsync(rest).AsTask().WaitAsync(Patience)..];
            }
        }
        catch (SocketException)
        {
            // Refused before all of it was sent.
        }
    }

    /// <summary>Reads until <paramref name="isEnough"/> says so or the peer ends.</summary>
    public async Task<string> ReadAsync(Func<string, bool> isEnough)
    {
        StringBuilder text = new();
        while (!isEnough(text.ToString()))
        {
            int read = await ReceiveAsync();
            if (read == 0)
            {
                break;
            }

            text.Append(Encoding.Latin1.GetString(_buffer, 0, read));
        }

        return text.ToString();
    }

    public void Dispose() => socket.Dispose();

    private async Task<int> ReceiveAsync()
    {
        try
        {
            return await socket.ReceiveAsync(_buffer.AsMemory()).AsTask().WaitAsync(Patience);
        }
        catch (SocketException)
        {
            return 0;
        }
    }
}
