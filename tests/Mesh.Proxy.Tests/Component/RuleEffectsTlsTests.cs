using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Mesh.Proxy.Tests.Hosting;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Compilation;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>tls and tcpKeepalive of a DestinationRule, from their text to a real socket; .NET's own TLS is the server.</summary>
public sealed class RuleEffectsTlsTests : IDisposable
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

    private readonly TestAuthority _authority = new();

    public void Dispose() => _authority.Dispose();

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.tls.mode")]
    [EffectOf("DestinationRule", "trafficPolicy.tls.caCertificates")]
    [InlineData("{mode: SIMPLE, caCertificates: ROOT}", "a.test", true)]
    [InlineData("{mode: SIMPLE, caCertificates: STRANGER}", "a.test", false)]
    [EffectOf("DestinationRule", "trafficPolicy.tls.subjectAltNames")]
    [InlineData("{mode: SIMPLE, caCertificates: ROOT, subjectAltNames: [x.test, b.test]}", "b.test", true)]
    [InlineData("{mode: SIMPLE, caCertificates: ROOT, subjectAltNames: [x.test, b.test]}", "a.test", false)]
    [EffectOf("DestinationRule", "trafficPolicy.tls.insecureSkipVerify")]
    [InlineData("{mode: SIMPLE, insecureSkipVerify: true}", "c.test", true)]
    [InlineData("{mode: SIMPLE, caCertificates: ROOT}", "c.test", false)]
    [EffectOf("DestinationRule", "trafficPolicy.tls.caCrl")]
    [InlineData("{mode: SIMPLE, caCertificates: ROOT, caCrl: REVOKED}", "a.test", false)]
    public async Task Certificate_IsAcceptedOrNot(string tls, string name, bool isAccepted)
    {
        using TestAuthority stranger = new("stranger");
        using X509Certificate2 certificate = _authority.Issue(name);
        await using HostHarness harness = await StartAsync(RuleTexts.Policy("tls: " + tls
            .Replace("ROOT", _authority.RootFile, StringComparison.Ordinal).Replace("STRANGER", stranger.RootFile, StringComparison.Ordinal)
            .Replace("REVOKED", _authority.WriteRevocations(certificate), StringComparison.Ordinal)));

        Assert.Equal(isAccepted, await IsServedAsync(harness, certificate));
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.tls.sni")]
    [InlineData("", "a.test")]
    [InlineData(", sni: other.test", "other.test")]
    public async Task Sni_IsSent(string field, string name)
    {
        await using HostHarness harness = await StartAsync(RuleTexts.Policy($"tls: {{mode: SIMPLE, caCertificates: {_authority.RootFile}{field}}}"));
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);

        await using TlsPeer server = await TlsPeer.AcceptAsync(harness.AcceptSocketAsync(), _authority.Issue(name));

        Assert.Equal(name, server.ServerName);
    }

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.tls.mode")]
    [EffectOf("DestinationRule", "trafficPolicy.tls.clientCertificate")]
    [EffectOf("DestinationRule", "trafficPolicy.tls.privateKey")]
    public async Task ClientCertificate_IsShown()
    {
        (string certificate, string key) = _authority.WritePair("client", _authority.Issue("me.test"));
        await using HostHarness harness = await StartAsync(
            RuleTexts.Policy($"tls: {{mode: MUTUAL, caCertificates: {_authority.RootFile}, clientCertificate: {certificate}, privateKey: {key}}}"));
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);

        await using TlsPeer server = await TlsPeer.AcceptAsync(harness.AcceptSocketAsync(), _authority.Issue("a.test"), _authority.Root);

        Assert.Equal("CN=me.test", server.ClientSubject);
    }

    [Theory]
    [EffectOf("DestinationRule", "trafficPolicy.tls.credentialName")]
    [InlineData("workloadSelector: {matchLabels: {app: caller}}", true)]
    [InlineData("exportTo: ['.']", false)] // without a selector it is for gateways: the system's CAs hold, which do not know this one
    public async Task Credential_IsTheMountedSecret(string scope, bool isUsed)
    {
        string secrets = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(_authority.RootFile)!, "secrets")).FullName;
        string secret = Directory.CreateDirectory(Path.Combine(secrets, "partner")).FullName;
        (string certificate, string key) = _authority.WritePair("client", _authority.Issue("me.test"));
        File.Copy(_authority.RootFile, Path.Combine(secret, "ca.crt"), overwrite: true);
        File.Copy(certificate, Path.Combine(secret, "tls.crt"), overwrite: true);
        File.Copy(key, Path.Combine(secret, "tls.key"), overwrite: true);
        string rule = RuleTexts.Destination($"host: a.test\n{scope}\ntrafficPolicy: {{tls: {{mode: MUTUAL, credentialName: partner}}}}");
        ClusterConfig config = new SnapshotCompiler().Compile(RuleTexts.Caller with { Credentials = secrets }, RuleTexts.View(RuleTexts.Services, rule), "v").Snapshot.Clusters["outbound|80||a.test"];
        await using HostHarness harness = await HostHarness.StartAsync(_ => config with { Name = HostHarness.Name });

        Assert.Equal(isUsed, await IsServedAsync(harness, _authority.Issue("a.test")));
    }

    [Theory]
    [InlineData("tls: {mode: DISABLE}", "", false)]
    [EffectOf("DestinationRule", "trafficPolicy.portLevelSettings.tls")]
    [InlineData("tls: {mode: DISABLE}\nportLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE, caCertificates: ROOT}}]", "", true)]
    [InlineData("tls: {mode: SIMPLE, caCertificates: ROOT}\nportLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]", "", false)]
    [EffectOf("DestinationRule", "subsets.trafficPolicy.tls")]
    [InlineData("tls: {mode: DISABLE}", "tls: {mode: SIMPLE, caCertificates: ROOT}", true)]
    [InlineData("tls: {mode: SIMPLE, caCertificates: ROOT}", "tls: {mode: DISABLE}", false)]
    public async Task Tls_OfTheNarrowestPlace_Holds(string ofRule, string ofSubset, bool isTls)
    {
        string rule = $"host: a.test\ntrafficPolicy:\n  {ofRule.Replace("\n", "\n  ", StringComparison.Ordinal)}\nsubsets:\n- name: v1\n  labels: {{version: v1}}\n  trafficPolicy: {{{ofSubset}}}";
        await using HostHarness harness = await StartAsync(
            RuleTexts.Destination(rule.Replace("ROOT", _authority.RootFile, StringComparison.Ordinal).Replace("\n  trafficPolicy: {}", "", StringComparison.Ordinal)),
            ofSubset.Length > 0 ? "v1" : "");
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        using SocketPeer server = await harness.AcceptAsync();

        Assert.Equal(isTls ? '\u0016' : 'G', (await server.ReadUntilAsync("a.test"))[0]);
    }

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.tcpKeepalive.probes")]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.tcpKeepalive.time")]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.tcpKeepalive.interval")]
    public async Task TcpKeepalive_IsSetOnTheSocket()
    {
        ClusterConfig config = Compile(RuleTexts.Policy("connectionPool: {tcp: {tcpKeepalive: {probes: 4, time: 300s, interval: 45s}}}"), "");
        using TcpListener server = new(IPAddress.Loopback, 0);
        server.Start();

        using SocketUpstreamConnector connector = new(NullLoggerFactory.Instance);

        ConnectResult result = await connector.ConnectAsync(server.LocalEndpoint, config.Connection.TcpKeepalive, null, CancellationToken.None);

        Socket socket = result.Connection!.Features.Get<IConnectionSocketFeature>()!.Socket;
        Assert.Equal(
            (4, 300, 45, true),
            ((int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount)!,
            (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime)!,
            (int)socket.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval)!,
            (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive)! != 0));
        await result.Connection.DisposeAsync();
    }

    private static ClusterConfig Compile(string rule, string subset) =>
        new SnapshotCompiler().Compile(RuleTexts.Caller, RuleTexts.View(RuleTexts.Services, rule), "v").Snapshot.Clusters[$"outbound|80|{subset}|a.test"];

    private static Task<HostHarness> StartAsync(string rule, string subset = "") => HostHarness.StartAsync(_ => Compile(rule, subset) with { Name = HostHarness.Name });

    /// <summary>Whether a request reaches a server with this certificate and its answer comes back.</summary>
    private static async Task<bool> IsServedAsync(HostHarness harness, X509Certificate2 certificate)
    {
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(Get);
        try
        {
            await using TlsPeer server = await TlsPeer.AcceptAsync(harness.AcceptSocketAsync(), certificate);
            await server.ReadUntilAsync("\r\n\r\n");
            await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
        catch (Exception refused) when (refused is IOException or System.Security.Authentication.AuthenticationException)
        {
            return false;
        }

        return (await client.ReadUntilAsync("\r\n\r\n")).Contains(" 200 OK\r\n", StringComparison.Ordinal);
    }
}
