using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Mesh.Testing;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>Real TLS clients and servers around a sidecar that has no certificate: it sends connections where their server name says, and decrypts nothing.</summary>
public sealed class ServerNameTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority = new();

    public void Dispose()
    {
        _scratch.Dispose();
        _authority.Dispose();
    }

    [Fact]
    [EffectOf("ServiceEntry", "hosts")]
    [EffectOf("VirtualService", "tls.match.sniHosts")]
    [EffectOf("VirtualService", "tls.match.port")]
    public async Task TwoServices_OnOnePort_AreToldApart_AndARouteMovesOne()
    {
        await using Server first = new(_authority.Issue("first.example", "moved.example"), "I am the first");
        await using Server second = new(_authority.Issue("second.example", "moved.example"), "I am the second");
        int port = FreePort();
        string log = Path.Combine(_scratch.Path, "access.log");
        WriteRules(first, second, port);
        await using MeshProcess sidecar = MeshProcess.Sidecar(
            "--rules", Path.Combine(_scratch.Path, "rules"), "--service", "caller:8080", "--app", "127.0.0.1:9", "--access-log", log, "--access-log-format", "json");
        Uri outbound = await sidecar.AddressAsync("outbound");
        await Eventually.TrueAsync(async () => await TryConnectAsync(port) is { } probe && Close(probe), () => $"no listener on port {port}: {sidecar.Errors}");

        Assert.Equal("I am the first", await AskAsync("first.example", await ConnectAsync(port)));
        Assert.Equal("I am the second", await AskAsync("second.example", await ConnectAsync(port)));
        Assert.Equal("I am the second", await AskAsync("moved.example", await ConnectAsync(port)));
        await Assert.ThrowsAnyAsync<IOException>(async () => await AskAsync("unknown.example", await ConnectAsync(port)));
        Assert.Equal("I am the second", await AskAsync("moved.example", await TunnelAsync(outbound, $"moved.example:{port}")));

        Assert.Equal(
            ["first.example outbound|P||first.example -", "moved.example outbound|P||second.example -", "second.example outbound|P||second.example -", "unknown.example  NR"],
            await LoggedAsync(log, port));
        Assert.Equal(["moved.example", "first.example", "moved.example", "second.example"], await DumpedAsync(await sidecar.AddressAsync("admin")));
        await Proxied.AssertNoBugAsync(sidecar);
    }

    /// <summary>Server names of the one TCP listener, as config_dump shows its routes.</summary>
    private static async Task<string[]> DumpedAsync(Uri admin)
    {
        using HttpClient client = Proxied.Direct();
        using JsonDocument page = JsonDocument.Parse(await client.GetStringAsync(new Uri(admin, "/config_dump")));
        JsonElement listener = Assert.Single(page.RootElement.GetProperty("listeners").EnumerateArray(), static l => l.TryGetProperty("routes", out _));
        Assert.True(listener.GetProperty("tls_inspector").GetBoolean());
        return [.. listener.GetProperty("routes").EnumerateArray().Select(static r => Text(r, "server_name"))];
    }

    private void WriteRules(Server first, Server second, int port)
    {
        _scratch.Folder("rules");
        _scratch.File("rules/first.yaml", Entry("first", "[first.example, moved.example]", first.Port, port));
        _scratch.File("rules/second.yaml", Entry("second", "[second.example]", second.Port, port));
        _scratch.File("rules/vs.yaml", $$"""
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: move}
            spec:
              hosts: [moved.example]
              tls:
              - match: [{sniHosts: [moved.example], port: 1}]
                route: [{destination: {host: first.example} }]
              - match: [{sniHosts: [moved.example], port: {{port}} }]
                route: [{destination: {host: second.example} }]
            """);
    }

    private static string Entry(string name, string hosts, int server, int port) => $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: {{name}} }
        spec:
          hosts: {{hosts}}
          ports: [{number: {{port}}, name: tls, protocol: TLS, targetPort: {{server}} }]
          resolution: STATIC
          endpoints: [{address: 127.0.0.1}]
        """;

    /// <summary>The TLS connections of the log: server name, cluster, flags; in order of the name.</summary>
    private static async Task<string[]> LoggedAsync(string log, int port)
    {
        string[] lines = [];
        await Eventually.TrueAsync(
            async () =>
            {
                using StreamReader reader = new(new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
                JsonElement[] all = [.. (await reader.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static l => JsonDocument.Parse(l).RootElement)];
                lines =
                [
                    .. all.Where(static e => e.GetProperty("requested_server_name").ValueKind == JsonValueKind.String)
                        .Select(static e => $"{Text(e, "requested_server_name")} {Text(e, "upstream_cluster")} {Text(e, "response_flags")}".Replace("  -", " -", StringComparison.Ordinal))
                        .Select(l => l.Replace($"|{port}|", "|P|", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
                ];
                return lines.Length >= 4;
            },
            () => $"only these connections are logged: {string.Join("; ", lines)}");
        return lines;
    }

    private static string Text(JsonElement line, string key) => line.GetProperty(key).GetString() ?? "";

    /// <summary>Shakes hands for a name, with a certificate that must be the server's own, and asks who is there.</summary>
    private async Task<string> AskAsync(string name, Socket socket)
    {
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(_authority.Root);
        await using SslStream tls = new(new NetworkStream(socket, ownsSocket: true));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = name, CertificateChainPolicy = policy }).WaitAsync(Patience);
        using StreamReader reader = new(tls, Encoding.ASCII);
        return await reader.ReadToEndAsync().WaitAsync(Patience);
    }

    private static async Task<Socket> TunnelAsync(Uri outbound, string target)
    {
        Socket socket = await ConnectAsync(outbound.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"));
        byte[] answer = new byte["HTTP/1.1 200 OK\r\n\r\n".Length];
        for (int at = 0; at < answer.Length;)
        {
            int read = await socket.ReceiveAsync(answer.AsMemory(at)).AsTask().WaitAsync(Patience);
            Assert.NotEqual(0, read);
            at += read;
        }

        Assert.StartsWith("HTTP/1.1 200 ", Encoding.ASCII.GetString(answer), StringComparison.Ordinal);
        return socket;
    }

    private static async Task<Socket> ConnectAsync(int port) => await TryConnectAsync(port) ?? throw new IOException($"nobody listens on port {port}");

    private static async Task<Socket?> TryConnectAsync(int port)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port).WaitAsync(Patience);
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    private static bool Close(Socket socket)
    {
        socket.Dispose();
        return true;
    }

    private static int FreePort()
    {
        using TcpListener probe = new(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    /// <summary>Says who it is to everybody who speaks TLS, and ends the connection.</summary>
    private sealed class Server : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly X509Certificate2 _certificate;
        private readonly byte[] _answer;
        private readonly Task _serving;

        public Server(X509Certificate2 certificate, string answer)
        {
            (_certificate, _answer) = (certificate, Encoding.ASCII.GetBytes(answer));
            _listener.Start();
            _serving = ServeAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _serving.WaitAsync(Patience);
            _certificate.Dispose();
        }

        private async Task ServeAsync()
        {
            while (true)
            {
                try
                {
                    await using SslStream tls = new(new NetworkStream(await _listener.AcceptSocketAsync(), ownsSocket: true));
                    await tls.AuthenticateAsServerAsync(_certificate).WaitAsync(Patience);
                    await tls.WriteAsync(_answer);
                    await tls.ShutdownAsync();
                }
                catch (Exception stopped) when (stopped is SocketException or ObjectDisposedException)
                {
                    return;
                }
                catch (Exception broken) when (broken is IOException or System.Security.Authentication.AuthenticationException)
                {
                    // A client that did not mean it.
                }
            }
        }
    }
}
