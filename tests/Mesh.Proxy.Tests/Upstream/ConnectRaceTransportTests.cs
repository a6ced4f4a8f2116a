using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport.Epoll;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>Happy eyeballs on real sockets, over both transports.</summary>
public sealed class ConnectRaceTransportTests : IDisposable
{
    private readonly TcpListener _server = new(IPAddress.Loopback, 0);
    private readonly List<Socket> _sockets = [];
    private readonly ProxyStats _stats = new();

    public ConnectRaceTransportTests() => _server.Start();

    private int Port => ((IPEndPoint)_server.LocalEndpoint).Port;

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task Connect_FirstAddressIsDead_TheSecondIsUsed(bool onLoops, bool isSilent)
    {
        if (isSilent)
        {
            ListenWithoutRoom(IPAddress.Parse("127.0.0.8"));
        }

        using SocketUpstreamConnector sockets = new(NullLoggerFactory.Instance);
        using EventLoopGroup loops = new(1, _ => _stats.UnexpectedExceptions.Add());
        PipeScheduler? loop = onLoops ? loops.LeastLoaded() : null;
        FakeDnsClient dns = new();
        dns.Set("a.test", 3000, "127.0.0.8", "127.0.0.1");
        ProxyRuntime runtime = new(TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
        using ClusterManager manager = new(runtime, onLoops ? new EpollConnector(loops) : sockets, static _ => { }, _stats, dns);
        ClusterConfig config = new() { Name = "outbound|80||a.test", ServiceHost = "a.test", Port = 80, Dns = DnsDiscovery.Logical };
        manager.AddOrUpdate([(config, [new EndpointConfig($"a.test:{Port}")])]);
        Cluster cluster = manager.Find(config.Name)!;

        RentResult rent = await cluster.RentHttpAsync(CancellationToken.None, loop).AsTask().WaitAsync(TimeSpan.FromSeconds(8)); // less than the connect timeout

        Assert.Equal(RentStatus.Ok, rent.Status);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, Port), rent.Connection!.Context.RemoteEndPoint);
        (loop ?? PipeScheduler.Inline).Schedule(static c => ((UpstreamConnection)c!).Release(reusable: false), rent.Connection);
        await Eventually.HoldsAsync(() => cluster.Stats.CxActive.Value == 0, "the connection leaves");
        Assert.Equal(1, cluster.Stats.CxTotal.Value);
    }

    public void Dispose()
    {
        _server.Dispose();
        _sockets.ForEach(static s => s.Dispose());
        Assert.Equal(0, _stats.UnexpectedExceptions.Value);
    }

    // Whoever connects when the queue is full gets no answer: Linux drops the first packet.
    private void ListenWithoutRoom(IPAddress address)
    {
        Socket full = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(full);
        full.Bind(new IPEndPoint(address, Port));
        full.Listen(0);
        for (int i = 0; i < 4; i++)
        {
            Socket filler = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            _sockets.Add(filler);
            _ = filler.ConnectAsync(full.LocalEndPoint!).ContinueWith(static t => _ = t.Exception, TaskScheduler.Default);
        }
    }
}
