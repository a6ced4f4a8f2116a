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
                if (await AskAsync(socket, stop))
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
            if (!await AskAsync(socket, stop))
            {
                throw new PeersException($"connection {open.Count} of {count} at port {port} got no good answer");
            }
        }
    }

    /// <summary>Reads <paramref name="bytes"/> from whoever sends at this address; returns how long it took.</summary>
    public async Task<TimeSpan> ReadBulkAsync(string host, int port, long bytes, CancellationToken stop)
    {
        using Socket socket = await ConnectAsync(host, port, stop);
        long start = time.GetTimestamp();
        long missing = await InTimeAsync(LongestTransfer, $"a transfer from {host}:{port}", token => ReadAsync(socket, bytes, token), stop);
        return missing == 0
            ? time.GetElapsedTime(start)
            : throw new PeersException($"the TCP stream at {host}:{port} ended {missing} bytes too early");
    }

    private static async Task<long> ReadAsync(Socket socket, long bytes, CancellationToken stop)
    {
        byte[] buffer = new byte[256 * 1024];
        while (bytes > 0 && await socket.ReceiveAsync(buffer, stop) is > 0 and int count)
        {
            bytes -= Math.Min(bytes, count);
        }

        return bytes;
    }

    private async Task<Socket> ConnectAsync(string host, int port, CancellationToken stop)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            return await InTimeAsync(LongestAnswer, $"a connection to {host}:{port}", async token =>
            {
                await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(host), port), token);
                return socket;
            }, stop);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private Task<bool> AskAsync(Socket socket, CancellationToken stop) =>
        InTimeAsync(LongestAnswer, $"an answer from {socket.RemoteEndPoint}", token => IsAnsweredAsync(socket, token), stop);

    private async Task<T> InTimeAsync<T>(TimeSpan longest, string what, Func<CancellationToken, Task<T>> work, CancellationToken stop)
    {
        using CancellationTokenSource late = new(longest, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            return await work(either.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new PeersException($"{what} took longer than {longest.TotalSeconds:F0} s");
        }
    }

    // The good answer has one byte of body, so it is over when that byte follows the empty line; of any other the status is enough.
    private static async Task<bool> IsAnsweredAsync(Socket socket, CancellationToken stop)
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
