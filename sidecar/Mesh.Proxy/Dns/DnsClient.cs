using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Dns;

/// <summary>
/// Asks the nameservers over UDP, and over TCP when the answer does not fit. Each question has a socket of its own, so a port nobody can guess, and a random id.
/// Thread-safe. Never on the path of a request.
/// </summary>
/// <param name="runtime">Clock and chance.</param>
/// <param name="sources">Servers and hosts file.</param>
public sealed class DnsClient(ProxyRuntime runtime, DnsSources sources) : IDnsClient
{
    private const int Rounds = 2;
    private const int MaxDatagram = 65535;
    private static readonly TimeSpan TryTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan HostsTtl = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public async Task<DnsAnswer> QueryAsync(string name, DnsRecordType type)
    {
        ImmutableArray<IPAddress> local = sources.FindInHosts(name);
        if (!local.IsEmpty)
        {
            AddressFamily family = type == DnsRecordType.A ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
            ImmutableArray<IPAddress> own = [.. local.Where(a => a.AddressFamily == family)];
            return own.IsEmpty ? DnsAnswer.Empty : new DnsAnswer(true, own, HostsTtl);
        }

        ImmutableArray<IPEndPoint> servers = sources.Servers();
        DnsAnswer last = DnsAnswer.Failed;
        for (int i = 0; i < Rounds * servers.Length; i++)
        {
            last = await AskAsync(servers[i % servers.Length], name, type);
            if (last.IsAnswered)
            {
                break;
            }
        }

        return last;
    }

    private async Task<DnsAnswer> AskAsync(IPEndPoint server, string name, DnsRecordType type)
    {
        byte[] buffer = new byte[DnsMessage.MaxQueryLength];
        int length = DnsMessage.WriteQuery(buffer, (ushort)runtime.Random.Next(ushort.MaxValue + 1), name, type);
        if (length == 0)
        {
            return DnsAnswer.FailedWith("no name that DNS knows");
        }

        ReadOnlyMemory<byte> query = buffer.AsMemory(0, length);
        using CancellationTokenSource timeout = new(TryTimeout, runtime.Time);
        try
        {
            return await OverUdpAsync(server, query, timeout.Token) ?? await OverTcpAsync(server, query, timeout.Token);
        }
        catch (Exception failure) when (failure is SocketException or IOException or OperationCanceledException)
        {
            return DnsAnswer.Failed;
        }
    }

    /// <summary>The answer; null when it does not fit into a datagram.</summary>
    private static async Task<DnsAnswer?> OverUdpAsync(IPEndPoint server, ReadOnlyMemory<byte> query, CancellationToken timeout)
    {
        using Socket socket = new(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(server, timeout); // from here on the kernel drops what others send
        await socket.SendAsync(query, timeout);
        byte[] buffer = new byte[MaxDatagram];
        while (true)
        {
            int length = await socket.ReceiveAsync(buffer, timeout);
            switch (DnsMessage.Read(buffer.AsSpan(0, length), query.Span, out DnsAnswer answer))
            {
                case DnsReply.Answer:
                    return answer;
                case DnsReply.Truncated:
                    return null;
            }
        }
    }

    private static async Task<DnsAnswer> OverTcpAsync(IPEndPoint server, ReadOnlyMemory<byte> query, CancellationToken timeout)
    {
        using Socket socket = new(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(server, timeout);
        await using NetworkStream stream = new(socket);
        byte[] framed = new byte[2 + query.Length];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)query.Length);
        query.CopyTo(framed.AsMemory(2));
        await stream.WriteAsync(framed, timeout);
        await stream.ReadExactlyAsync(framed.AsMemory(0, 2), timeout);
        byte[] message = new byte[BinaryPrimitives.ReadUInt16BigEndian(framed)];
        await stream.ReadExactlyAsync(message, timeout);
        return DnsMessage.Read(message, query.Span, out DnsAnswer answer) == DnsReply.Answer ? answer : DnsAnswer.FailedWith("malformed answer");
    }
}
