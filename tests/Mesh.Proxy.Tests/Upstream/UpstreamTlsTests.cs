using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Component;
using Mesh.Proxy.Tests.Hosting;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>tls of a DestinationRule over real sockets, against .NET's own TLS as the server.</summary>
public abstract class UpstreamTlsTests(TransportKind transport) : IDisposable
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    private readonly TestAuthority _authority = new();

    public void Dispose()
    {
        _authority.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Simple_TrustedServer_ServesRequestsOverOneConnection()
    {
        await using HostHarness harness = await StartAsync(Simple());
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        await using TlsPeer server = await AcceptAsync(harness, "a.test");

        for (int i = 0; i < 3; i++)
        {
            Assert.StartsWith("GET / HTTP/1.1\r\n", await server.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
            await server.SendAsync(Ok);
            Assert.EndsWith("ok", await client.ReadUntilAsync("\r\n\r\nok"), StringComparison.Ordinal);
            await client.SendAsync(Get);
        }

        Assert.Equal(("a.test", "http/1.1", null), (server.ServerName, server.Protocol, server.ClientSubject));
        ClusterStats stats = StatsOf(harness);
        Assert.Equal((1, 1), (stats.SslHandshake.Value, stats.CxTotal.Value));
    }

    [Fact]
    public async Task Simple_LargeBodies_ArriveWholeBothWays()
    {
        const int Size = 3_000_000;
        await using HostHarness harness = await StartAsync(Simple());
        using SocketPeer client = await harness.ConnectAsync();
        Task sending = client.SendAsync($"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {Size}\r\n\r\n{new string('u', Size - 1)}!");
        await using TlsPeer server = await AcceptAsync(harness, "a.test");

        Assert.True((await server.ReadUntilAsync("!")).Length > Size);
        await sending;
        Task answering = server.SendAsync($"HTTP/1.1 200 OK\r\nContent-Length: {Size}\r\n\r\n{new string('d', Size - 1)}!");

        Assert.True((await client.ReadUntilAsync("!")).Length > Size);
        await answering;
    }

    [Fact]
    public async Task Simple_ServerOfAnotherAuthority_IsRefusedWithEnvoysWords()
    {
        using TestAuthority stranger = new("stranger");
        await using HostHarness harness = await StartAsync(Simple());

        string answer = await RefusedAsync(harness, stranger.Issue("a.test"));

        Assert.Contains(
            "reset reason: remote connection failure, transport failure reason: TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:",
            answer, StringComparison.Ordinal);
        Assert.EndsWith(":TLS_error_end", answer, StringComparison.Ordinal);
        Finished record = await harness.Sink.NextAsync();
        Assert.Equal(ResponseFlag.UF, record.Flag);
        Assert.StartsWith("TLS_error:|268435581:", record.TransportFailure, StringComparison.Ordinal);
        ClusterStats stats = StatsOf(harness);
        Assert.Equal((1, 0, 0, 1), (stats.SslFailVerifyError.Value, stats.SslConnectionError.Value, stats.SslHandshake.Value, stats.CxConnectFail.Value));
    }

    [Theory]
    [InlineData("b.test")]
    [InlineData("*.b.test")]
    [InlineData("spiffe://a.test")]
    public async Task Simple_CertificateForAnotherName_IsRefused(string name)
    {
        await using HostHarness harness = await StartAsync(Simple());

        string answer = await RefusedAsync(harness, _authority.Issue(name));

        Assert.Contains($"verify SAN list: expected a.test, the certificate is for {name}", answer, StringComparison.Ordinal);
        Assert.Equal(1, StatsOf(harness).SslFailVerifySan.Value);
    }

    [Theory]
    [InlineData("x.test\nb.test", "b.test")]
    [InlineData("www.b.test", "*.b.test")]
    [InlineData("*.b.test", "www.b.test")]
    [InlineData("spiffe://b/x", "spiffe://b/x")]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("", "z.test")]
    public async Task SubjectAltNames_OneOfThem_IsEnough(string expected, string name)
    {
        await using HostHarness harness = await StartAsync(Simple() with { SubjectAltNames = expected });

        Assert.Contains(" 200 OK\r\n", await AnsweredAsync(harness, _authority.Issue(name)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task InsecureSkipVerify_AnyCertificate_Serves()
    {
        using TestAuthority stranger = new("stranger");
        await using HostHarness harness = await StartAsync(new UpstreamTlsConfig { Sni = "other.test", SkipsVerification = true });

        Assert.Contains(" 200 OK\r\n", await AnsweredAsync(harness, stranger.Issue("b.test"), "other.test"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task CaCrl_RevokedServer_IsRefusedAndAnotherIsNot()
    {
        using X509Certificate2 revoked = _authority.Issue("a.test");
        string list = _authority.WriteRevocations(_authority.Issue("x.test"), revoked);
        await using HostHarness harness = await StartAsync(Simple() with { Files = new TlsFilesConfig(_authority.RootFile, RevocationList: list) });

        Assert.Contains("certificate revoked", await RefusedAsync(harness, revoked), StringComparison.Ordinal);
        Assert.Contains(" 200 OK\r\n", await AnsweredAsync(harness, _authority.Issue("a.test")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mutual_ServerThatAsksForACertificate_SeesOurs()
    {
        (string certificate, string key) = _authority.WritePair("client", _authority.Issue("me.test"));
        await using HostHarness harness = await StartAsync(Simple() with { Files = new TlsFilesConfig(_authority.RootFile, certificate, key) });
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);

        await using TlsPeer server = await TlsPeer.AcceptAsync(harness.AcceptSocketAsync(), _authority.Issue("a.test"), _authority.Root);

        Assert.Equal("CN=me.test", server.ClientSubject);
        await server.ReadUntilAsync("\r\n\r\n");
        await server.SendAsync(Ok);
        Assert.Contains(" 200 OK\r\n", await client.ReadUntilAsync("\r\n\r\nok"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_OfPlainText_IsAFailedConnect()
    {
        await using HostHarness harness = await StartAsync(Simple());
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        using SocketPeer server = await harness.AcceptAsync();
        await server.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n");

        Assert.Contains("transport failure reason: TLS_error:|", await client.ReadUntilAsync("TLS_error_end"), StringComparison.Ordinal);
        Assert.Equal(1, StatsOf(harness).SslConnectionError.Value);
    }

    [Fact]
    public async Task Handshake_ThatStands_RunsIntoTheConnectTimeout()
    {
        await using HostHarness harness = await StartAsync(Simple());
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        using SocketPeer server = await harness.AcceptAsync();
        Assert.Equal('\u0016', (await server.ReadUntilAsync("a.test"))[0]); // the hello has come

        harness.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.Contains("reset reason: connection timeout", await client.ReadUntilAsync("timeout"), StringComparison.Ordinal);
        ClusterStats stats = StatsOf(harness);
        Assert.Equal((1, 0), (stats.CxConnectTimeout.Value, stats.SslConnectionError.Value));
        Assert.Equal("", await server.ReadToEndAsync());
    }

    [Fact]
    public async Task MissingFile_RefusesWithItsName()
    {
        await using HostHarness harness = await HostHarness.StartAsync(
            c => c with { Tls = Simple() with { Files = new TlsFilesConfig("/nowhere/ca.pem") } }, transport: transport);
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);

        Assert.Contains("secrets are not ready: Could not find a part of the path '/nowhere/ca.pem'", await client.ReadUntilAsync("TLS_error_end"), StringComparison.Ordinal);
        Assert.Equal(1, StatsOf(harness).SslNotReady.Value);
        Assert.Contains(harness.Log.Warnings, static w => w.Contains("/nowhere/ca.pem", StringComparison.Ordinal));
        harness.Log.Clear();
    }

    [Fact]
    public async Task TlsSwitchedOn_IdleConnectionLeavesAndEndpointStays()
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        using SocketPeer plain = await harness.AcceptAsync();
        await plain.ReadUntilAsync("\r\n\r\n");
        await plain.SendAsync(Ok);
        await client.ReadUntilAsync("\r\n\r\nok");
        Endpoint endpoint = ClusterOf(harness).Endpoints[0];

        await harness.ApplyAsync(c => c with { Tls = Simple() });

        Assert.Equal("", await plain.ReadToEndAsync());
        Assert.Contains(" 200 OK\r\n", await AnsweredAsync(harness, _authority.Issue("a.test")), StringComparison.Ordinal);
        Assert.Same(endpoint, ClusterOf(harness).Endpoints[0]);
    }

    [Fact]
    public async Task IdleConnection_ServerEndsIt_LeavesThePool()
    {
        await using HostHarness harness = await StartAsync(Simple());
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        await using TlsPeer server = await AcceptAsync(harness, "a.test");
        await server.ReadUntilAsync("\r\n\r\n");
        await server.SendAsync(Ok);
        await client.ReadUntilAsync("\r\n\r\nok");

        await server.EndSendingAsync(); // close_notify alone: the socket stays open

        await Eventually.HoldsAsync(() => StatsOf(harness).CxActive.Value == 0, "the connection leaves");
        Assert.Equal(1, StatsOf(harness).CxDestroyRemote.Value);
        Assert.Equal(0, await server.CountToEndAsync());
    }

    [Fact]
    public async Task TcpRelay_EndOfOneDirection_LeavesTheOther()
    {
        await using HostHarness harness = await StartAsync(Simple());
        int port = await harness.ListenTcpAsync(c => c with { Tls = Simple() });
        using SocketPeer client = await SocketPeer.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        Task sending = client.SendAsync(new string('x', 5_000_000));
        await using TlsPeer server = await AcceptAsync(harness, "a.test");
        Task<long> counting = server.CountToEndAsync();
        await sending;
        client.EndSending();

        Assert.Equal(5_000_000, await counting);
        Assert.Equal("", server.Protocol);
        await server.SendAsync("and back");
        await server.EndSendingAsync();

        Assert.Equal("and back", await client.ReadToEndAsync());
        Finished record = await harness.Sink.NextAsync();
        Assert.Equal((5_000_000, 8, ResponseFlag.None), (record.BytesReceived, record.BytesSent, record.Flag));
    }

    [Fact]
    public async Task OneConnection_ForClientsOfAllLoops_IsShared()
    {
        const int Clients = 6;
        const int Requests = 30;
        await using HostHarness harness = await HostHarness.StartAsync(
            c => c with { Tls = Simple(), Limits = new CircuitBreakerConfig { MaxConnections = 1 } }, TimeProvider.System, transport);
        Task serving = ServeAsync();

        SocketPeer[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => harness.ConnectAsync()));
        await Task.WhenAll(clients.Select(async client => // who ends at its last byte may take the shared connection along: all stay until all are done
        {
            for (int i = 0; i < Requests; i++)
            {
                await client.SendAsync(Get);
                Assert.Contains(" 200 OK\r\n", await client.ReadUntilAsync("\r\n\r\nok"), StringComparison.Ordinal);
            }
        })).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.Equal((1, 1), (StatsOf(harness).CxTotal.Value, StatsOf(harness).SslHandshake.Value));
        Array.ForEach(clients, static c => c.Dispose());
        await harness.DisposeAsync();
        await serving;

        async Task ServeAsync()
        {
            await using TlsPeer server = await AcceptAsync(harness, "a.test");
            await server.ServeAsync(Ok);
        }
    }

    [Fact]
    public async Task Files_Changed_CountForTheNextConnection()
    {
        using TestAuthority second = new("second");
        string roots = _authority.Write("roots.pem", File.ReadAllText(_authority.RootFile));
        await using HostHarness harness = await StartAsync(Simple() with { Files = new TlsFilesConfig(roots) });
        Assert.Contains(" 200 OK\r\n", await AnsweredAsync(harness, _authority.Issue("a.test")), StringComparison.Ordinal);

        _authority.Write("roots.pem", "-----BEGIN NOTHING-----");
        harness.Time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => harness.Stats.TlsFilesRejected.Value == 1, "the broken file is seen");
        Assert.Contains(" 200 OK\r\n", await AnsweredAsync(harness, _authority.Issue("a.test")), StringComparison.Ordinal);
        Assert.Contains(harness.Log.Warnings, w => w.Contains($"'{roots}': there is no certificate in it", StringComparison.Ordinal));
        harness.Log.Clear();

        _authority.Write("roots.pem", File.ReadAllText(second.RootFile));
        harness.Time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => harness.Stats.TlsFilesRead.Value == 2, "the new file is read");
        Assert.Contains("CERTIFICATE_VERIFY_FAILED", await RefusedAsync(harness, _authority.Issue("a.test")), StringComparison.Ordinal);
        Assert.Contains(" 200 OK\r\n", await AnsweredAsync(harness, second.Issue("a.test")), StringComparison.Ordinal);
    }

    private static Cluster ClusterOf(HostHarness harness) => harness.Host.Clusters.Find(HostHarness.Name)!;

    private static ClusterStats StatsOf(HostHarness harness) => ClusterOf(harness).Stats;

    private UpstreamTlsConfig Simple() => new() { Sni = "a.test", SubjectAltNames = "a.test", Files = new TlsFilesConfig(_authority.RootFile) };

    private Task<HostHarness> StartAsync(UpstreamTlsConfig tls) => HostHarness.StartAsync(c => c with { Tls = tls }, transport: transport);

    private Task<TlsPeer> AcceptAsync(HostHarness harness, string name) => TlsPeer.AcceptAsync(harness.AcceptSocketAsync(), _authority.Issue(name));

    /// <summary>One request to a server with this certificate, on a connection that is not kept.</summary>
    private static async Task<string> AnsweredAsync(HostHarness harness, X509Certificate2 certificate, string? sni = null)
    {
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        await using TlsPeer server = await TlsPeer.AcceptAsync(harness.AcceptSocketAsync(), certificate);
        Assert.Equal(sni ?? "a.test", server.ServerName);
        await server.ReadUntilAsync("\r\n\r\n");
        await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        return await client.ReadUntilAsync("\r\n\r\nok");
    }

    /// <summary>The answer to a request whose server shows a certificate that we must not accept.</summary>
    private static async Task<string> RefusedAsync(HostHarness harness, X509Certificate2 certificate)
    {
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        Task<Socket> accepting = harness.AcceptSocketAsync();
        Task server = ServeRefusedAsync();
        string answer = await client.ReadUntilAsync("TLS_error_end");
        await server;
        return answer;

        async Task ServeRefusedAsync()
        {
            try
            {
                await using TlsPeer peer = await TlsPeer.AcceptAsync(accepting, certificate);
                Assert.Equal("", await peer.ReadUntilAsync("\r\n\r\n")); // not a byte of the request
            }
            catch (Exception refusal) when (refusal is IOException or System.Security.Authentication.AuthenticationException)
            {
                // As it should be.
            }
        }
    }
}

public sealed class UpstreamTlsOnEpollTests() : UpstreamTlsTests(TransportKind.Epoll);

public sealed class UpstreamTlsOnSocketsTests() : UpstreamTlsTests(TransportKind.Sockets);
