using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Mesh.Testing;

/// <summary>A nameserver on loopback, UDP and TCP on one port, that answers what the test says. Thread-safe.</summary>
public sealed class FakeDnsServer : IAsyncDisposable
{
    private readonly Socket _udp;
    private readonly TcpListener _tcp;
    private readonly ConcurrentQueue<byte[]> _queries = new();
    private readonly Task _work;

    public FakeDnsServer()
    {
        (_tcp, _udp) = BindBoth();
        EndPoint = (IPEndPoint)_udp.LocalEndPoint!;
        _work = Task.WhenAll(ServeUdpAsync(), ServeTcpAsync());
    }

    public IPEndPoint EndPoint { get; }

    /// <summary>Queries that came, over either transport.</summary>
    public IReadOnlyList<byte[]> Queries => [.. _queries];

    /// <summary>Datagrams sent for a query; the default is none.</summary>
    public Func<byte[], byte[][]> OverUdp { get; set; } = static _ => [];

    /// <summary>Message sent over TCP for a query.</summary>
    public Func<byte[], byte[]> OverTcp { get; set; } = static query => Reply(query, code: 2);

    /// <summary>An answer to <paramref name="query"/> with the records of its type among <paramref name="addresses"/>.</summary>
    public static byte[] Reply(byte[] query, int code = 0, uint ttl = 30, bool truncated = false, params string[] addresses)
    {
        int type = BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(query.Length - 4));
        byte[][] records = [.. addresses.Select(static a => IPAddress.Parse(a).GetAddressBytes()).Where(a => a.Length == (type == 1 ? 4 : 16))];
        List<byte> reply = [query[0], query[1], (byte)(truncated ? 0x83 : 0x81), (byte)(0x80 | code), 0, 1, 0, (byte)records.Length, 0, 0, 0, 0, .. query[12..]];
        foreach (byte[] record in records)
        {
            byte[] head = [0xC0, 12, 0, (byte)type, 0, 1, 0, 0, 0, 0, 0, (byte)record.Length];
            BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(6), ttl);
            reply.AddRange([.. head, .. record]);
        }

        return [.. reply];
    }

    public async ValueTask DisposeAsync()
    {
        _udp.Dispose();
        _tcp.Dispose();
        await _work;
    }

    // One port for both: a port that is free for TCP may be taken for UDP, then another one is tried.
    private static (TcpListener Tcp, Socket Udp) BindBoth()
    {
        for (int attempt = 1; ; attempt++)
        {
            TcpListener tcp = new(IPAddress.Loopback, 0);
            Socket udp = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            try
            {
                tcp.Start();
                udp.Bind(tcp.LocalEndpoint);
                return (tcp, udp);
            }
            catch (SocketException) when (attempt < 20)
            {
                tcp.Dispose();
                udp.Dispose();
            }
        }
    }

    private async Task ServeUdpAsync()
    {
        byte[] buffer = new byte[512];
        try
        {
            while (true)
            {
                SocketReceiveFromResult received = await _udp.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                byte[] query = buffer[..received.ReceivedBytes];
                _queries.Enqueue(query);
                foreach (byte[] reply in OverUdp(query))
                {
                    await _udp.SendToAsync(reply, received.RemoteEndPoint);
                }
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task ServeTcpAsync()
    {
        try
        {
            while (true)
            {
                using Socket client = await _tcp.AcceptSocketAsync();
                await using NetworkStream stream = new(client);
                byte[] length = new byte[2];
                await stream.ReadExactlyAsync(length);
                byte[] query = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                await stream.ReadExactlyAsync(query);
                _queries.Enqueue(query);
                byte[] reply = OverTcp(query);
                await stream.WriteAsync((byte[])[(byte)(reply.Length >> 8), (byte)reply.Length, .. reply]);
            }
        }
        catch (Exception end) when (end is SocketException or IOException or ObjectDisposedException)
        {
            // Disposed.
        }
    }
}
