using System.Collections.Immutable;
using System.Net;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;
using static Mesh.Rules.Compilation.MeshText;

namespace Mesh.Rules.Compilation;

/// <summary>Which services a pod finds itself in, and what stands in front of its ports.</summary>
public sealed class OwnServicesTests
{
    private const string Orders = "orders.shop.svc.cluster.local";
    private const string Metrics = "aaa.shop.svc.cluster.local";
    private static readonly string Limits =
        Destination("orders", 3) + Destination("aaa", 5);

    private readonly SnapshotCompiler _compiler = new();

    private static ProxyIdentity Pod { get; } = new("shop", "orders", 0, "", Labels("app=orders"))
    {
        PodAddresses = [IPAddress.Parse("10.0.0.7"), IPAddress.Parse("fd00::7")],
    };

    [Fact]
    [EffectOf("DestinationRule", "trafficPolicy.connectionPool.tcp.maxConnections")]
    public void EachPortOfThePod_HasTheLimitsOfItsService()
    {
        CompileResult result = Compile(Two("10.0.0.7:8080", "[fd00::7]:9090"));

        Assert.Equal(["inbound|8080||", "inbound|9090||"], Inbound(result));
        ClusterConfig orders = result.Snapshot.Clusters["inbound|8080||"];
        Assert.Equal((3u, Orders, "orders", "shop", 8080), (orders.Limits.MaxConnections, orders.ServiceHost, orders.ServiceName, orders.ServiceNamespace, orders.Port));
        Assert.Equal("shop/orders#spec.trafficPolicy.connectionPool", orders.ConnectionPoolSource);
        Assert.Equal((5u, Metrics), (result.Snapshot.Clusters["inbound|9090||"].Limits.MaxConnections, result.Snapshot.Clusters["inbound|9090||"].ServiceHost));
        Assert.True(orders is { IsInbound: true, UsesOriginalDestination: true });
        Assert.Empty(result.Snapshot.Endpoints.GetValueOrDefault("inbound|8080||", []));
        Assert.Empty(result.Notes);
    }

    [Fact]
    public void PodThatIsNoEndpoint_HasNone() => Assert.Empty(Inbound(Compile(Two("10.0.0.8:8080", "10.0.0.8:9090"))));

    [Fact]
    public void PodThatIsNotReadyForAWhile_KeepsItsLimits_AndObeysTheRulesAsTheyChange()
    {
        Compile(Two("10.0.0.7:8080", "10.0.0.7:9090"));

        CompileResult away = Compile(Two("10.0.0.8:8080", "10.0.0.8:9090"), Destination("orders", 4));
        Assert.Equal(["inbound|8080||", "inbound|9090||"], Inbound(away));
        Assert.Equal((4u, uint.MaxValue), (away.Snapshot.Clusters["inbound|8080||"].Limits.MaxConnections, away.Snapshot.Clusters["inbound|9090||"].Limits.MaxConnections));

        CompileResult gone = Compile(new MeshView()); // connections that are open must not break because a Service was deleted
        Assert.Equal(["inbound|8080||", "inbound|9090||"], Inbound(gone));
    }

    [Fact]
    public void TwoServicesOnOnePort_TheFirstByNameCounts_AndItIsSaid()
    {
        CompileResult result = Compile(Two("10.0.0.7:8080", "10.0.0.7:8080"));

        Assert.Equal(5u, result.Snapshot.Clusters[Assert.Single(Inbound(result))].Limits.MaxConnections);
        Assert.Equal(
            $"Port 8080 of this pod has two services: '{Metrics}' port 90 and '{Orders}' port 80; the rules of the first hold for all its callers", Assert.Single(result.Notes));
    }

    [Theory]
    [InlineData("HTTP", 8080, ClusterProtocol.Http1)]
    [InlineData("TCP", 8080, ClusterProtocol.Tcp)]
    [InlineData(MeshServicePort.Undeclared, 8080, ClusterProtocol.Http1)] // the first bytes tell
    [InlineData(MeshServicePort.Undeclared, 3306, ClusterProtocol.Tcp)]
    public void Protocol_IsTheServicePorts(string protocol, int port, ClusterProtocol expected)
    {
        CompileResult result = Compile(View((Orders, 80, protocol, $"10.0.0.7:{port}")));

        Assert.Equal(expected, result.Snapshot.Clusters[$"inbound|{port}||"].Protocol);
        Assert.Equal(protocol == "HTTP" ? ClusterProtocol.Http1 : ClusterProtocol.Tcp, result.Snapshot.Clusters[$"outbound|80||{Orders}"].Protocol);
    }

    [Fact]
    public void WorkloadEntry_OfThePod_IsAnEndpointLikeAnyOther()
    {
        string yaml = Rule("ServiceEntry", "vm", "{hosts: [vm.example], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, targetPort: 8080, name: http, protocol: HTTP}], workloadSelector: {labels: {app: vm}}}", "shop")
            + Rule("WorkloadEntry", "me", "{address: 10.0.0.7, labels: {app: vm}}", "shop")
            + Rule("DestinationRule", "vm", "{host: vm.example, trafficPolicy: {connectionPool: {tcp: {maxConnections: 6}}}}", "shop");

        CompileResult result = _compiler.Compile(Pod, new MeshView { Rules = Read(yaml) }, "1");

        Assert.Equal((6u, "vm.example"), (result.Snapshot.Clusters["inbound|8080||"].Limits.MaxConnections, result.Snapshot.Clusters["inbound|8080||"].ServiceHost));
    }

    [Fact]
    public void ServiceOfAnotherNamespace_HasNoSayInThisPod()
    {
        string foreign = Service("aaa.example", "other", "endpoints: [{address: 10.0.0.7, ports: {http: 8080}}]");

        Assert.Empty(Inbound(_compiler.Compile(Pod, new MeshView { Rules = Read(foreign) }, "1")));
        Assert.Single(Inbound(_compiler.Compile(Pod with { Namespace = "other" }, new MeshView { Rules = Read(foreign) }, "1")));
    }

    [Theory]
    [InlineData("127.0.0.1:9000", "127.0.0.1:9000")]
    [InlineData("0.0.0.0:9000", "10.0.0.7:9000")]
    [InlineData("0.0.0.0:8080", null)]
    [EffectOf("Sidecar", "ingress.defaultEndpoint")]
    public void DefaultEndpoint_IsWhereTheApplicationListens(string written, string? dialled)
    {
        string sidecar = Rule("Sidecar", "s", $"{{ingress: [{{port: {{number: 8080, protocol: HTTP, name: h}}, defaultEndpoint: '{written}'}}]}}", "shop");
        CompileResult result = Compile(Two("10.0.0.7:8080", "10.0.0.7:9090"), sidecar);

        Assert.Equal(dialled is null, result.Snapshot.Clusters["inbound|8080||"].UsesOriginalDestination);
        Assert.Equal(dialled, result.Snapshot.Endpoints.GetValueOrDefault("inbound|8080||", []).SingleOrDefault()?.Address);
        Assert.True(result.Snapshot.Clusters["inbound|9090||"].UsesOriginalDestination);
    }

    [Fact]
    public void IngressOfAPortWithoutService_IsTold()
    {
        string sidecar = Rule("Sidecar", "s", "{ingress: [{port: {number: 8081, protocol: HTTP, name: h}}, {port: {number: 9090, protocol: HTTP, name: m}}]}", "shop");

        Assert.StartsWith(
            "no service leads to port 8081",
            Compile(Two("10.0.0.7:8080", "10.0.0.7:9090"), sidecar).Diagnostics.Single(static d => d.Finding.Path.StartsWith("spec.ingress", StringComparison.Ordinal)).Finding.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void OtherPorts_LeaveAClusterAsItIs()
    {
        ClusterConfig before = Compile(View((Orders, 80, "HTTP", "10.0.0.7:8080"))).Snapshot.Clusters["inbound|8080||"];

        Assert.Same(before, Compile(Two("10.0.0.7:8080", "10.0.0.7:9090")).Snapshot.Clusters["inbound|8080||"]);
    }

    private static string Destination(string host, int most) =>
        Rule("DestinationRule", host, $"{{host: {host}, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {most}}}}}}}}}", "shop");

    private static MeshView Two(string orders, string metrics) => View((Orders, 80, "HTTP", orders), (Metrics, 90, "HTTP", metrics));

    private static MeshView View(params (string Host, int Port, string Protocol, string Endpoint)[] services) => new()
    {
        Services = services.ToImmutableDictionary(static s => s.Host, static s => new MeshService(s.Host, "shop", [new MeshServicePort(s.Port, s.Protocol)])),
        Endpoints = services.ToImmutableDictionary(
            static s => s.Host, static s => ImmutableArray.Create(Sidecar("10.0.0.1:8080", s.Port), new MeshEndpoint(s.Endpoint, s.Port, Labels("app=orders"), "", "orders", "v1"))),
    };

    private static IEnumerable<string> Inbound(CompileResult result) =>
        result.Snapshot.Clusters.Keys.Where(static n => n.StartsWith("inbound|", StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    private CompileResult Compile(MeshView view, string? rules = null) => _compiler.Compile(Pod, view with { Rules = Read(rules ?? Limits) }, "1");
}
