using System.Net;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Tests.Hosting;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>The whole control plane beside an API server: what a sidecar gets, what the cluster gets back.</summary>
public sealed class ClusterServerTests : IAsyncLifetime
{
    private const string Products = "products.default.svc.cluster.local";
    private readonly List<(ServerBench Bench, ClusterSource Cluster)> _replicas = [];
    private ApiDouble _server = null!;

    public async Task InitializeAsync()
    {
        _server = await ApiDouble.StartAsync();
        _server.ServeAll();
        _server.Objects.Put("", "services", "{metadata: {name: products, namespace: default}, spec: {ports: [{name: http, port: 8080}]}}");
        _server.Objects.Put("", "services", "{metadata: {name: orders, namespace: default}, spec: {ports: [{name: http, port: 8080}]}}");
        Endpoints("products", "10.0.0.1");
        Endpoints("orders", "10.0.0.9");
        Rule("{host: products}");
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

    [Fact]
    public async Task Stream_Cluster_IsWholeAndThenOnlyWhatChanged()
    {
        ServerBench bench = await StartAsync();
        string id = await RegisterAsync(bench);
        await using ServerBench.PushReader stream = await bench.FollowAsync(id);

        PushMessage whole = (await stream.NextAsync())!;
        Endpoints("products", "10.0.0.1, 10.0.0.2");
        PushMessage delta = (await stream.NextAsync())!;

        Assert.True(whole.IsFull);
        Assert.Equal("a", Assert.Single(whole.Rules).Key.Name);
        Assert.Equal(2, whole.Services.Length);
        Assert.Equal(["10.0.0.1:80"], whole.Endpoints[Products].Select(static e => e.Address));
        Assert.False(delta.IsFull);
        Assert.Equal((0, 0), (delta.Rules.Length, delta.Services.Length));
        Assert.Equal(["10.0.0.1:80", "10.0.0.2:80"], Assert.Single(delta.Endpoints).Value.Select(static e => e.Address));
    }

    [Fact]
    public async Task Stream_BeforeTheFirstLists_IsNotOpen()
    {
        TaskCompletionSource gate = _server.HoldLists();
        ServerBench bench = await StartAsync(isReady: false);

        using HttpResponseMessage readiness = await bench.Client.GetAsync(new Uri(bench.Metrics, "/readyz"));
        using HttpResponseMessage registration = await bench.Client.PostAsync("/mesh/v1/sidecars", new StringContent("{}"));
        string reason = await readiness.Content.ReadAsStringAsync();
        gate.SetResult();
        await IsReadyAsync(bench);

        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.ServiceUnavailable), (readiness.StatusCode, registration.StatusCode));
        Assert.Contains("waiting for the first lists: destinationrules.networking.istio.io", reason, StringComparison.Ordinal);
        await using ServerBench.PushReader stream = await bench.FollowAsync(await RegisterAsync(bench));
        Assert.Equal(2, (await stream.NextAsync())!.Services.Length); // the first thing it hears is the whole
    }

    [Fact]
    public async Task Readyz_RightMissing_SaysWhich()
    {
        _server.Fail("GET /api/v1/pods", 403);
        ServerBench bench = await StartAsync(isReady: false);

        await Eventually.HoldsAsync(() => _replicas[0].Cluster.Loops.All(static l => l.FirstList.IsCompleted || l.Trouble is not null), "all others are listed");

        Assert.Equal("waiting for the first lists: pods (fault 403)\n", await bench.Client.GetStringOrErrorAsync(new Uri(bench.Metrics, "/readyz")));
    }

    [Fact]
    public async Task Status_SidecarAnswers_StandsInTheCluster()
    {
        ServerBench bench = await StartAsync();
        string id = await RegisterAsync(bench);
        await using ServerBench.PushReader stream = await bench.FollowAsync(id);
        PushMessage push = (await stream.NextAsync())!;

        await bench.AckAsync(id, new SidecarAck { Version = push.Version, Accepted = true });

        await Eventually.HoldsAsync(() => Condition("Programmed") == "True: 1 of 1 sidecars run generation 1", "the status is written");
        Assert.Equal("True: the rule is valid", Condition("Accepted"));
        Assert.Contains("\nmesh_leader 1\n", await bench.Client.GetStringAsync(new Uri(bench.Metrics, "/metrics")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_RuleBroken_SaysSoAndTheSidecarKeepsTheGoodOne()
    {
        ServerBench bench = await StartAsync();
        await using ServerBench.PushReader stream = await bench.FollowAsync(await RegisterAsync(bench));
        await stream.NextAsync();

        Rule("{hosst: products}");
        await Eventually.HoldsAsync(() => Condition("Accepted")?.StartsWith("False: the rule is not valid; error: spec.host: ", StringComparison.Ordinal) == true, "it is refused");
        Assert.Contains("warning: spec.hosst: \"hosst\" is not known to Mesh ", Condition("Accepted"), StringComparison.Ordinal);
        Endpoints("products", "10.0.0.3");
        PushMessage next = (await stream.NextAsync())!;

        Assert.Equal((0, 0), (next.Rules.Length, next.RemovedRules.Length));
    }

    [Fact]
    public async Task Stream_ApiServerDown_KeepsWhatItHas()
    {
        ServerBench bench = await StartAsync();
        string id = await RegisterAsync(bench);
        await using ServerBench.PushReader first = await bench.FollowAsync(id);
        await first.NextAsync();

        _server.Fail("", 503);
        _server.Objects.EndWatches(isCut: true);
        await Eventually.HoldsAsync(() => _replicas[0].Cluster.Loops.All(static l => l.Trouble is not null), "every watch is in trouble");
        await using ServerBench.PushReader second = await bench.FollowAsync(id);
        PushMessage whole = (await second.NextAsync())!;

        Assert.Equal((1, 2), (whole.Rules.Length, whole.Services.Length));
        Assert.Equal("ok\n", await bench.Client.GetStringOrErrorAsync(new Uri(bench.Metrics, "/readyz")));
    }

    [Fact]
    public async Task Replicas_LeaderStops_TheOtherWritesAndBothServe()
    {
        ServerBench one = await StartAsync();
        await Eventually.HoldsAsync(() => _replicas[0].Cluster.Elector.IsLeader, "the first leads");
        ServerBench two = await StartAsync();
        string id = await RegisterAsync(two);
        await using (ServerBench.PushReader here = await one.FollowAsync(await RegisterAsync(one)))
        await using (ServerBench.PushReader there = await two.FollowAsync(id))
        {
            Assert.Equal((await here.NextAsync())!.Endpoints[Products].Length, (await there.NextAsync())!.Endpoints[Products].Length);
        }

        Assert.False(_replicas[1].Cluster.Elector.IsLeader);
        await one.Server.StopAsync();

        await Eventually.HoldsAsync(() => _replicas[1].Cluster.Elector.IsLeader, "the second leads");
        await LiveUntilAsync(() => Condition("Programmed")?.Contains("of 1 sidecars", StringComparison.Ordinal) == true, (two, id));
    }

    [Fact]
    public async Task Status_SidecarsAtBothReplicas_AreCounted()
    {
        ServerBench one = await StartAsync();
        await Eventually.HoldsAsync(() => _replicas[0].Cluster.Elector.IsLeader, "the first leads");
        ServerBench two = await StartAsync();
        List<(ServerBench Bench, string Id)> sidecars = [(one, await RegisterAsync(one)), (two, await RegisterAsync(two))];
        foreach ((ServerBench bench, string id) in sidecars)
        {
            await using ServerBench.PushReader stream = await bench.FollowAsync(id);
            await bench.AckAsync(id, new SidecarAck { Version = (await stream.NextAsync())!.Version, Accepted = true });
        }

        await LiveUntilAsync(() => Condition("Programmed") == "True: 2 of 2 sidecars run generation 1", [.. sidecars]);
        Assert.Equal(2, _server.Objects.Get("coordination.k8s.io", "leases", ClusterSource.BoardName, "mesh")!["metadata"]!["annotations"]!.AsObject().Count);
    }

    [Fact]
    public async Task Releases_OfTwoNamespacesThatShareTheLeases_HaveOneWriter()
    {
        await StartAsync(server: _server.Server with { Namespace = "first", LeaseNamespace = "shared" });
        await Eventually.HoldsAsync(() => _replicas[0].Cluster.Elector.IsLeader, "the first leads");
        await StartAsync(server: _server.Server with { Namespace = "second", LeaseNamespace = "shared" });
        await Eventually.HoldsAsync(() => _server.Requests.Count(static r => r == "GET /apis/coordination.k8s.io/v1/namespaces/shared/leases/mesh-control-plane") >= 2, "the second has looked");

        Assert.False(_replicas[1].Cluster.Elector.IsLeader);
        Assert.Equal(0, _server.Count("/namespaces/second/leases"));
    }

    // A sidecar that says nothing for a lease has left.
    private static async Task LiveUntilAsync(Func<bool> isDone, params (ServerBench Bench, string Id)[] sidecars)
    {
        using CancellationTokenSource deadline = new(3 * ServerBench.Patience, TimeProvider.System); // a round, a word and a look take a second each
        while (!isDone())
        {
            foreach ((ServerBench bench, string id) in sidecars)
            {
                using HttpResponseMessage answer = await bench.Client.PostAsync($"/mesh/v1/sidecars/{id}/report", new StringContent("{}", null, "application/json"));
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, deadline.Token);
        }
    }

    private async Task<ServerBench> StartAsync(bool isReady = true, ApiServer? server = null)
    {
        ServeOptions options = CommandLine.Read(["serve", "--listen", "127.0.0.1:0", "--kubernetes"], static _ => null).Options!;
        ClusterSource cluster = new(server ?? _server.Server, $"replica-{_replicas.Count}", (TimeProvider.System, new Random(_replicas.Count), NullLoggerFactory.Instance));
        ServerBench bench = new();
        _replicas.Add((bench, cluster));
        await bench.StartAsync(options, static _ => { }, cluster);
        if (isReady)
        {
            await IsReadyAsync(bench);
        }

        return bench;
    }

    private static async Task IsReadyAsync(ServerBench bench)
    {
        string answer = "";
        using CancellationTokenSource deadline = new(ServerBench.Patience, TimeProvider.System);
        while (answer != "ok\n")
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, deadline.Token);
            answer = await bench.Client.GetStringOrErrorAsync(new Uri(bench.Metrics, "/readyz"));
        }
    }

    private static Task<string> RegisterAsync(ServerBench bench) =>
        bench.RegisterAsync(new SidecarRegistration { Service = "stranger", Port = 8080, Address = "10.0.0.9:15006" }); // in a cluster a registration makes no service

    private void Rule(string spec) => _server.Objects.Put(
        WatchBench.Group, WatchBench.Plural, $"{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: a, namespace: default}}, spec: {spec}}}");

    private void Endpoints(string service, string addresses)
    {
        string endpoints = string.Join(", ", addresses.Split(", ").Select(static a => $"{{addresses: [{a}], conditions: {{ready: true}}}}"));
        _server.Objects.Put("discovery.k8s.io", "endpointslices", $"""
            metadata:
              name: {service}-x
              namespace: default
              labels:
                kubernetes.io/service-name: {service}
            addressType: IPv4
            endpoints: [{endpoints}]
            ports:
            - name: http
              port: 80
            """);
    }

    private string? Condition(string type)
    {
        JsonNode? condition = (_server.Objects.Get(WatchBench.Group, WatchBench.Plural, "a")!["status"]?["conditions"] as JsonArray)?
            .FirstOrDefault(c => (string?)c!["type"] == type);
        return condition is null ? null : $"{(string?)condition["status"]}: {(string?)condition["message"]}";
    }
}

internal static class HttpText
{
    /// <summary>The body, whatever the status.</summary>
    public static async Task<string> GetStringOrErrorAsync(this HttpClient client, Uri uri)
    {
        using HttpResponseMessage answer = await client.GetAsync(uri);
        return await answer.Content.ReadAsStringAsync();
    }
}
