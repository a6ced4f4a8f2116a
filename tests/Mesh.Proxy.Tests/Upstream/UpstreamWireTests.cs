using System.Net;
using System.Text;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Component;
using Mesh.Proxy.Tests.Hosting;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Mesh.Proxy.Upstream.Wire;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>proxyProtocol and tunnel of a DestinationRule, over real sockets.</summary>
public abstract class UpstreamWireTests(TransportKind transport)
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

    private int _port;

    [Fact]
    public async Task ProxyProtocolV1_OfATcpStream_NamesItsClient()
    {
        await using HostHarness harness = await StartAsync(static c => c with { ProxyProtocol = ProxyProtocolVersion.V1 });
        using SocketPeer client = await ConnectTcpAsync();
        await client.SendAsync("hello");
        using SocketPeer server = await harness.AcceptAsync();

        Assert.Equal($"PROXY TCP4 127.0.0.1 127.0.0.1 {PortOf(client)} {_port}\r\nhello", await server.ReadUntilAsync("hello"));
    }

    [Fact]
    public async Task ProxyProtocolV2_OfATcpStream_NamesItsClient()
    {
        await using HostHarness harness = await StartAsync(static c => c with { ProxyProtocol = ProxyProtocolVersion.V2 });
        using SocketPeer client = await ConnectTcpAsync();
        await client.SendAsync("hello");
        using SocketPeer server = await harness.AcceptAsync();

        byte[] came = Encoding.Latin1.GetBytes(await server.ReadUntilAsync("hello"));
        Assert.Equal("\r\n\r\n\0\r\nQUIT\n"u8, came.AsSpan(0, 12));
        Assert.Equal([0x21, 0x11, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1], came[12..24]);
        Assert.Equal((PortOf(client), _port), ((came[24] << 8) | came[25], (came[26] << 8) | came[27]));
        Assert.Equal("hello", Encoding.ASCII.GetString(came[28..]));
    }

    [Fact]
    public async Task ProxyProtocol_OfAPool_NamesTheSidecarOnceForEachConnection()
    {
        await using HostHarness harness = await StartAsync(static c => c with { ProxyProtocol = ProxyProtocolVersion.V1 });
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        using SocketPeer server = await harness.AcceptAsync();

        IPEndPoint sidecar = (IPEndPoint)server.Socket.RemoteEndPoint!;
        int port = ((IPEndPoint)server.Socket.LocalEndPoint!).Port;
        Assert.StartsWith($"PROXY TCP4 127.0.0.1 127.0.0.1 {sidecar.Port} {port}\r\nGET / HTTP/1.1\r\n", await server.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        await client.ReadUntilAsync("\r\n\r\nok");
        await client.SendAsync(Get);
        Assert.StartsWith("GET / HTTP/1.1\r\n", await server.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ProxyProtocol_WithTls_ComesBeforeTheHandshake()
    {
        using TestAuthority authority = new();
        await using HostHarness harness = await StartAsync(c => c with
        {
            ProxyProtocol = ProxyProtocolVersion.V2,
            Tls = new UpstreamTlsConfig { Sni = "a.test", SubjectAltNames = "a.test", Files = new TlsFilesConfig(authority.RootFile) },
        });
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        System.Net.Sockets.Socket socket = await harness.AcceptSocketAsync();
        byte[] header = new byte[16];
        int read = await socket.ReceiveAsync(header).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal((16, (byte)0x20), (read, header[12])); // LOCAL: a pool has no client

        await using TlsPeer server = await TlsPeer.AcceptAsync(Task.FromResult(socket), authority.Issue("a.test"));

        Assert.StartsWith("GET / HTTP/1.1\r\n", await server.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TunnelConnect_Granted_CarriesTheBytesAfterTheHead()
    {
        await using HostHarness harness = await StartAsync(static c => c with { Tunnel = new TunnelConfig("b.test:443", UsesPost: false) });
        using SocketPeer client = await ConnectTcpAsync();
        await client.SendAsync("hello");
        using SocketPeer proxy = await harness.AcceptAsync();
        Assert.Equal("CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n", await proxy.ReadUntilAsync("\r\n\r\n"));

        await proxy.SendAsync("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Connection established\r\nX: y\r\n\r\nfirst ");
        Assert.Equal("hello", await proxy.ReadUntilAsync("hello"));
        await proxy.SendAsync("last");
        proxy.EndSending();

        Assert.Equal("first last", await client.ReadToEndAsync());
        client.EndSending();
        Assert.Equal((5L, 10L), await harness.Sink.NextAsync() is { } record ? (record.BytesReceived, record.BytesSent) : default);
    }

    [Theory]
    [InlineData("HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy refused a tunnel to b.test:443: HTTP/1.1 403 Forbidden")]
    [InlineData("", "the proxy ended the connection before it answered for a tunnel to b.test:443")]
    public async Task TunnelConnect_Refused_IsAFailedConnect(string answer, string failure)
    {
        await using HostHarness harness = await StartAsync(static c => c with { Tunnel = new TunnelConfig("b.test:443", UsesPost: false) });
        using SocketPeer client = await ConnectTcpAsync();
        using SocketPeer proxy = await harness.AcceptAsync();
        await proxy.ReadUntilAsync("\r\n\r\n");
        await proxy.SendAsync(answer);
        proxy.EndSending();

        Assert.Equal("", await client.ReadToEndAsync());
        Finished record = await harness.Sink.NextAsync();
        Assert.Equal((ResponseFlag.UF, failure), (record.Flag, record.TransportFailure));
    }

    [Theory]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n4;x=y\r\nlast\r\n0\r\n\r\n")]
    [InlineData("Connection: close\r\n\r\nfirst last")]
    public async Task TunnelPost_Granted_CarriesTheBytesInItsBodies(string answer)
    {
        await using HostHarness harness = await StartAsync(static c => c with { Tunnel = new TunnelConfig("b.test:443", UsesPost: true) });
        using SocketPeer client = await ConnectTcpAsync();
        using SocketPeer proxy = await harness.AcceptAsync();
        Assert.Equal("POST / HTTP/1.1\r\nHost: b.test:443\r\nTransfer-Encoding: chunked\r\n\r\n", await proxy.ReadUntilAsync("\r\n\r\n"));
        await proxy.SendAsync("HTTP/1.1 200 OK\r\n" + answer);

        await client.SendAsync("hello");
        Assert.Equal("5\r\nhello\r\n", await proxy.ReadUntilAsync("hello\r\n"));
        client.EndSending();
        Assert.Equal("0\r\n\r\n", await proxy.ReadUntilAsync("\r\n\r\n"));
        proxy.EndSending();

        Assert.Equal("first last", await client.ReadToEndAsync());
    }

    [Fact]
    public async Task TunnelPost_ResponseCutInAChunk_IsNoOrderlyEnd()
    {
        await using HostHarness harness = await StartAsync(static c => c with { Tunnel = new TunnelConfig("b.test:443", UsesPost: true) });
        using SocketPeer client = await ConnectTcpAsync();
        using SocketPeer proxy = await harness.AcceptAsync();
        await proxy.ReadUntilAsync("\r\n\r\n");
        await proxy.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc");
        Assert.Equal("abc", await client.ReadUntilAsync("abc"));
        proxy.EndSending();

        await client.ReadToEndAsync();
        Assert.True(client.WasReset);
    }

    [Fact]
    public async Task TunnelConnect_InsideTls_Carries()
    {
        using TestAuthority authority = new();
        await using HostHarness harness = await StartAsync(c => c with
        {
            Tunnel = new TunnelConfig("b.test:443", UsesPost: false),
            Tls = new UpstreamTlsConfig { Sni = "a.test", SubjectAltNames = "a.test", Files = new TlsFilesConfig(authority.RootFile) },
        });
        using SocketPeer client = await ConnectTcpAsync();
        await client.SendAsync("hello");
        await using TlsPeer proxy = await TlsPeer.AcceptAsync(harness.AcceptSocketAsync(), authority.Issue("a.test"));
        Assert.StartsWith("CONNECT b.test:443 ", await proxy.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);

        await proxy.SendAsync("HTTP/1.1 200 OK\r\n\r\nhi");

        Assert.Equal("hi", await client.ReadUntilAsync("hi"));
        Assert.Equal("hello", await proxy.ReadUntilAsync("hello"));
    }

    private async Task<HostHarness> StartAsync(Func<ClusterConfig, ClusterConfig> configure)
    {
        HostHarness harness = await HostHarness.StartAsync(configure, transport: transport);
        _port = await harness.ListenTcpAsync(configure);
        return harness;
    }

    private Task<SocketPeer> ConnectTcpAsync() => SocketPeer.ConnectAsync(new IPEndPoint(IPAddress.Loopback, _port));

    private static int PortOf(SocketPeer peer) => ((IPEndPoint)peer.Socket.LocalEndPoint!).Port;
}

public sealed class UpstreamWireOnEpollTests() : UpstreamWireTests(TransportKind.Epoll);

public sealed class UpstreamWireOnSocketsTests() : UpstreamWireTests(TransportKind.Sockets);

/// <summary>Connections that are made for one client: the pool must not mix them up.</summary>
public sealed class ClientConnectionTests
{
    private static readonly ClientAddresses Anna = new(IPEndPoint.Parse("10.1.0.1:1"), IPEndPoint.Parse("10.9.0.1:80"));
    private static readonly ClientAddresses Bert = new(IPEndPoint.Parse("10.1.0.2:2"), IPEndPoint.Parse("10.9.0.1:80"));
    private static readonly ClientAddresses Cleo = new(IPEndPoint.Parse("fd00::3"), IPEndPoint.Parse("10.9.0.1:80"));

    [Fact]
    public async Task Connects_ThatEndInAnotherOrder_ServeTheirOwnClients()
    {
        using UpstreamHarness harness = Harness();
        (Task<RentResult> anna, Task<RentResult> bert, Task<RentResult> cleo) = (Rent(harness, Anna), Rent(harness, Bert), Rent(harness, Cleo));

        harness.Connector.Started[1].Succeed();
        Assert.Equal(Bert, (await UpstreamHarness.Soon(bert)).Connection!.Client);
        harness.Connector.Started[2].Fail();
        Assert.Equal(RentStatus.ConnectFailure, (await UpstreamHarness.Soon(cleo)).Status);
        Assert.False(anna.IsCompleted); // another's failure is not hers
        harness.Connector.Started[0].Succeed();
        Assert.Equal(Anna, (await UpstreamHarness.Soon(anna)).Connection!.Client);
        (await anna).Connection!.Release(reusable: false);
        (await bert).Connection!.Release(reusable: false);
    }

    [Fact]
    public async Task Client_ThatGivesUp_TakesItsOwnConnectionAway()
    {
        using UpstreamHarness harness = Harness();
        using CancellationTokenSource gone = new();
        Task<RentResult> anna = harness.Cluster.RentTcpAsync(gone.Token, null, new PickContext(Client: Anna)).AsTask();
        Task<RentResult> bert = Rent(harness, Bert);

        await gone.CancelAsync();

        Assert.Equal(RentStatus.Cancelled, (await UpstreamHarness.Soon(anna)).Status);
        Assert.Equal([true, false], harness.Connector.Started.Select(static c => c.IsOver));
        harness.Connector.Started[1].Succeed();
        (await UpstreamHarness.Soon(bert)).Connection!.Release(reusable: false);
        Assert.Equal(0, harness.Stats.CxActive.Value);
    }

    [Theory]
    [InlineData("10.0.0.1", "fd00::1", "PROXY TCP6 ::ffff:10.0.0.1 fd00::1 1 2\r\n")]
    [InlineData("::ffff:10.0.0.1", "10.0.0.2", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n")]
    public void Header_OfMixedFamilies_IsOfOne(string from, string to, string header) => Assert.Equal(
        header,
        Encoding.ASCII.GetString(ProxyProtocolHeader.For(
            ProxyProtocolVersion.V1, new ClientAddresses(new IPEndPoint(IPAddress.Parse(from), 1), new IPEndPoint(IPAddress.Parse(to), 2)), Anna)));

    private static UpstreamHarness Harness() => new(static c => c with { Protocol = ClusterProtocol.Tcp, ProxyProtocol = ProxyProtocolVersion.V1 });

    private static Task<RentResult> Rent(UpstreamHarness harness, ClientAddresses client) =>
        harness.Cluster.RentTcpAsync(CancellationToken.None, null, new PickContext(Client: client)).AsTask();
}
