using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Tests.Kubernetes;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>Two replicas of the control plane over one cluster; one of them is killed while its sidecars carry calls.</summary>
public sealed class ReplicaTests : IAsyncLifetime, IDisposable
{
    private const int Sidecars = 10;
    private const string Group = "networking.istio.io";
    private static readonly Uri Products = new("http://products:8080/");
    private readonly Scratch _scratch = new();
    private readonly List<MeshProcess> _processes = [];
    private readonly ConcurrentQueue<string> _wrong = new();
    private ApiDouble _cluster = null!;

    public async Task InitializeAsync()
    {
        _cluster = await ApiDouble.StartAsync();
        _cluster.ServeAll();
        _scratch.File("kubeconfig", $$"""
            current-context: here
            contexts: [{name: here, context: {cluster: double, user: mesh, namespace: mesh} }]
            clusters: [{name: double, cluster: {server: "{{_cluster.Address}}", certificate-authority: "{{_cluster.Authority.RootFile}}"} }]
            users: [{name: mesh, user: {token: {{ApiDouble.Token}} } }]
            """);
    }

    public async Task DisposeAsync()
    {
        foreach (MeshProcess process in _processes)
        {
            await process.DisposeAsync();
        }

        await _cluster.DisposeAsync();
    }

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task ReplicaKilledUnderLoad_NobodyLosesTheRules_AndANewOneReachesAll()
    {
        await using EchoUpstream app = await EchoUpstream.StartAsync();
        PutService(app.Address.Split(':')[1]);
        PutRule("one");
        MeshProcess[] replicas = [Replica(), Replica()];
        Uri[] apis = [await replicas[0].AddressAsync("api"), await replicas[1].AddressAsync("api")];
        HttpClient[] clients = await Task.WhenAll(Enumerable.Range(0, Sidecars).Select(i => SidecarAsync(i, apis)));
        await Eventually.TrueAsync(() => AllSayAsync(clients, "one"), () => "the first rule is not everywhere");
        await Eventually.TrueAsync(async () => await CountAsync(apis[0]) + await CountAsync(apis[1]) == Sidecars, () => "not all sidecars follow a replica");
        int killed = await CountAsync(apis[0]) > await CountAsync(apis[1]) ? 0 : 1;
        int other = 1 - killed;
        Uri metrics = await replicas[other].AddressAsync("metrics");
        double pushes = await PushesAsync(metrics);

        using CancellationTokenSource end = new();
        Task load = Task.WhenAll(clients.Select(c => LoadAsync(c, end.Token)));
        await replicas[killed].KillAsync();
        await Eventually.TrueAsync(async () => await CountAsync(apis[other]) == Sidecars, () => "not all sidecars came to the replica that lives");
        Assert.Equal(pushes, await PushesAsync(metrics)); // they have what it has: nothing is sent, nothing applied anew
        PutRule("two");
        await Eventually.TrueAsync(() => AllSayAsync(clients, "two"), () => "the new rule is not everywhere");
        await end.CancelAsync();
        await load;

        Assert.Empty(_wrong);
        await Eventually.TrueAsync(async () => await Proxied.MetricAsync(metrics, "mesh_leader", page: "/metrics") == 1, () => "the replica that lives does not lead");
        await Eventually.TrueAsync(() => Programmed().StartsWith($"{Sidecars} of {Sidecars} sidecars", StringComparison.Ordinal), () => $"the status says: {Programmed()}");
    }

    private MeshProcess Replica() => Keep(MeshProcess.Start(
        "Mesh.ControlPlane", "serve", "--kubernetes", "--kubeconfig", Path.Combine(_scratch.Path, "kubeconfig"), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"));

    private async Task<HttpClient> SidecarAsync(int number, Uri[] apis)
    {
        MeshProcess sidecar = Keep(MeshProcess.Sidecar(
            "--service", $"caller{number}:8080", "--app", "127.0.0.1:9", "--node", $"caller-{number}", "--concurrency", "1", "--control-plane", string.Join(',', apis.Select(static a => a.ToString()))));
        return Proxied.Client(await sidecar.AddressAsync("outbound"));
    }

    private MeshProcess Keep(MeshProcess process)
    {
        lock (_processes)
        {
            _processes.Add(process);
        }

        return process;
    }

    // Light: what counts is that no answer lacks a rule, not how many there are.
    private async Task LoadAsync(HttpClient client, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            string said = await SaysAsync(client);
            if (said is not ("one" or "two"))
            {
                _wrong.Enqueue(said);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None);
        }
    }

    private static async Task<bool> AllSayAsync(HttpClient[] clients, string rule) => (await Task.WhenAll(clients.Select(SaysAsync))).All(said => said == rule);

    private static async Task<string> SaysAsync(HttpClient client)
    {
        using HttpResponseMessage answer = await client.GetAsync(Products);
        return answer.StatusCode == HttpStatusCode.OK && answer.Headers.TryGetValues("x-rule", out IEnumerable<string>? values) ? values.Single() : $"{(int)answer.StatusCode} without a rule";
    }

    // Sidecars whose stream is open there.
    private static async Task<int> CountAsync(Uri api)
    {
        using HttpClient client = Proxied.Direct();
        JsonArray sidecars = (JsonArray)JsonNode.Parse(await client.GetStringAsync(new Uri(api, "/mesh/v1/sidecars")))!;
        return sidecars.Count(static s => (int)s!["streams"]! > 0 && ((string)s["inForce"]!).Length > 0);
    }

    private static async Task<double> PushesAsync(Uri metrics) => await Proxied.MetricAsync(metrics, "mesh_pushes_total", page: "/metrics");

    private string Programmed() => (string?)(_cluster.Objects.Get(Group, "virtualservices", "marked")!["status"]?["conditions"] as JsonArray)?
        .FirstOrDefault(static c => (string?)c!["type"] == "Programmed")?["message"] ?? "nothing";

    private void PutRule(string mark) => _cluster.Objects.Put(Group, "virtualservices", $$"""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: marked, namespace: default}
        spec:
          hosts: [products]
          http:
          - headers: {response: {set: {x-rule: {{mark}} } } }
            route: [{destination: {host: products} }]
        """);

    private void PutService(string port)
    {
        _cluster.Objects.Put("", "services", "{metadata: {name: products, namespace: default}, spec: {ports: [{name: http, port: 8080}]}}");
        _cluster.Objects.Put("discovery.k8s.io", "endpointslices", $$"""
            metadata: {name: products-x, namespace: default, labels: {kubernetes.io/service-name: products} }
            addressType: IPv4
            endpoints: [{addresses: [127.0.0.1], conditions: {ready: true} }]
            ports: [{name: http, port: {{port}} }]
            """);
    }
}
