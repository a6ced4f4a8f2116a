using System.Net;
using System.Text;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>Control plane and two sidecars: a rule that is applied is enforced, also when the control plane is gone.</summary>
public sealed class ControlPlaneTests : IDisposable
{
    private const string RulePath = "/apis/networking.istio.io/v1/namespaces/default/destinationrules/limits";
    private static readonly Uri Products = new("http://products:8080/");
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Rule_AppliedAndDeleted_IsEnforcedAndGone()
    {
        await using EchoUpstream app = await EchoUpstream.StartAsync();
        await using MeshProcess control = ControlPlane("127.0.0.1:0");
        Uri api = await control.AddressAsync("api");
        await using MeshProcess products = Sidecar("products:8080", app.Address, api);
        await using MeshProcess caller = Sidecar("caller:8080", "127.0.0.1:9", api);
        using HttpClient client = Proxied.Client(await caller.AddressAsync("outbound"));
        await ReachableAsync(client);

        await ApplyAsync(api, Rules.Limits("products", 1, 1, "outlierDetection: {consecutive5xxErrors: 5}"));
        await Eventually.TrueAsync(() => StatusSaysAsync(api, "2 of 2 sidecars"), () => "the rule was not programmed");
        app.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<HttpResponseMessage>[] calls = [.. Enumerable.Range(0, 6).Select(_ => client.GetAsync(Products))];
        await Eventually.TrueAsync(() => calls.Count(c => c.IsCompleted) == 4, () => "four of six should be refused at once");
        app.Gate.SetResult();
        HttpResponseMessage[] answers = await Task.WhenAll(calls);

        Assert.Equal(2, answers.Count(a => a.StatusCode == HttpStatusCode.OK));
        Assert.All(answers.Where(a => a.StatusCode != HttpStatusCode.OK), a => Assert.StartsWith(
            "pending_overflow; rule=default/limits#", a.Headers.GetValues("x-mesh-reason").Single(), StringComparison.Ordinal));

        using HttpClient kubectl = Proxied.Direct();
        Assert.Equal(HttpStatusCode.OK, (await kubectl.DeleteAsync(new Uri(api, RulePath))).StatusCode);
        await Eventually.TrueAsync(
            async () => (await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => client.GetAsync(Products)))).All(a => a.StatusCode == HttpStatusCode.OK),
            () => "calls are still refused after the rule was deleted");
        await Proxied.AssertNoBugAsync(caller);
        await Proxied.AssertNoBugAsync(products);
    }

    [Fact]
    public async Task ControlPlaneKilled_SidecarsGoOn_AlsoOneThatStartsAnew()
    {
        await using EchoUpstream app = await EchoUpstream.StartAsync();
        await using MeshProcess control = ControlPlane("127.0.0.1:0");
        Uri api = await control.AddressAsync("api");
        await using MeshProcess products = Sidecar("products:8080", app.Address, api);
        MeshProcess caller = Sidecar("caller:8080", "127.0.0.1:9", api);
        await using (caller)
        {
            using HttpClient before = Proxied.Client(await caller.AddressAsync("outbound"));
            await ReachableAsync(before);
            await control.KillAsync();
            Assert.Equal(HttpStatusCode.OK, (await before.GetAsync(Products)).StatusCode);
        }

        await using MeshProcess again = Sidecar("caller:8080", "127.0.0.1:9", api);
        using HttpClient client = Proxied.Client(await again.AddressAsync("outbound"));

        await ReachableAsync(client);
        await Proxied.AssertNoBugAsync(again);
    }

    [Fact]
    public async Task SidecarKilled_ItsEndpointLeavesAndComesBack()
    {
        await using EchoUpstream app = await EchoUpstream.StartAsync();
        await using MeshProcess control = ControlPlane("127.0.0.1:0");
        Uri api = await control.AddressAsync("api");
        await using MeshProcess caller = Sidecar("caller:8080", "127.0.0.1:9", api);
        using HttpClient client = Proxied.Client(await caller.AddressAsync("outbound"));
        await using (MeshProcess products = Sidecar("products:8080", app.Address, api))
        {
            await products.AddressAsync("inbound");
            await ReachableAsync(client);
        }

        await Eventually.TrueAsync(
            async () =>
            {
                using HttpResponseMessage answer = await client.GetAsync(Products);
                return answer.StatusCode != HttpStatusCode.OK
                    && !answer.Headers.GetValues("x-mesh-reason").Single().StartsWith("connect_failure", StringComparison.Ordinal);
            },
            () => "the endpoint of a dead sidecar is still there after its lease");
        await using MeshProcess returned = Sidecar("products:8080", app.Address, api);
        await ReachableAsync(client);
        await Proxied.AssertNoBugAsync(caller);
    }

    [Fact]
    public async Task WorkloadSelector_FindsWorkloadEntriesAndSidecarsByLabels()
    {
        const string Kinds = "/apis/networking.istio.io/v1beta1/namespaces/default/";
        Uri host = new("http://vm.example/");
        await using EchoUpstream bare = await EchoUpstream.StartAsync();
        await using EchoUpstream app = await EchoUpstream.StartAsync();
        await using MeshProcess control = ControlPlane("127.0.0.1:0");
        Uri api = await control.AddressAsync("api");
        await using MeshProcess caller = Sidecar("caller:8080", "127.0.0.1:9", api);
        using HttpClient client = Proxied.Client(await caller.AddressAsync("outbound"));

        await ApplyAsync(api, Entry("app: vm"), Kinds + "serviceentries/vm");
        await ApplyAsync(api, $$"""
            apiVersion: networking.istio.io/v1beta1
            kind: WorkloadEntry
            metadata: {name: bare}
            spec: {address: 127.0.0.1, ports: {http: {{bare.Address.Split(':')[1]}} }, labels: {app: vm} }
            """, Kinds + "workloadentries/bare");
        await Eventually.TrueAsync(async () => (await client.GetAsync(host)).StatusCode == HttpStatusCode.OK && bare.Served > 0, () => "the workload gets nothing");

        await using MeshProcess labelled = Sidecar("labelled:8080", app.Address, api, "--labels", "tier=sidecar");
        await ApplyAsync(api, Entry("tier: sidecar"), Kinds + "serviceentries/vm");
        await Eventually.TrueAsync(async () => (await client.GetAsync(host)).StatusCode == HttpStatusCode.OK && app.Served > 0, () => "the sidecar with the label gets nothing");
        await Proxied.AssertNoBugAsync(caller);

        static string Entry(string label) => $$"""
            apiVersion: networking.istio.io/v1beta1
            kind: ServiceEntry
            metadata: {name: vm}
            spec:
              hosts: [vm.example]
              resolution: STATIC
              ports: [{number: 80, targetPort: 8080, name: http, protocol: HTTP}]
              workloadSelector: {labels: { {{label}} } }
            """;
    }

    private static async Task ReachableAsync(HttpClient client) => await Eventually.TrueAsync(
        async () => (await client.GetAsync(Products)).StatusCode == HttpStatusCode.OK, () => "products cannot be reached through the sidecar");

    private static async Task ApplyAsync(Uri api, string yaml, string path = RulePath)
    {
        using HttpClient client = Proxied.Direct();
        using StringContent body = new(yaml, Encoding.UTF8, "application/apply-patch+yaml");
        using HttpResponseMessage answer = await client.PatchAsync(new Uri(api, path + "?fieldManager=test&force=true"), body);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<bool> StatusSaysAsync(Uri api, string text)
    {
        using HttpClient client = Proxied.Direct();
        return (await client.GetStringAsync(new Uri(api, RulePath))).Contains(text, StringComparison.Ordinal);
    }

    private MeshProcess ControlPlane(string listen) =>
        MeshProcess.Start("Mesh.ControlPlane", "serve", "--listen", listen, "--data", Path.Combine(_scratch.Path, "data"));

    private MeshProcess Sidecar(string service, string app, Uri api, params string[] more) => MeshProcess.Sidecar(
        ["--service", service, "--app", app, "--control-plane", api.ToString(), "--node", service.Split(':')[0] + "-1",
        "--state", _scratch.Folder("state-" + service.Split(':')[0]), .. more]);
}
