using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Tests.Kubernetes;
using Mesh.ControlPlane.Tests.Store;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Hosting;

/// <summary>An injected sidecar before the door of the control plane: over TLS that it trusts by its namespace's ConfigMap, with the token of its pod.</summary>
public sealed class ClusterDoorTests
{
    private static readonly string Pod = DoorBench.Token("shop/products/products-1");

    [Fact]
    public async Task Sidecar_WithItsPodsToken_IsServedFromRegistrationToLeave()
    {
        await using DoorBench bench = await DoorBench.StartAsync();

        (HttpStatusCode status, string text) = await bench.RegisterAsync(Pod);
        Assert.Equal(HttpStatusCode.Created, status);
        Assert.Contains("\"id\":\"products-1.shop\"", text, StringComparison.Ordinal);
        await using ServerBench.PushReader stream = await bench.FollowAsync("products-1.shop", Pod);
        PushMessage push = (await stream.NextAsync())!;

        Assert.Equal(HttpStatusCode.NoContent, (await bench.CallAsync(HttpMethod.Post, "/mesh/v1/sidecars/products-1.shop/ack", Pod, Json($$"""{"version":"{{push.Version}}","accepted":true}"""))).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await bench.CallAsync(HttpMethod.Post, "/mesh/v1/sidecars/products-1.shop/report", Pod, Json("{}"))).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await bench.CallAsync(HttpMethod.Delete, "/mesh/v1/sidecars/products-1.shop", Pod)).Status);
        Assert.Equal(1, bench.Server.Count("tokenreviews"));
    }

    [Fact]
    public async Task Sidecar_ComesWithItsRotatedToken_IsTheSame()
    {
        await using DoorBench bench = await DoorBench.StartAsync();
        await bench.RegisterAsync(Pod);

        string rotated = DoorBench.Token("shop/products/products-1") + "x"; // another signature

        Assert.Equal(HttpStatusCode.NoContent, (await bench.CallAsync(HttpMethod.Post, "/mesh/v1/sidecars/products-1.shop/report", rotated, Json("{}"))).Status);
        Assert.Equal(2, bench.Server.Count("tokenreviews"));
    }

    [Theory]
    [InlineData("shop/products/products-1", "store", null, "may register into its own namespace only, not into 'store'; write shop")]
    [InlineData("shop/products/products-1", "shop", "products-2.shop", "may register as 'products-1.shop' only, not as 'products-2.shop'")]
    [InlineData("shop/products/products-1", "shop", "products-1", "may register as 'products-1.shop' only")]
    [InlineData("shop/products", "mesh", null, "may register into its own namespace only")]
    [InlineData("shop/products", "shop", "products-1.store", "may not register as 'products-1.store', which names another namespace; write an id without a dot, or one that ends in .shop")]
    [InlineData("shop/products", "shop", "delivery-1.shop", "'delivery-1.shop' was registered by another")]
    [InlineData("mesh/operators", "shop", null, "may register into its own namespace only")]
    public async Task Register_AsAnother_IsRefused(string account, string space, string? node, string expected)
    {
        await using DoorBench bench = await DoorBench.StartAsync();
        await bench.RegisterAsync(DoorBench.Token("shop/delivery/delivery-1"));

        (HttpStatusCode status, string text) = await bench.RegisterAsync(DoorBench.Token(account), space, node);

        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Contains(expected, text, StringComparison.Ordinal);
        Assert.Contains("\nmesh_door_refusals_total{reason=\"identity\"} 1\n", await bench.MetricsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Register_WithoutAPod_HasItsServiceAccountsIdsButAPodTakesItsOwnBack()
    {
        await using DoorBench bench = await DoorBench.StartAsync();
        string account = DoorBench.Token("shop/products");

        Assert.Equal(HttpStatusCode.Created, (await bench.RegisterAsync(account, node: "vm-1")).Status);
        Assert.Equal(HttpStatusCode.Created, (await bench.RegisterAsync(account, node: "vm-1")).Status); // it comes back
        Assert.Equal(HttpStatusCode.Created, (await bench.RegisterAsync(account, node: "products-1.shop")).Status);
        Assert.Equal(HttpStatusCode.Created, (await bench.RegisterAsync(Pod)).Status);

        Assert.Equal(HttpStatusCode.Forbidden, (await bench.CallAsync(HttpMethod.Delete, "/mesh/v1/sidecars/products-1.shop", account)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await bench.CallAsync(HttpMethod.Delete, "/mesh/v1/sidecars/vm-1", account)).Status);
    }

    [Theory]
    [InlineData("GET", "/stream", "")]
    [InlineData("POST", "/ack", """{"version":"1","accepted":true}""")]
    [InlineData("POST", "/report", "{}")]
    [InlineData("DELETE", "", "")]
    public async Task Call_ForAnothersSidecar_IsRefused(string method, string path, string body)
    {
        await using DoorBench bench = await DoorBench.StartAsync();
        await bench.RegisterAsync(Pod);

        foreach (string other in (string[])["shop/products/products-2", "shop/products", "store/products/products-1"])
        {
            (HttpStatusCode status, string text) = await bench.CallAsync(new HttpMethod(method), $"/mesh/v1/sidecars/products-1.shop{path}", DoorBench.Token(other), Json(body));

            Assert.Equal(HttpStatusCode.Forbidden, status);
            Assert.Contains("'products-1.shop' was registered by another than", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/ack", """{"version":"1","accepted":true}""")]
    [InlineData("/report", "{}")]
    public async Task Call_IdBecomesAnothersWhileTheBodyComes_IsRefused(string path, string body)
    {
        await using DoorBench bench = await DoorBench.StartAsync();
        string account = DoorBench.Token("shop/products");
        await bench.RegisterAsync(account, node: "products-1.shop");
        using SlowBody slow = new(body);

        Task<(HttpStatusCode Status, string Text)> call = bench.CallAsync(HttpMethod.Post, $"/mesh/v1/sidecars/products-1.shop{path}", account + "x", slow); // another signature
        await Eventually.HoldsAsync(() => bench.Server.Count("tokenreviews") == 2, "the call is judged");
        await bench.RegisterAsync(Pod); // takes its own id back
        slow.Rest.SetResult();

        Assert.Equal(HttpStatusCode.Forbidden, (await call.WaitAsync(ServerBench.Patience)).Status);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/mesh/v1/sidecars")]
    [InlineData("/mesh/v1/endpoints")]
    [InlineData("/anything/else")]
    public async Task Page_IsForOperatorsOnly(string path)
    {
        await using DoorBench bench = await DoorBench.StartAsync();

        (HttpStatusCode refused, string text) = await bench.CallAsync(HttpMethod.Get, path, Pod);
        (HttpStatusCode operators, _) = await bench.CallAsync(HttpMethod.Get, path, DoorBench.Token("mesh/operators"));

        Assert.Equal(HttpStatusCode.Forbidden, refused);
        Assert.EndsWith("send the token of a service account for the audience mesh-control-plane, in namespace mesh\n", text, StringComparison.Ordinal);
        Assert.Equal(path == "/anything/else" ? HttpStatusCode.NotFound : HttpStatusCode.OK, operators);
        Assert.Contains("\nmesh_door_refusals_total{reason=\"route\"} 1\n", await bench.MetricsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_MissingOrBad_IsRefusedWithWhatToSend()
    {
        await using DoorBench bench = await DoorBench.StartAsync();

        using HttpResponseMessage missing = await bench.SendAsync(HttpMethod.Get, "/", null);
        (HttpStatusCode bad, string text) = await bench.RegisterAsync(DoorBench.Token("unknown"));

        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (missing.StatusCode, bad));
        Assert.Equal("Bearer", missing.Headers.WwwAuthenticate.ToString());
        Assert.StartsWith("the request has no token; send 'Authorization: Bearer TOKEN' with the token of a service account", await missing.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.StartsWith("the API server does not know the token: [invalid bearer token, unknown]; send ", text, StringComparison.Ordinal);
        string metrics = await bench.MetricsAsync();
        Assert.Contains("\nmesh_door_refusals_total{reason=\"missing\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("\nmesh_door_refusals_total{reason=\"token\"} 1\n", metrics, StringComparison.Ordinal);
        Assert.Contains("\nmesh_token_reviews_total 1\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_ApiServerAway_NewOnesComeAgainAndKnownOnesStay()
    {
        await using DoorBench bench = await DoorBench.StartAsync();
        await bench.RegisterAsync(Pod);
        bench.Server.Fail("tokenreviews", 500);

        using HttpResponseMessage stranger = await bench.SendAsync(HttpMethod.Get, "/", DoorBench.Token("shop/products/products-2"));
        (HttpStatusCode known, _) = await bench.CallAsync(HttpMethod.Post, "/mesh/v1/sidecars/products-1.shop/report", Pod, Json("{}"));

        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.NoContent), (stranger.StatusCode, known));
        Assert.Equal("1", Assert.Single(stranger.Headers.GetValues("Retry-After")));
        Assert.Contains("\nmesh_token_review_failures_total 1\n", await bench.MetricsAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TokenFile_OpensEveryPageBesideServiceAccounts()
    {
        string file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "correct-horse-battery-staple");
        await using DoorBench bench = await DoorBench.StartAsync("--token-file", file);

        Assert.Equal(HttpStatusCode.OK, (await bench.CallAsync(HttpMethod.Get, "/", "correct-horse-battery-staple")).Status);
        Assert.Equal(HttpStatusCode.Created, (await bench.RegisterAsync(Pod)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await bench.CallAsync(HttpMethod.Delete, "/mesh/v1/sidecars/products-1.shop", "correct-horse-battery-staple")).Status);
        (HttpStatusCode wrong, string text) = await bench.CallAsync(HttpMethod.Get, "/", "correct-horse-battery-stable");
        Assert.Equal(HttpStatusCode.Unauthorized, wrong);
        Assert.EndsWith("with the token of --token-file, or the token of a service account for the audience mesh-control-plane\n", text, StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public async Task Certificate_RotatedWhileAStreamRuns_IsShownToNewHandshakesOnly()
    {
        await using DoorBench bench = await DoorBench.StartAsync();
        await bench.RegisterAsync(Pod);
        await using ServerBench.PushReader stream = await bench.FollowAsync("products-1.shop", Pod);
        await stream.NextAsync();
        string first = await bench.ShownToANewConnectionAsync();
        string root = bench.Root!;

        bench.Time.Advance(CertificateAuthority.CertificateLife * 0.7);
        string shown = first;
        using CancellationTokenSource deadline = new(ServerBench.Patience, TimeProvider.System);
        while (shown == first)
        {
            deadline.Token.ThrowIfCancellationRequested();
            bench.Time.Advance(ServerCertificates.Interval);
            shown = await bench.ShownToANewConnectionAsync();
        }

        Assert.Equal(root, bench.Root); // the same authority: sidecars need to know nothing
        bench.Server.Objects.Put(
            "networking.istio.io", "destinationrules",
            "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a, namespace: default}, spec: {host: products}}");
        Assert.Single((await stream.NextAsync())!.Rules); // over the connection of before
    }

    [Fact]
    public async Task Certificate_Given_IsShownAndItsRootIsWhatNamespacesAreTold()
    {
        using TestAuthority authority = new();
        X509Certificate2 certificate = authority.Issue("mesh-control-plane.mesh.svc");
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder.File("tls.crt"), certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(folder.File("tls.key"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        await using DoorBench bench = await DoorBench.StartAsync(
            "--tls-cert", folder.File("tls.crt"), "--tls-key", folder.File("tls.key"), "--tls-ca", authority.RootFile);

        Assert.Equal(await File.ReadAllTextAsync(authority.RootFile), bench.Root);
        Assert.Equal(certificate.Thumbprint, await bench.ShownToANewConnectionAsync());
        Assert.Equal(HttpStatusCode.Created, (await bench.RegisterAsync(Pod)).Status);
        Assert.Equal(0, bench.Server.Count("/secrets"));
    }

    [Fact]
    public async Task Certificate_CannotBeKept_IsSaidByReadiness()
    {
        await using DoorBench bench = await DoorBench.CreateAsync(static server => server.Fail("/secrets/mesh-webhook-certificates", 403));

        string answer = "";
        using CancellationTokenSource deadline = new(ServerBench.Patience, TimeProvider.System);
        while (!answer.StartsWith("waiting for the certificate: /api/v1/namespaces/mesh/secrets/mesh-webhook-certificates: fault 403", StringComparison.Ordinal))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, deadline.Token);
            answer = await bench.Bench.Client.GetStringOrErrorAsync(new Uri(bench.Bench.Metrics, "/readyz"));
        }

        Assert.EndsWith("\n", answer, StringComparison.Ordinal);
    }

    /// <summary>A body whose end comes when the test says so.</summary>
    private sealed class SlowBody : HttpContent
    {
        private readonly byte[] _text;

        public SlowBody(string text)
        {
            _text = Encoding.UTF8.GetBytes(text);
            Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        public TaskCompletionSource Rest { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(_text.AsMemory(0, 1));
            await stream.FlushAsync();
            await Rest.Task;
            await stream.WriteAsync(_text.AsMemory(1));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
}
