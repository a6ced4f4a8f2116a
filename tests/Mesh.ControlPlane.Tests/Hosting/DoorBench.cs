using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Tests.Kubernetes;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.ControlPlane.Tests.Hosting;

/// <summary>
/// A control plane in namespace mesh of an <see cref="ApiDouble"/>, at an address that others can reach, and clients that trust what the ConfigMap of namespace shop says. A token is
/// the account "NAMESPACE/ACCOUNT" or the pod "NAMESPACE/ACCOUNT/POD" that it is good for.
/// </summary>
internal sealed class DoorBench : IAsyncDisposable
{
    private readonly ServerBench _bench = new();
    private readonly ClusterSource _cluster;
    private HttpClient? _client;

    private DoorBench(ApiDouble server)
    {
        Server = server;
        _cluster = new ClusterSource(server.Server, "me", (TimeProvider.System, new Random(1), NullLoggerFactory.Instance));
    }

    public ApiDouble Server { get; }

    public ServerBench Bench => _bench;

    /// <summary>Clock of the certificates; it is 2030 there.</summary>
    public FakeTimeProvider Time { get; } = new();

    public HttpClient Client => _client!;

    /// <summary>A control plane that may not be ready yet.</summary>
    public static async Task<DoorBench> CreateAsync(Action<ApiDouble>? prepare = null, params string[] arguments)
    {
        ApiDouble server = await ApiDouble.StartAsync();
        server.ServeAll();
        server.Judge = static token => Task.FromResult(Judge(token));
        foreach (string space in (string[])["mesh", "shop", "kube-system"])
        {
            server.Objects.Put("", "namespaces", $"{{metadata: {{name: {space}}}, status: {{phase: Active}}}}");
        }

        prepare?.Invoke(server);
        DoorBench bench = new(server);
        string[] line = ["serve", "--kubernetes", "--listen", "0.0.0.0:0", "--webhook-service", "mesh-control-plane.mesh", .. arguments];
        await bench._bench.StartAsync(CommandLine.Read(line, static _ => null).Options!, static _ => { }, bench._cluster, bench.Time);
        return bench;
    }

    /// <summary>A control plane that is ready, and whose root a pod in namespace shop can mount.</summary>
    public static async Task<DoorBench> StartAsync(params string[] arguments)
    {
        DoorBench bench = await CreateAsync(null, arguments);
        await bench.IsReadyAsync();
        await Eventually.HoldsAsync(() => bench.Root is not null, "the root is in the namespace");
        bench._client = bench.NewClient(static _ => { });
        return bench;
    }

    /// <summary>What a pod in namespace shop mounts.</summary>
    public string? Root => (string?)Server.Objects.Get("", "configmaps", RootConfigMaps.Name, "shop")?["data"]?[RootConfigMaps.Key];

    public static string Token(string account) => ReviewStatus.Token(account);

    /// <summary>Thumbprint of the certificate that a new connection, which trusts the ConfigMap as it is now, is shown.</summary>
    public async Task<string> ShownToANewConnectionAsync()
    {
        string shown = "";
        using HttpClient client = NewClient(thumbprint => shown = thumbprint);
        using HttpResponseMessage answer = await client.GetAsync("/");
        return shown;
    }

    private HttpClient NewClient(Action<string> show)
    {
        int port = new Uri(_bench.Printed[0]["api listening on ".Length..]).Port;
        X509ChainPolicy policy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            VerificationTimeIgnored = false,
            VerificationTime = Time.GetUtcNow().UtcDateTime,
        };
        policy.CustomTrustStore.ImportFromPem(Root);
        SocketsHttpHandler handler = new()
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
            SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = policy,
                RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                {
                    show(((X509Certificate2)certificate!).Thumbprint);
                    return errors == SslPolicyErrors.None;
                },
            },
        };
        return new HttpClient(handler) { BaseAddress = new Uri($"https://mesh-control-plane.mesh.svc:{port}"), Timeout = ServerBench.Patience };
    }

    public async Task IsReadyAsync()
    {
        string answer = "";
        using CancellationTokenSource deadline = new(ServerBench.Patience, TimeProvider.System);
        while (answer != "ok\n")
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, deadline.Token);
            answer = await _bench.Client.GetStringOrErrorAsync(new Uri(_bench.Metrics, "/readyz"));
        }
    }

    /// <summary>A call with a token; null for none.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? token, HttpContent? body = null)
    {
        using HttpRequestMessage request = new(method, path) { Content = body };
        request.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    public async Task<(HttpStatusCode Status, string Text)> CallAsync(HttpMethod method, string path, string? token, HttpContent? body = null)
    {
        using HttpResponseMessage answer = await SendAsync(method, path, token, body);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    public Task<(HttpStatusCode Status, string Text)> RegisterAsync(string token, string space = "shop", string? node = null) => CallAsync(
        HttpMethod.Post,
        "/mesh/v1/sidecars",
        token,
        JsonContent.Create(
            new SidecarRegistration { Node = node, Service = "products", Namespace = space, Port = 8080, Address = "10.0.0.1:15006" },
            WireJson.Default.SidecarRegistration));

    public async Task<ServerBench.PushReader> FollowAsync(string id, string token)
    {
        HttpResponseMessage answer = await SendAsync(HttpMethod.Get, $"/mesh/v1/sidecars/{id}/stream", token);
        answer.EnsureSuccessStatusCode();
        return new ServerBench.PushReader(answer, await answer.Content.ReadAsStreamAsync());
    }

    public async Task<string> MetricsAsync() => await _bench.Client.GetStringAsync(new Uri(_bench.Metrics, "/metrics"));

    public async ValueTask DisposeAsync()
    {
        _client?.Dispose();
        await _bench.DisposeAsync();
        _cluster.Dispose();
        await Server.DisposeAsync();
    }

    private static JsonObject Judge(string token)
    {
        string payload = token.Split('.')[1].Replace('-', '+').Replace('_', '/');
        byte[] claims = Convert.FromBase64String(payload.PadRight((payload.Length + 3) / 4 * 4, '='));
        return ((string?)JsonNode.Parse(claims)!["sub"])!.Split('/') switch
        {
            [var space, var account] => ReviewStatus.Known(space, account),
            [var space, var account, var pod] => ReviewStatus.Known(space, account, pod),
            _ => ReviewStatus.Unknown(),
        };
    }
}
