using System.Net;
using System.Text.Json;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>A sidecar that takes its rules from a folder: no control plane at all.</summary>
public sealed class RulesFolderTests : IDisposable
{
    private static readonly Uri Partner = new("http://partner.example/hello?x=1");
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Request_ToAServiceEntry_ReachesItsEndpoint()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        await using MeshProcess sidecar = Run(Rules.Partner(upstream.Address));
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));

        using HttpResponseMessage answer = await client.PostAsync(Partner, new StringContent("body"));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("POST /hello?x=1\nbody", await answer.Content.ReadAsStringAsync());
        Assert.Equal(["partner.example"], upstream.Hosts);
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task Overflow_OfTheQueue_Is503WithFlagHeaderAndReason()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        upstream.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MeshProcess sidecar = Run(Rules.Partner(upstream.Address), Rules.Limits("partner.example", 1, 1));
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));
        Uri metrics = await sidecar.AddressAsync("metrics");

        Task<HttpResponseMessage> first = client.GetAsync(Partner);
        await Eventually.TrueAsync(() => upstream.Active == 1, () => "the first request did not arrive");
        Task<HttpResponseMessage> second = client.GetAsync(Partner);
        await Eventually.TrueAsync(
            async () => await Proxied.MetricAsync(metrics, "envoy_cluster_upstream_rq_pending_active", "partner.example") == 1,
            () => "the second request does not wait");
        using HttpResponseMessage third = await client.GetAsync(Partner);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, third.StatusCode);
        Assert.Equal("true", third.Headers.GetValues("x-envoy-overloaded").Single());
        Assert.Equal(
            "pending_overflow; rule=default/limits#spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests; limit=1; now=1; scope=sidecar",
            third.Headers.GetValues("x-mesh-reason").Single());
        Assert.Equal("upstream connect error or disconnect/reset before headers. reset reason: overflow", await third.Content.ReadAsStringAsync());
        upstream.Gate.SetResult();
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await second).StatusCode);
        Assert.Equal(1, await Proxied.MetricAsync(metrics, "envoy_cluster_upstream_rq_pending_overflow", "partner.example"));
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task Limits_InShadowMode_RefuseNobodyAndSayWhom_UntilTheyAreEnforced()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        upstream.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        string rule = Rules.Limits("partner.example", 1, 1, "outlierDetection: {consecutive5xxErrors: 2, maxEjectionPercent: 100}");
        string shadow = rule.Replace("{name: limits}", "{name: limits, annotations: {mesh.dev/mode: shadow}}", StringComparison.Ordinal);
        await using MeshProcess sidecar = Run(Rules.Partner(upstream.Address), shadow);
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));
        Uri metrics = await sidecar.AddressAsync("metrics");

        Task<HttpResponseMessage>[] calls = [.. Enumerable.Range(0, 4).Select(_ => client.GetAsync(Partner))];
        await Eventually.TrueAsync(() => upstream.Active == 4, () => "the upstream does not have them all");
        upstream.Gate.SetResult();
        Assert.All(await Task.WhenAll(calls), static a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.InRange(await Proxied.MetricAsync(metrics, "envoy_cluster_shadow_rq_pending_overflow", "partner.example"), 2, 3); // the first waits too, while its connection is made
        upstream.Status = 500;
        using HttpClient admin = Proxied.Direct();
        JsonElement[] lines = [];
        await Eventually.TrueAsync(
            async () =>
            {
                // A call that would have waited holds its place for as long as it really took: the first ones here may come before its end.
                Assert.Equal(HttpStatusCode.InternalServerError, (await client.GetAsync(Partner)).StatusCode);
                using JsonDocument page = JsonDocument.Parse(await admin.GetStringAsync(new Uri(await sidecar.AddressAsync("admin"), "/shadow")));
                lines = [.. page.RootElement.GetProperty("shadows").EnumerateArray().Select(static l => l.Clone())];
                return lines.Any(static l => l.GetProperty("would").GetString() == "eject" && l.GetProperty("count").GetInt64() > 0);
            },
            () => "nobody would be ejected");
        JsonElement pending = Assert.Single(lines, static l => l.GetProperty("field").GetString() == "http.http1MaxPendingRequests");
        Assert.Equal(
            ("outbound|80||partner.example", "default/limits#spec.trafficPolicy.connectionPool", 1, "refuse"),
            (pending.GetProperty("cluster").GetString(), pending.GetProperty("rule").GetString(), pending.GetProperty("limit").GetInt64(), pending.GetProperty("would").GetString()));
        Assert.InRange(pending.GetProperty("count").GetInt64(), 2, long.MaxValue);
        Assert.Equal(4, Assert.Single(lines, static l => l.GetProperty("field").GetString() == "tcp.maxConnections").GetProperty("max_seen").GetInt64());
        Assert.Equal(1, Assert.Single(lines, static l => l.GetProperty("would").GetString() == "eject").GetProperty("count").GetInt64());

        upstream.Status = 200;
        upstream.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _scratch.File("rules/1.yaml", rule);
        await Eventually.TrueAsync(
            async () => (await admin.GetStringAsync(new Uri(await sidecar.AddressAsync("admin"), "/shadow"))).Contains("\"shadows\": []", StringComparison.Ordinal), () => "the rule is still in shadow mode");
        calls = [.. Enumerable.Range(0, 6).Select(_ => client.GetAsync(Partner))];
        await Eventually.TrueAsync(() => calls.Any(static c => c.IsCompleted), () => "nobody is refused");
        upstream.Gate.SetResult();
        Assert.Contains(await Task.WhenAll(calls), static a => a.StatusCode == HttpStatusCode.ServiceUnavailable && a.Headers.Contains("x-mesh-reason"));
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task BrokenRule_WhileRunning_KeepsTheLastGoodOneAndNamesThePlace()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        await using MeshProcess sidecar = Run(Rules.Partner(upstream.Address));
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(Partner)).StatusCode);

        _scratch.File("rules/0.yaml", "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: partner}\nspec:\n  hosts: [partner.example\n");
        await Eventually.TrueAsync(() => sidecar.Errors.Contains("0.yaml:", StringComparison.Ordinal), () => "no message names the file: " + sidecar.Errors);

        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(Partner)).StatusCode);
        _scratch.File("rules/0.yaml", Rules.Partner(upstream.Address).Replace("partner.example", "other.example", StringComparison.Ordinal));
        await Eventually.TrueAsync(
            async () => (await client.GetAsync(new Uri("http://other.example/"))).StatusCode == HttpStatusCode.OK, () => "the mended file was not picked up");
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task UnknownHost_PassesIfItCanBeResolved_ElseIs503WithReason()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        await using MeshProcess sidecar = Run(Rules.Partner("127.0.0.1:9"));
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));

        using HttpResponseMessage known = await client.GetAsync(new Uri($"http://{upstream.Address}/hello"));
        using HttpResponseMessage unknown = await client.GetAsync(new Uri("http://nobody.example/"));

        Assert.Equal("GET /hello\n", await known.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.ServiceUnavailable, unknown.StatusCode);
        Assert.StartsWith("dns_failure; detail=\"dns: no answer for nobody.example\"", unknown.Headers.GetValues("x-mesh-reason").Single(), StringComparison.Ordinal);
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task UpstreamThatRefuses_Is503UfWithItsText()
    {
        string address;
        await using (EchoUpstream upstream = await EchoUpstream.StartAsync())
        {
            address = upstream.Address;
        }

        await using MeshProcess sidecar = Run(Rules.Partner(address));
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));

        using HttpResponseMessage answer = await client.GetAsync(Partner);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.StartsWith(
            "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure, transport failure reason: ",
            await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.StartsWith("connect_failure", answer.Headers.GetValues("x-mesh-reason").Single(), StringComparison.Ordinal);
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task Outlier_InstanceThatIsOverloaded_StaysAndOneThatFailsLeaves()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        await using MeshProcess sidecar = Run(
            Rules.Partner(upstream.Address),
            Rules.Limits("partner.example", 100, 100, "outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 100}"));
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));
        upstream.Status = 500;
        await client.GetAsync(Partner);
        await client.GetAsync(Partner);

        upstream.IsOverloaded = true;
        for (int i = 0; i < 10; i++)
        {
            using HttpResponseMessage busy = await client.GetAsync(Partner);
            Assert.False(busy.Headers.Contains("x-mesh-reason"), "the overloaded instance was ejected");
        }

        upstream.IsOverloaded = false;
        await client.GetAsync(Partner); // the third 500 in a row: overload in between was neither failure nor success
        using HttpResponseMessage ejected = await client.GetAsync(Partner);

        Assert.Equal(13, upstream.Served);
        Assert.Equal("no healthy upstream", await ejected.Content.ReadAsStringAsync());
        Assert.StartsWith(
            "no_healthy_upstream; rule=default/limits#spec.trafficPolicy.outlierDetection", ejected.Headers.GetValues("x-mesh-reason").Single(), StringComparison.Ordinal);
        Assert.Equal(1, await Proxied.MetricAsync(await sidecar.AddressAsync("metrics"), "envoy_cluster_outlier_detection_ejections_enforced_total", "partner.example"));
    }

    [Fact]
    public async Task Terminate_WithARequestInFlight_FinishesItAndEndsWithZero()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        upstream.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MeshProcess sidecar = Run(Rules.Partner(upstream.Address));
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));
        Task<HttpResponseMessage> inFlight = client.GetAsync(Partner);
        await Eventually.TrueAsync(() => upstream.Active == 1, () => "the request did not arrive");

        sidecar.Terminate();
        upstream.Gate.SetResult();

        Assert.Equal(HttpStatusCode.OK, (await inFlight).StatusCode);
        Assert.Equal(0, await sidecar.ExitCodeAsync());
    }

    private MeshProcess Run(params string[] rules)
    {
        _scratch.Folder("rules");
        for (int i = 0; i < rules.Length; i++)
        {
            _scratch.File($"rules/{i}.yaml", rules[i]);
        }

        return MeshProcess.Sidecar("--rules", Path.Combine(_scratch.Path, "rules"), "--service", "caller:8080", "--app", "127.0.0.1:9", "--dns", "127.0.0.1:9");
    }
}
