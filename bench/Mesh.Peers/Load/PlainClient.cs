using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Peers.Peers;

namespace Mesh.Peers.Load;

/// <summary>Single requests, idle connections and long transfers, by plain sockets.</summary>
internal sealed class PlainClient(TimeProvider time)
{
    private static readonly byte[] Request = Encoding.ASCII.GetBytes($"GET /1 HTTP/1.1\r\nHost: {SidecarPeer.Authority}\r\n\r\n");
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestTransfer = TimeSpan.FromSeconds(60);

    /// <summary>Asks until a proxy gives a good answer; returns the time since <paramref name="start"/>.</summary>
    public async Task<TimeSpan> FirstAnswerAsync(int port, long start, TimeSpan longest, Action check, CancellationToken stop)
    {
        while (time.GetElapsedTime(start) < longest)
        {
            check();
            try
            {
                using Socket socket = await ConnectAsync("127.0.0.1", port, stop);
                if (await AskInTimeAsync(socket, stop))
                {
                    return time.GetElapsedTime(start);
                }
            }
            catch (SocketException)
            {
                // It does not listen yet.
            }

            await Task.Delay(Retry, time, stop);
        }

        throw new PeersException($"nothing answers at port {port} after {longest.TotalSeconds:F0} s");
    }

    /// <summary>Opens connections until <paramref name="open"/> holds <paramref name="count"/>; each has had one answer and is idle since.</summary>
    public async Task OpenIdleAsync(List<Socket> open, int port, int count, CancellationToken stop)
    {
        while (open.Count < count)
        {
            Socket socket = await ConnectAsync("127.0.0.1", port, stop);
            open.Add(socket);
            if (!await AskInTimeAsync(socket, stop))
            {
                throw new PeersException($"connection {open.Count} of {count} at port {port} got no good answer");
            }
        }
    }

    /// <summary>Reads <paramref name="bytes"/> from whoever sends at this address; returns how long it took.</summary>
    public async Task<TimeSpan> ReadBulkAsync(string host, int port, long bytes, CancellationToken stop)
    {
        using Socket socket = await ConnectAsync(host, port, stop);
        using CancellationTokenSource late = new(LongestTransfer, time);
        using CancellationTokenRegistration cutting = late.Token.UnsafeRegister(static s => ((Socket)s!).Dispose(), socket);
        byte[] buffer = new byte[256 * 1024];
        long start = time.GetTimestamp();
        for (long left = bytes; left > 0;)
        {
            int count = await socket.ReceiveAsync(buffer, stop);
            left -= count > 0 ? count : throw new PeersException($"the TCP stream at {host}:{port} ended {left} bytes too early");
        }

        return time.GetElapsedTime(start);
    }

    private async Task<bool> AskInTimeAsync(Socket socket, CancellationToken stop)
    {
        using CancellationTokenSource late = new(LongestAnswer, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            return await AskAsync(socket, either.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return false;
        }
    }

    private static async Task<Socket> ConnectAsync(string host, int port, CancellationToken stop)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(host), port), stop);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // The good answer has one byte of body, so it is over when that byte follows the empty line; of any other the status is enough.
    private static async Task<bool> AskAsync(Socket socket, CancellationToken stop)
    {
        await socket.SendAsync(Request, stop);
        byte[] buffer = new byte[4096];
        for (int length = 0; length < buffer.Length;)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(length), stop);
            length += count;
            int end = buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8);
            bool isGood = buffer.AsSpan(0, length).StartsWith("HTTP/1.1 200 "u8);
            if (count == 0 || (end >= 0 && (!isGood || length > end + 4)))
            {
                return count > 0 && isGood;
            }
        }

        return false;
    }
}
