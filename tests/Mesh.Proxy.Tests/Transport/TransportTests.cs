using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Hosting;
using Mesh.Proxy.Transport;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Transport;

/// <summary>What a transport must carry whole, on real sockets: much more than its buffers, and limits that hold over all event loops.</summary>
public abstract class TransportTests(TransportKind transport)
{
    private const int Many = 24 * 1024 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Relay_OfMuchMoreThanTheBuffers_ArrivesWholeBothWaysAndIsCounted()
    {
        await using HostHarness harness = await HostHarness.StartAsync(time: TimeProvider.System, transport: transport);
        int port = HostHarness.FreePort();
        await harness.ApplyAsync(null, HostHarness.TcpListenerOn(port));
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port)).WaitAsync(Patience);
        using Socket upstream = await harness.AcceptSocketAsync();

        Task<long> up = Task.WhenAll(SendPatternAsync(client), ReadPatternAsync(upstream)).ContinueWith(static t => t.Result[1], TaskScheduler.Default);
        Task<long> down = Task.WhenAll(SendPatternAsync(upstream), ReadPatternAsync(client)).ContinueWith(static t => t.Result[1], TaskScheduler.Default);

        Assert.Equal(Many, await up.WaitAsync(Patience));
        Assert.Equal(Many, await down.WaitAsync(Patience));
        Component.Finished record = await harness.Sink.NextAsync();
        Assert.Equal((Many, Many), ((int)record.BytesReceived, (int)record.BytesSent));
    }

    [Fact]
    public async Task OneConnection_ForClientsOfAllLoops_IsShared()
    {
        const int Clients = 6;
        const int Requests = 40;
        await using HostHarness harness = await HostHarness.StartAsync(
            static c => c with { Limits = new CircuitBreakerConfig { MaxConnections = 1 } }, TimeProvider.System, transport);
        int most = 0;
        Task serving = ServeAsync(harness, now => most = Math.Max(most, now));

        SocketPeer[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => harness.ConnectAsync()));
        await Task.WhenAll(clients.Select(async client => // who ends at its last byte may take the shared connection along: all stay until all are done
        {
            for (int i = 0; i < Requests; i++)
            {
                await client.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
                Assert.Contains("200 OK", await client.ReadUntilAsync("\r\n\r\nok"), StringComparison.Ordinal);
            }
        })).WaitAsync(Patience);

        Assert.Equal(1, most);
        Assert.Equal(1, harness.Host.Clusters.Find(HostHarness.Name)!.Stats.CxTotal.Value);
        Array.ForEach(clients, static c => c.Dispose());
        await harness.DisposeAsync();
        await serving.WaitAsync(Patience);
    }

    [Fact]
    public async Task LineForTokens_OfClientsOfAllLoops_ServesThemAll()
    {
        const int Clients = 6;
        const int Requests = 10;
        await using HostHarness harness = await HostHarness.StartAsync(
            static c => c with { RateLimits = new RateLimitConfigs(new RateLimitConfig { Tokens = 500, MaxWait = TimeSpan.FromMinutes(1), MaxQueue = Clients }) }, TimeProvider.System, transport);
        Task serving = ServeAsync(harness, static _ => { });

        SocketPeer[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => harness.ConnectAsync()));
        await Task.WhenAll(clients.Select(static async client =>
        {
            for (int i = 0; i < Requests; i++)
            {
                await client.SendAsync("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
                Assert.Contains("200 OK", await client.ReadUntilAsync("\r\n\r\nok"), StringComparison.Ordinal);
            }
        })).WaitAsync(Patience);

        RateLimitStats stats = harness.Host.Clusters.Find(HostHarness.Name)!.Stats.RateLimit!;
        Assert.Equal((Clients * Requests, 0, 0), (stats.Ok.Value, stats.Waiting.Value, stats.Limited.Value));
        Assert.InRange(stats.Waited.Value, 1, Clients * Requests);
        Array.ForEach(clients, static c => c.Dispose());
        await harness.DisposeAsync();
        await serving.WaitAsync(Patience);
    }

    [Fact]
    [EffectOf("ResiliencePolicy", "writeTimeout")]
    public async Task Relay_WhoseUpstreamTakesNothing_IsCutOff()
    {
        TimeSpan limit = TimeSpan.FromSeconds(2);
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        int port = await harness.ListenTcpAsync(c => c with { WriteTimeout = limit });
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port)).WaitAsync(Patience);
        using Socket upstream = await harness.AcceptSocketAsync();
        Task<long> sending = SendPatternAsync(client); // more than the kernel holds for one who does not read
        Task<Component.Finished> finished = harness.Sink.NextAsync();

        while (!finished.IsCompleted)
        {
            harness.Time.Advance(limit); // at first the buffers may not be full yet
            await Task.WhenAny(finished, Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System));
        }

        Component.Finished record = await finished;
        Assert.Equal((ResponseFlag.UT, "upstream_write_timeout"), (record.Flag, record.Details));
        await Assert.ThrowsAsync<SocketException>(() => sending.WaitAsync(Patience));
        Assert.Equal(1, harness.Host.Clusters.Find(HostHarness.TcpName)!.Stats.RqWriteTimeout.Value);
    }

    private static async Task<long> SendPatternAsync(Socket socket)
    {
        byte[] piece = new byte[100_003]; // no multiple of any buffer
        for (int sent = 0; sent < Many;)
        {
            int length = Math.Min(piece.Length, Many - sent);
            for (int i = 0; i < length; i++)
            {
                piece[i] = Pattern(sent + i);
            }

            sent += await socket.SendAsync(piece.AsMemory(0, length));
        }

        socket.Shutdown(SocketShutdown.Send);
        return Many;
    }

    private static async Task<long> ReadPatternAsync(Socket socket)
    {
        byte[] buffer = new byte[64 * 1024];
        long at = 0;
        while (await socket.ReceiveAsync(buffer.AsMemory()) is > 0 and int read)
        {
            for (int i = 0; i < read; i++, at++)
            {
                if (buffer[i] != Pattern(at))
                {
                    throw new InvalidDataException($"byte {at} is wrong");
                }
            }
        }

        return at;
    }

    private static byte Pattern(long at) => (byte)((at * 31) ^ (at >> 13));

    private static async Task ServeAsync(HostHarness harness, Action<int> onConnections)
    {
        int now = 0;
        List<Task> all = [];
        try
        {
            while (true)
            {
                Socket server = await harness.AcceptSocketAsync();
                onConnections(Interlocked.Increment(ref now));
                all.Add(AnswerAsync(server, () => Interlocked.Decrement(ref now)));
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(all);
        }
    }

    private static async Task AnswerAsync(Socket server, Func<int> onEnd)
    {
        using Socket closing = server;
        byte[] buffer = new byte[8192];
        StringBuilder text = new();
        while (await server.ReceiveAsync(buffer.AsMemory()) is > 0 and int read)
        {
            text.Append(Encoding.ASCII.GetString(buffer, 0, read));
            if (text.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
            {
                text.Clear();
                await server.SendAsync("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"u8.ToArray());
            }
        }

        onEnd();
    }
}

/// <summary>On event loops, with splice.</summary>
public sealed class EpollTransportTests() : TransportTests(TransportKind.Epoll);

/// <summary>On Kestrel's sockets.</summary>
public sealed class SocketsTransportTests() : TransportTests(TransportKind.Sockets);
