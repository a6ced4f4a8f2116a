using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>The pool over real sockets on loopback.</summary>
public sealed class SocketUpstreamConnectorTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly TcpListener _server = new(IPAddress.Loopback, 0);
    private readonly SocketUpstreamConnector _connector = new(NullLoggerFactory.Instance);
    private readonly ProxyStats _stats = new();
    private readonly ClusterManager _manager;

    public SocketUpstreamConnectorTests()
    {
        _server.Start();
        ProxyRuntime runtime = new(TimeProvider.System, new ScriptedRandom(), NullLoggerFactory.Instance);
        _manager = new ClusterManager(runtime, _connector, static _ => { }, _stats);
    }

    public void Dispose()
    {
        _manager.Dispose();
        _server.Dispose();
        _connector.Dispose();
        Assert.Equal(0, _stats.UnexpectedExceptions.Value);
    }

    [Fact]
    public async Task RentHttp_ReleasedConnection_IsUsedAgain()
    {
        Cluster cluster = AddCluster(_server.LocalEndpoint.ToString()!);
        using Socket server = await RentEchoReleaseAsync(cluster);

        RentResult second = await cluster.RentHttpAsync(CancellationToken.None);

        Assert.Equal(RentStatus.Ok, second.Status);
        Assert.True(second.Connection!.IsReused);
        Assert.Equal(TimeSpan.Zero, second.QueueTime);
        Assert.Equal(server.RemoteEndPoint!.ToString(), second.Connection.LocalAddress);
        second.Connection.Release(reusable: true);
    }

    [Fact]
    public async Task RentHttp_ServerClosedTheIdleConnection_NewOneIsMade()
    {
        Cluster cluster = AddCluster(_server.LocalEndpoint.ToString()!);
        using (await RentEchoReleaseAsync(cluster))
        {
        }

        ValueTask<RentResult> rent = cluster.RentHttpAsync(CancellationToken.None);
        RentResult second = await rent.AsTask().WaitAsync(Patience);

        // Whether the close was seen or raced with the rent, it is never a connection known to be dead.
        Assert.Equal(RentStatus.Ok, second.Status);
        second.Connection!.Release(reusable: false);
    }

    [Fact]
    public async Task IdleConnection_ServerCloses_LeavesThePoolByItself()
    {
        Cluster cluster = AddCluster(_server.LocalEndpoint.ToString()!);
        using (Socket server = await RentEchoReleaseAsync(cluster))
        {
            server.Shutdown(SocketShutdown.Send);
            await Eventually.HoldsAsync(() => cluster.Stats.CxActive.Value == 0, "the closed connection leaves");
        }

        Assert.Equal(1, cluster.Stats.CxDestroyRemote.Value);
    }

    [Fact]
    public async Task Release_NotReusable_SendsWhatWasWrittenAndEndsInOrder()
    {
        Cluster cluster = AddCluster(_server.LocalEndpoint.ToString()!);
        Task<RentResult> renting = cluster.RentTcpAsync(CancellationToken.None).AsTask();
        using Socket server = await _server.AcceptSocketAsync();
        UpstreamConnection connection = (await renting.WaitAsync(Patience)).Connection!;
        const int Size = 4 * 1024 * 1024; // more than the socket buffers take: the rest is still with us when we release

        connection.Transport.Output.GetMemory(Size).Span[..Size].Fill((byte)'x');
        connection.Transport.Output.Advance(Size);
        ValueTask<System.IO.Pipelines.FlushResult> flushing = connection.Transport.Output.FlushAsync();
        connection.Release(reusable: false);

        byte[] buffer = new byte[65536];
        int received = 0;
        int count;
        while ((count = await server.ReceiveAsync(buffer).WaitAsync(Patience)) > 0)
        {
            received += count;
        }

        Assert.Equal(Size, received);
        await flushing.AsTask().WaitAsync(Patience);
        await Eventually.HoldsAsync(() => cluster.Stats.CxActive.Value == 0, "it counts until it is closed");
    }

    [Fact]
    public async Task Abort_RequestHalfWritten_EndsPendingReads()
    {
        Cluster cluster = AddCluster(_server.LocalEndpoint.ToString()!);
        Task<RentResult> renting = cluster.RentHttpAsync(CancellationToken.None).AsTask();
        using Socket server = await _server.AcceptSocketAsync();
        UpstreamConnection connection = (await renting.WaitAsync(Patience)).Connection!;
        Task<System.IO.Pipelines.ReadResult> reading = connection.Transport.Input.ReadAsync().AsTask();

        connection.Abort();

        await Assert.ThrowsAsync<Microsoft.AspNetCore.Connections.ConnectionAbortedException>(() => reading.WaitAsync(Patience));
        connection.Release(reusable: false);
        await Eventually.HoldsAsync(() => cluster.Stats.CxActive.Value == 0, "the aborted connection leaves");
    }

    [Fact]
    public async Task RentHttp_NobodyListens_FailsWithTheSystemsWords()
    {
        string address = _server.LocalEndpoint.ToString()!;
        _server.Stop();
        Cluster cluster = AddCluster(address);

        RentResult refused = await cluster.RentHttpAsync(CancellationToken.None).AsTask().WaitAsync(Patience);

        Assert.Equal(RentStatus.ConnectFailure, refused.Status);
        Assert.Equal("Connection refused", refused.FailureText);
        Assert.Equal(DecisionReason.ConnectFailure, refused.Decision.Reason);
        Assert.Equal(0, cluster.Stats.CxActive.Value);
    }

    [Fact]
    public async Task Connect_WithKeepalive_SetsTheOptions()
    {
        ConnectResult result = await _connector.ConnectAsync(
            _server.LocalEndpoint, new TcpKeepaliveConfig(Probes: 3, TimeSeconds: 60, IntervalSeconds: 10), null, CancellationToken.None);

        Socket socket = result.Connection!.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionSocketFeature>()!.Socket;
        Assert.Equal(60, socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime));
        Assert.Equal(10, socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval));
        Assert.Equal(3, socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount));
        Assert.NotEqual(0, socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        await result.Connection.DisposeAsync();
    }

    private Cluster AddCluster(string address)
    {
        ClusterConfig config = new() { Name = "outbound|80||a.test", ServiceHost = "a.test", Port = 80 };
        _manager.AddOrUpdate([(config, [new EndpointConfig(address)])]);
        return _manager.Find(config.Name)!;
    }

    private async Task<Socket> RentEchoReleaseAsync(Cluster cluster)
    {
        Task<RentResult> renting = cluster.RentHttpAsync(CancellationToken.None).AsTask();
        Socket server = await _server.AcceptSocketAsync();
        RentResult first = await renting.WaitAsync(Patience);
        UpstreamConnection connection = first.Connection!;
        Assert.False(connection.IsReused);

        await connection.Transport.Output.WriteAsync("ping"u8.ToArray());
        byte[] buffer = new byte[4];
        Assert.Equal(4, await server.ReceiveAsync(buffer));
        await server.SendAsync(buffer);
        System.IO.Pipelines.ReadResult read = await connection.Transport.Input.ReadAtLeastAsync(4);
        Assert.Equal("ping", Encoding.ASCII.GetString(read.Buffer.ToArray()));
        connection.Transport.Input.AdvanceTo(read.Buffer.End);

        connection.Release(reusable: true);
        return server;
    }
}
