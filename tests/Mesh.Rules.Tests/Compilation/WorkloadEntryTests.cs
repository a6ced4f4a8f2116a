using System.Collections.Immutable;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Compilation.MeshText;

namespace Mesh.Rules.Compilation;

/// <summary>Endpoints that a service entry selects by labels (semantics 7).</summary>
public sealed class WorkloadEntryTests
{
    private const string Host = "vm.example";
    private const string Ports = "{number: 80, targetPort: 8080, name: http, protocol: HTTP}";
    private static readonly string Selecting = Service(Host, more: "workloadSelector: {labels: {app: vm}}", port: Ports);

    [Fact]
    public void Selector_WorkloadsOfItsNamespaceWithTheLabels_AreTheEndpoints()
    {
        ProxySnapshot snapshot = Compile(
            Selecting
            + Workload("a", "{address: 10.0.0.1, labels: {app: vm}}")
            + Workload("b", "{address: 10.0.0.2, labels: {app: vm, tier: x}, ports: {http: 99}}")
            + Workload("c", "{address: 10.0.0.3, labels: {app: other}}")
            + Workload("d", "{address: 10.0.0.4}")
            + Rule("WorkloadEntry", "e", "{address: 10.0.0.5, labels: {app: vm}}", "other")).Snapshot;

        Assert.Equal(["10.0.0.1:8080", "10.0.0.2:99"], snapshot.AddressesOf(Host));
    }

    [Fact]
    public void Workload_WeightLocalityAndLabels_AreThoseOfTheEndpoint()
    {
        EndpointConfig endpoint = Assert.Single(Compile(
            Selecting + Workload("a", "{address: 10.0.0.1, labels: {app: vm, version: v3}, weight: 7, locality: r/z/s}")).Snapshot.Endpoints[$"outbound|80||{Host}"]);

        Assert.Equal(new EndpointConfig("10.0.0.1:8080", 7, "r/z/s", "vm", "default", "v3"), endpoint);
    }

    [Fact]
    public void Labels_OfTheObject_CountAndWin()
    {
        ProxySnapshot snapshot = Compile(
            Selecting
            + Rule("WorkloadEntry", "a", "{address: 10.0.0.1}", metadata: "labels: {app: vm}")
            + Rule("WorkloadEntry", "b", "{address: 10.0.0.2, labels: {app: vm}}", metadata: "labels: {app: other}")).Snapshot;

        Assert.Equal(["10.0.0.1:8080"], snapshot.AddressesOf(Host));
    }

    [Fact]
    public void Subset_SelectsAmongWorkloads()
    {
        ProxySnapshot snapshot = Compile(
            Selecting + Workload("a", "{address: 10.0.0.1, labels: {app: vm, version: v1}}") + Workload("b", "{address: 10.0.0.2, labels: {app: vm, version: v2}}")
            + Rule("DestinationRule", "vm", $"{{host: {Host}, subsets: [{{name: new, labels: {{version: v2}}}}]}}")).Snapshot;

        Assert.Equal(["10.0.0.2:8080"], snapshot.AddressesOf(Host, subset: "new"));
    }

    [Fact]
    public void Name_OfAWorkload_IsResolvedWhereTheEntrySaysDns()
    {
        string workloads = Workload("a", "{address: vm1.example, labels: {app: vm}}") + Workload("b", "{address: 10.0.0.2, labels: {app: vm}}");

        Assert.Equal(["10.0.0.2:8080", "vm1.example:8080"], Compile(Selecting.Replace("STATIC", "DNS", StringComparison.Ordinal) + workloads).Snapshot.AddressesOf(Host));
        CompileResult literal = Compile(Selecting + workloads);
        Assert.Equal(["10.0.0.2:8080"], literal.Snapshot.AddressesOf(Host));
        Assert.Equal(["a spec.address"], literal.Diagnostics.Of("workload-name"));
    }

    [Fact]
    public void SelectorWithoutAMatch_GetsNoEndpointsAndIsTold()
    {
        CompileResult result = Compile(Selecting + Workload("c", "{address: 10.0.0.3, labels: {app: other}}"));

        Assert.Empty(result.Snapshot.AddressesOf(Host));
        Assert.Equal(["vm-default spec.workloadSelector"], result.Diagnostics.Of("selects-nothing"));
        Assert.Equal(["c spec.labels"], result.Diagnostics.Of("unselected-workload"));
    }

    [Fact]
    public void RegisteredSidecars_WithTheLabelsAndThePort_AreEndpointsToo()
    {
        const string Registered = "vm.default.svc.cluster.local";
        MeshView view = new()
        {
            Rules = Read(Selecting + Workload("a", "{address: 10.0.0.1, labels: {app: vm}}")),
            Services = ImmutableDictionary<string, MeshService>.Empty.Add(Registered, new MeshService(Registered, "default", [new MeshServicePort(8080, "HTTP")])),
            Endpoints = ImmutableDictionary<string, ImmutableArray<MeshEndpoint>>.Empty.Add(
                Registered, [Sidecar("10.0.1.1:15006", 8080, "app=vm"), Sidecar("10.0.1.2:15006", 8080, "app=x"), Sidecar("10.0.1.3:15006", 9, "app=vm")]),
        };

        Assert.Equal(["10.0.0.1:8080", "10.0.1.1:15006"], new SnapshotCompiler().Compile(Me, view, "1").Snapshot.AddressesOf(Host));
    }

    [Fact]
    public void ChangedWorkload_ChangesEndpointsAndNothingElse()
    {
        SnapshotCompiler compiler = new();
        string other = Service("other.example");
        ProxySnapshot before = compiler.Compile(Me, new MeshView { Rules = Read(Selecting + other + Workload("a", "{address: 10.0.0.1, labels: {app: vm}}")) }, "1").Snapshot;

        ProxySnapshot after = compiler.Compile(Me, new MeshView { Rules = Read(Selecting + other + Workload("a", "{address: 10.0.0.2, labels: {app: vm}}")) }, "2").Snapshot;

        Assert.Equal(["10.0.0.2:8080"], after.AddressesOf(Host));
        Assert.All(before.Clusters, c => Assert.Same(c.Value, after.Clusters[c.Key]));
        Assert.True(before.Endpoints["outbound|80||other.example"] == after.Endpoints["outbound|80||other.example"]); // the same array
    }

    [Fact]
    public void EntryInTheClustersDomain_HasTheNamesOfAService()
    {
        string entry = Service("rev.default.svc.cluster.local");

        Assert.Equal("rev.default.svc.cluster.local rev.default rev.default.svc rev", Domains(Me));
        Assert.Equal("rev.default.svc.cluster.local rev.default rev.default.svc", Domains(Me with { Namespace = "web" }));

        string Domains(ProxyIdentity proxy) => string.Join(' ', Assert.Single(Compile(entry, proxy).Snapshot.Routes.VirtualHosts).Domains);
    }

    private static string Workload(string name, string spec) => Rule("WorkloadEntry", name, spec);
}
