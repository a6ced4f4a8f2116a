using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Tests.Coordination;
using Mesh.ControlPlane.Tests.Hosting;
using Mesh.ControlPlane.Tests.Store;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>Two whole control planes of one cluster: the second has a sidecar, the first decides.</summary>
public sealed class ReplicaLinkTests : IAsyncLifetime, IDisposable
{
    private static readonly string Replica = ReviewStatus.Token("mesh/control-plane");
    private static readonly string Person = ReviewStatus.Token("mesh/people");
    private const string Entry = """
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: partner, namespace: default, uid: u-2}
        spec: {hosts: [partner.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
        """;

    private readonly List<(ServerBench Bench, ClusterSource Cluster)> _replicas = [];
    private readonly TemporaryFolder _folder = new();
    private readonly TestAuthority _authority = new();
    private ApiDouble _server = null!;

    public async Task InitializeAsync()
    {
        _server = await ApiDouble.StartAsync();
        _server.ServeAll();
        _server.Objects.Put("resilience.mesh.dev", "circuitbreakers", SharedCircuitsTests.Yaml());
        _server.Objects.Put("networking.istio.io", "serviceentries", Entry); // so the rule is for callers of all namespaces
        _server.Judge = static token => Task.FromResult(token == Replica ? ReviewStatus.Known("mesh", "control-plane", "cp-1") : token == Person ? ReviewStatus.Known("mesh", "people") : ReviewStatus.Known("shop", "products", "products-1"));
    }

    public async Task DisposeAsync()
    {
        foreach ((ServerBench bench, ClusterSource cluster) in _replicas)
        {
            await bench.DisposeAsync();
            cluster.Dispose();
        }

        await _server.DisposeAsync();
    }

    public void Dispose()
    {
        _folder.Dispose();
        _authority.Dispose();
    }

    [Fact]
    public async Task Loopback_OrdersOfTheLeader_ReachTheOthersSidecars()
    {
        await StartBothAsync();

        await DecideAtTheOtherAsync("somebody at 127.0.0.1, through somebody at 127.0.0.1", null);
    }

    [Fact]
    public async Task Tls_OrdersOfTheLeader_ReachTheOthersSidecars()
    {
        X509Certificate2 certificate = _authority.Issue("mesh-control-plane.mesh.svc");
        await File.WriteAllTextAsync(_folder.File("tls.crt"), certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(_folder.File("tls.key"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        await File.WriteAllTextAsync(_folder.File("token"), Replica);
        await StartBothAsync(
            "--tls-cert", _folder.File("tls.crt"), "--tls-key", _folder.File("tls.key"), "--tls-ca", _authority.RootFile, "--replica-token", _folder.File("token"));

        await DecideAtTheOtherAsync("service account mesh/people, through pod mesh/cp-1 (service account control-plane)", Person);
        await Eventually.HoldsAsync(() => _replicas[0].Cluster.Board.Others.Count == 1, "the leader knows of the other");
        ServerBench leader = _replicas[0].Bench;
        leader.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Person);
        using HttpResponseMessage sidecars = await leader.Client.GetAsync("/mesh/v1/sidecars");
        Assert.Equal("1", Assert.Single(sidecars.Headers.GetValues("x-mesh-other-replicas")));
    }

    [Fact]
    public async Task Report_OfASidecar_IsNoReplicas()
    {
        await using DoorBench bench = await DoorBench.StartAsync();

        (HttpStatusCode status, _) = await bench.CallAsync(HttpMethod.Post, "/mesh/v1/replicas/report", DoorBench.Token("shop/products/products-1"), new StringContent("{}"));

        Assert.Equal(HttpStatusCode.Forbidden, status);
    }

    [Fact]
    public async Task Leader_NotKnown_PeopleAreToldToComeAgain()
    {
        _server.Fail("leases", 403);
        ServerBench alone = await StartAsync();

        using HttpResponseMessage answer = await alone.Client.GetAsync("/mesh/v1/breakers");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("no replica is known to lead", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private async Task StartBothAsync(params string[] arguments)
    {
        await StartAsync(arguments);
        await Eventually.HoldsAsync(() => _replicas[0].Cluster.Elector.IsLeader, "the first leads");
        await StartAsync(arguments);
        await Eventually.HoldsAsync(() => _replicas[1].Cluster.Elector.LeaderAddress is not null, "the second knows where");
    }

    private async Task DecideAtTheOtherAsync(string by, string? token)
    {
        ServerBench other = _replicas[1].Bench;
        other.Client.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        string id = await other.RegisterAsync(new SidecarRegistration { Node = "vm-1", Service = "stranger", Namespace = "mesh", Port = 8080, Address = "10.0.0.9:15006" });
        const string Request = """{"host":"partner.example.com","state":"open","forMilliseconds":60000,"reason":"maintenance"}""";
        using CancellationTokenSource deadline = new(2 * ServerBench.Patience, TimeProvider.System);
        HttpStatusCode status = HttpStatusCode.NotFound; // until the sidecar has been handed on
        SidecarOrders? orders = null;
        string answer = "";
        while (status != HttpStatusCode.OK || orders is not { Circuits.Length: 1 })
        {
            Assert.False(deadline.IsCancellationRequested, answer);
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
            SidecarReport report = new() { Circuits = [new CircuitReport { Rule = SharedCircuitsTests.Rule, Cluster = CircuitBench.Cluster }] };
            using HttpResponseMessage said = await other.Client.PostAsJsonAsync($"/mesh/v1/sidecars/{id}/report", report, WireJson.Default.SidecarReport);
            orders = await said.Content.ReadFromJsonAsync(WireJson.Default.SidecarOrders);
            if (status != HttpStatusCode.OK)
            {
                using HttpResponseMessage decided = await other.Client.PostAsync("/mesh/v1/breakers/force?by=the+king", new StringContent(Request));
                (status, answer) = (decided.StatusCode, await decided.Content.ReadAsStringAsync());
            }
        }

        Assert.Equal(CircuitState.Open, orders.Circuits[0].State);
        JsonNode circuit = JsonNode.Parse(await other.Client.GetStringAsync("/mesh/v1/breakers"))!["circuits"]![0]!;
        by = token is null ? by.Insert(0, "the king, through ") : by; // without tokens anybody may call himself anything
        Assert.Equal(("vm-1", "open", by), ((string?)circuit["callers"]![0]!["id"], (string?)circuit["state"], (string?)circuit["forced"]!["by"]));
        Assert.StartsWith("HOST ", await other.Client.GetStringAsync("/mesh/v1/breakers?format=text"), StringComparison.Ordinal);
        using HttpResponseMessage unknown = await other.Client.DeleteAsync("/mesh/v1/breakers/force?host=nobody");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.Contains("no caller reports a shared circuit of 'nobody'", await unknown.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private async Task<ServerBench> StartAsync(params string[] arguments)
    {
        CommandLineResult line = CommandLine.Read(["serve", "--listen", "127.0.0.1:0", "--kubernetes", .. arguments], static _ => null);
        Assert.Null(line.Error);
        ClusterSource cluster = new(_server.Server, $"replica-{_replicas.Count}", (TimeProvider.System, new Random(_replicas.Count), NullLoggerFactory.Instance));
        ServerBench bench = new();
        _replicas.Add((bench, cluster));
        await bench.StartAsync(line.Options!, static _ => { }, cluster);
        await cluster.FirstLists.WaitAsync(ServerBench.Patience);
        await Eventually.HoldsAsync(() => bench.Server.Hub.Current.Rules.Count > 0, "the rules are here");
        return bench;
    }
}
