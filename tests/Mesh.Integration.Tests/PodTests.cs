using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.Testing;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>A sidecar as injection starts it, with a control plane behind TLS and a token: it finds its own services, port by port. What the kernel does is in tests/tools.</summary>
public sealed class PodTests : IDisposable
{
    private const string Secret = "a-secret-of-this-test";
    private const string Kinds = "/apis/networking.istio.io/v1/namespaces/shop/";
    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority = new();

    public void Dispose()
    {
        _authority.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.maxConnections")]
    public async Task Pod_TwoPorts_BothHaveTheLimitsOfTheirRules()
    {
        string token = _scratch.File("token", "not-yet\n");
        await using MeshProcess control = ControlPlane();
        Uri api = await control.AddressAsync("api");
        using HttpClient kubectl = Kubectl();
        await ApplyAsync(kubectl, api, "serviceentries/orders", Service("orders", 8080, "HTTP"));
        await ApplyAsync(kubectl, api, "serviceentries/stock", Service("stock", 9090, "TCP"));
        await ApplyAsync(kubectl, api, "destinationrules/orders", Limit("orders", 3));
        await ApplyAsync(kubectl, api, "destinationrules/stock", Limit("stock", 4));
        await using MeshProcess sidecar = Pod(api, token);
        Uri admin = await sidecar.AddressAsync("admin"), health = await sidecar.AddressAsync("health");

        await Eventually.TrueAsync(() => sidecar.Errors.Contains("401", StringComparison.Ordinal), () => $"the token should be refused: {sidecar.Errors}");
        Assert.Equal(1, await WaitAsync(health, "200ms"));
        File.Move(_scratch.File("token.new", Secret + "\n"), token, overwrite: true); // kubelet replaces it

        Assert.Equal(0, await WaitAsync(health, "30s"));
        await Eventually.TrueAsync(
            async () => await PageAsync(admin, "/clusters") is { } page
                && page.Contains("inbound|8080||::default_priority::max_connections::3\n", StringComparison.Ordinal)
                && page.Contains("inbound|9090||::default_priority::max_connections::4\n", StringComparison.Ordinal),
            () => $"the limits of both ports are not in force: {sidecar.Errors}");

        string listed = await kubectl.GetStringAsync(new Uri(api, "/mesh/v1/sidecars"));
        Assert.Contains("\"id\":\"orders-1.shop\"", listed.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("svc.cluster.local", await kubectl.GetStringAsync(new Uri(api, "/mesh/v1/endpoints")), StringComparison.Ordinal); // it is no endpoint by itself

        await ApplyAsync(kubectl, api, "destinationrules/stock", Limit("stock", 5));
        await Eventually.TrueAsync(
            async () => (await PageAsync(admin, "/clusters")).Contains("inbound|9090||::default_priority::max_connections::5\n", StringComparison.Ordinal),
            () => "the changed rule is not in force");
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task Drain_FromItsHook_ThenSigterm_EndsItAtOnce()
    {
        await using MeshProcess control = ControlPlane();
        await using MeshProcess sidecar = Pod(await control.AddressAsync("api"), _scratch.File("token", Secret));
        Uri health = await sidecar.AddressAsync("health"), agent = await sidecar.AddressAsync("agent");
        Assert.Equal(0, await WaitAsync(health, "30s"));

        await using MeshProcess hook = MeshProcess.Start("Mesh.Sidecar", "drain", "--url", new Uri(agent, "/drain").ToString());
        Assert.Equal(0, await hook.ExitCodeAsync());
        Assert.Equal(1, await WaitAsync(health, "200ms"));
        sidecar.Terminate();

        Assert.Equal(0, await sidecar.ExitCodeAsync());
    }

    [Fact]
    public async Task ForeignRoot_IsSaid_AndTheSidecarWaits()
    {
        using TestAuthority other = new("other root");
        await using MeshProcess control = ControlPlane();
        Uri api = await control.AddressAsync("api");
        await using MeshProcess sidecar = Pod(api, _scratch.File("token", Secret), other.RootFile);

        await Eventually.TrueAsync(
            () => sidecar.Errors.Contains($"not signed by a root in {other.RootFile}", StringComparison.Ordinal), () => $"the foreign root is not named: {sidecar.Errors}");
    }

    private static string Service(string name, int port, string protocol) => $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: {{name}} }
        spec:
          hosts: [{{name}}.example]
          addresses: [192.0.2.{{port % 250}}]
          resolution: STATIC
          location: MESH_INTERNAL
          ports: [{number: 80, name: main, protocol: {{protocol}} }]
          endpoints: [{address: 127.0.0.1, ports: {main: {{port}} } }]
        """;

    private static string Limit(string name, int most) => $$"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: {{name}} }
        spec: {host: {{name}}.example, trafficPolicy: {connectionPool: {tcp: {maxConnections: {{most}} } } } }
        """;

    private static async Task ApplyAsync(HttpClient kubectl, Uri api, string path, string yaml)
    {
        using StringContent body = new(yaml, Encoding.UTF8, "application/apply-patch+yaml");
        using HttpResponseMessage answer = await kubectl.PatchAsync(new Uri(api, $"{Kinds}{path}?fieldManager=test&force=true"), body);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<int> WaitAsync(Uri health, string timeout)
    {
        await using MeshProcess wait = MeshProcess.Start("Mesh.Sidecar", "wait", "--url", new Uri(health, "/healthz/ready").ToString(), "--timeout", timeout);
        return await wait.ExitCodeAsync();
    }

    private static async Task<string> PageAsync(Uri admin, string path)
    {
        using HttpClient client = Proxied.Direct();
        return await client.GetStringAsync(new Uri(admin, path));
    }

    private HttpClient Kubectl()
    {
        X509Certificate2 root = _authority.Root;
        SocketsHttpHandler handler = new() { UseProxy = false };
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, CustomTrustStore = { root } };
        return new HttpClient(handler) { DefaultRequestHeaders = { { "Authorization", "Bearer " + Secret } } };
    }

    private MeshProcess ControlPlane()
    {
        (string certificate, string key) = _authority.WritePair("control", _authority.Issue("127.0.0.1"));
        return MeshProcess.Start(
            "Mesh.ControlPlane", "serve", "--listen", "127.0.0.1:0", "--data", Path.Combine(_scratch.Path, "data"),
            "--tls-cert", certificate, "--tls-key", key, "--token-file", _scratch.File("tokens", Secret));
    }

    // Nothing redirects here, so its own listeners are on loopback; the pod's address is one that its services have too.
    private MeshProcess Pod(Uri api, string token, string? roots = null) => MeshProcess.Sidecar(
        "--pod", "orders-1.shop", "--pod-ips", "127.0.0.1", "--agent", "127.0.0.1:0", "--state", _scratch.Folder("state"),
        "--control-plane", $"https://{api.Authority}", "--control-plane-ca", roots ?? _authority.RootFile, "--control-plane-token", token);
}
