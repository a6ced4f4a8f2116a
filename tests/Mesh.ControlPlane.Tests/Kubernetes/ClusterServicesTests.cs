using System.Collections.Immutable;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class ClusterServicesTests
{
    private const string Reviews = "reviews.shop.svc.cluster.local";

    private const string Service = """
        metadata: {name: reviews, namespace: shop}
        spec:
          clusterIP: 10.0.0.195
          clusterIPs: [10.0.0.195, "fd00:10::9586"]
          ipFamilies: [IPv4, IPv6]
          ports:
          - {name: http-web, port: 80, targetPort: web, protocol: TCP}
          - {name: grpc, port: 9000, protocol: TCP}
          - {name: dns, port: 53, protocol: UDP}
        """;

    private const string Slice = """
        metadata: {name: reviews-5qvbc, namespace: shop, labels: {kubernetes.io/service-name: reviews}}
        addressType: IPv4
        endpoints:
        - {addresses: [10.244.0.1], conditions: {ready: true, serving: true, terminating: false}, targetRef: {kind: Pod, name: r1}, nodeName: n1, zone: z1}
        - {addresses: [10.244.0.2], conditions: {ready: false, serving: true, terminating: true}, targetRef: {kind: Pod, name: r2}, nodeName: n2, zone: z2}
        - {addresses: [10.244.0.3], conditions: {ready: false, serving: false, terminating: false}, targetRef: {kind: Pod, name: r3}, zone: z1}
        ports: [{name: http-web, port: 8080, protocol: TCP}, {name: grpc, port: 9000, protocol: TCP}]
        """;

    private readonly ClusterServices _cluster = new();
    private int _changes;

    public ClusterServicesTests() => _cluster.Changed += () => _changes++;

    private RegistryState State => _cluster.Current;

    [Fact]
    public void Current_ServiceWithSlice_HasPortsAndReadyEndpoints()
    {
        Sink("services").Set(Service);
        Sink("endpointslices").Set(Slice);

        MeshService service = State.Services[Reviews];
        Assert.Equal("shop", service.Namespace);
        Assert.Equal(["10.0.0.195", "fd00:10::9586"], service.Addresses.AsEnumerable());
        Assert.Equal([new MeshServicePort(80, "HTTP"), new MeshServicePort(9000, "TCP")], service.Ports.AsEnumerable());
        Assert.Equal(["10.244.0.1:8080 80 /z1", "10.244.0.1:9000 9000 /z1"], Endpoints());
    }

    [Fact]
    public void Current_PodAndNode_GiveLabelsWorkloadVersionAndRegion()
    {
        Sink("services").Set(Service);
        Sink("endpointslices").Set(Slice);
        Sink("pods").Set("""
            metadata:
              name: r1
              namespace: shop
              labels: {app: reviews, version: v2, pod-template-hash: 6d4c}
              ownerReferences: [{kind: ReplicaSet, name: reviews-v2-6d4c, controller: true}]
            """);
        Sink("nodes").Set("metadata: {name: n1, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-a}}");

        MeshEndpoint endpoint = State.Endpoints[Reviews][0];
        Assert.Equal(("reviews-v2", "v2", "eu/eu-a", "v2"), (endpoint.Workload, endpoint.Version, endpoint.Zone, endpoint.Labels["version"]));
    }

    [Fact]
    public void Current_NobodyReady_ThoseOnTheirWayOutServe()
    {
        Sink("services").Set(Service);
        Sink("endpointslices").Set(Slice.Replace("ready: true, serving: true", "ready: false, serving: false", StringComparison.Ordinal));

        Assert.Equal(["10.244.0.2:8080 80 /z2", "10.244.0.2:9000 9000 /z2"], Endpoints());
    }

    [Fact]
    public void Current_ReadyForTheApiButTerminating_IsOut()
    {
        Sink("services").Set(Service); // publishNotReadyAddresses makes ready true for all
        Sink("endpointslices").Set(Slice.Replace("ready: false", "ready: true", StringComparison.Ordinal));

        Assert.Equal(["10.244.0.1:8080 80 /z1", "10.244.0.1:9000 9000 /z1", "10.244.0.3:8080 80 /z1", "10.244.0.3:9000 9000 /z1"], Endpoints());
    }

    [Fact]
    public void Current_NoConditions_CountsAsReady()
    {
        Sink("services").Set(Service);
        Sink("endpointslices").Set("""
            metadata: {name: s, namespace: shop, labels: {kubernetes.io/service-name: reviews}}
            addressType: IPv4
            endpoints: [{addresses: [10.244.0.9]}]
            ports: [{name: grpc, port: 9000}]
            """);

        Assert.Equal(["10.244.0.9:9000 9000 "], Endpoints());
    }

    [Theory]
    [InlineData("[IPv4, IPv6]", "10.244.0.1:8080 80 /z1|10.244.0.1:9000 9000 /z1|[fd00::9]:8080 80 ")]
    [InlineData("[IPv6, IPv4]", "[fd00::1]:8080 80 |[fd00::9]:8080 80 ")]
    public void Current_TwoFamilies_DialEachPodOnceByTheServicesFirst(string families, string expected)
    {
        Sink("services").Set(Service.Replace("[IPv4, IPv6]", families, StringComparison.Ordinal));
        Sink("endpointslices").Set(Slice);
        Sink("endpointslices").Set("""
            metadata: {name: reviews-c2qvw, namespace: shop, labels: {kubernetes.io/service-name: reviews}}
            addressType: IPv6
            endpoints:
            - {addresses: ["fd00::1"], conditions: {ready: true}, targetRef: {kind: Pod, name: r1}}
            - {addresses: ["fd00::9"], conditions: {ready: true}, targetRef: {kind: Pod, name: r9}}
            ports: [{name: http-web, port: 8080}]
            """);

        Assert.Equal(expected.Split('|'), Endpoints());
    }

    [Fact]
    public void Current_SameEndpointInTwoSlices_IsThereOnce()
    {
        Sink("services").Set(Service);
        Sink("endpointslices").List(Slice, Slice.Replace("reviews-5qvbc", "reviews-moved", StringComparison.Ordinal));

        Assert.Equal(["10.244.0.1:8080 80 /z1", "10.244.0.1:9000 9000 /z1"], Endpoints());
    }

    [Theory]
    [InlineData("endpoints: null")]
    [InlineData("endpoints: []")]
    public void Current_SliceJustMade_HasNullsAndNoEndpoints(string endpoints)
    {
        Sink("services").Set(Service);
        Sink("endpointslices").Set($"metadata: {{name: s, namespace: shop, labels: {{kubernetes.io/service-name: reviews}}}}\naddressType: IPv4\n{endpoints}\nports: null");

        Assert.Empty(State.Endpoints[Reviews]);
    }

    [Fact]
    public void Current_SliceOfNames_OrOfNoService_IsLeftOut()
    {
        Sink("services").Set(Service);
        Sink("endpointslices").Set(Slice.Replace("addressType: IPv4", "addressType: FQDN", StringComparison.Ordinal));
        Sink("endpointslices").Set(Slice.Replace("kubernetes.io/service-name: reviews", "a: b", StringComparison.Ordinal));

        Assert.Empty(State.Endpoints[Reviews]);
    }

    [Fact]
    public void Current_SlicesBeforeTheService_AreTakenWhenItComes()
    {
        Sink("endpointslices").Set(Slice);
        Assert.Empty(State.Services);
        Assert.Equal(0, _changes);

        Sink("services").Set(Service);

        Assert.Equal(2, State.Endpoints[Reviews].Length);
    }

    [Fact]
    public void Changed_DeletedService_TakesItsEndpointsAlong()
    {
        Sink("services").Set(Service);
        Sink("endpointslices").Set(Slice);

        Sink("services").Remove(Service);

        Assert.Empty(State.Services);
        Assert.Empty(State.Endpoints);
        Sink("services").Set(Service);
        Assert.Equal(2, State.Endpoints[Reviews].Length);
    }

    [Fact]
    public void Changed_HeadlessService_HasNoAddress()
    {
        Sink("services").Set(Service.Replace("[10.0.0.195, \"fd00:10::9586\"]", "[None]", StringComparison.Ordinal));

        Assert.Empty(State.Services[Reviews].Addresses);
    }

    [Fact]
    public void Changed_ServiceMadeAnewWithAnotherAddress_IsRaised()
    {
        Sink("services").Set(Service);
        int before = _changes;

        Sink("services").Set(Service.Replace("10.0.0.195", "10.0.0.196", StringComparison.Ordinal));

        Assert.Equal((before + 1, "10.0.0.196"), (_changes, State.Services[Reviews].Addresses[0]));
    }

    [Fact]
    public void Changed_ExternalNameOrNoTcpPort_IsNoService()
    {
        Sink("services").Set("metadata: {name: a, namespace: shop}\nspec: {type: ExternalName, externalName: example.com}");
        Sink("services").Set("metadata: {name: b, namespace: shop}\nspec: {ports: [{port: 53, protocol: UDP}]}");

        Assert.Empty(State.Services);
    }

    [Fact]
    public void Changed_NothingThatSidecarsSee_IsNotRaised()
    {
        const string Pod = "metadata: {name: r1, namespace: shop, resourceVersion: '1', labels: {app: reviews}}";
        Sink("services").Set(Service);
        Sink("endpointslices").Set(Slice);
        Sink("pods").Set(Pod);
        int before = _changes;

        Sink("pods").Set(Pod.Replace("'1'", "'2'", StringComparison.Ordinal)); // a status of the pod changed
        Sink("services").Set(Service.Replace("targetPort: web", "targetPort: other", StringComparison.Ordinal));
        Sink("endpointslices").Set(Slice.Replace("serving: false", "serving: true", StringComparison.Ordinal)); // of one that is not ready
        Sink("nodes").Set("metadata: {name: n1, resourceVersion: '7'}");

        Assert.Equal(before, _changes);
    }

    [Fact]
    public void Changed_OneService_LeavesTheOthersObjectsAlone()
    {
        Sink("services").List(Service, Service.Replace("reviews", "other", StringComparison.Ordinal));
        Sink("endpointslices").List(Slice, Slice.Replace("reviews", "other", StringComparison.Ordinal));
        ImmutableArray<MeshEndpoint> other = State.Endpoints["other.shop.svc.cluster.local"];

        Sink("endpointslices").Set(Slice.Replace("10.244.0.1", "10.244.0.7", StringComparison.Ordinal));

        Assert.Equal(["10.244.0.7:8080 80 /z1", "10.244.0.7:9000 9000 /z1"], Endpoints());
        Assert.True(other == State.Endpoints["other.shop.svc.cluster.local"]); // the same array
    }

    [Fact]
    public void Changed_SliceMovesToAnotherService_LeavesTheFirst()
    {
        Sink("services").List(Service, Service.Replace("reviews", "other", StringComparison.Ordinal));
        Sink("endpointslices").Set(Slice);

        Sink("endpointslices").Set(Slice.Replace("service-name: reviews", "service-name: other", StringComparison.Ordinal));

        Assert.Empty(State.Endpoints[Reviews]);
        Assert.Equal(2, State.Endpoints["other.shop.svc.cluster.local"].Length);
    }

    [Theory]
    [InlineData("http", "", "HTTP")]
    [InlineData("http-web", "", "HTTP")]
    [InlineData("HTTP-web", "", "HTTP")]
    [InlineData("web", "http", "HTTP")]
    [InlineData("tcp-web", "http", "HTTP")]
    [InlineData("ws", "kubernetes.io/ws", "HTTP")]
    [InlineData("grpc-web", "", "HTTP")]
    [InlineData("grpc-web-ui", "", "HTTP")]
    [InlineData("http-web", "kubernetes.io/h2c", "TCP")]
    [InlineData("httpx", "", "UNKNOWN")]
    [InlineData("tcp-web", "", "TCP")]
    [InlineData("web", "example.com/own", "TCP")]
    [InlineData("grpc", "", "TCP")]
    [InlineData("http2", "", "TCP")]
    [InlineData("https", "", "TCP")]
    [InlineData("mysql", "", "TCP")]
    [InlineData("", "", "UNKNOWN")]
    public void ProtocolOf_NameAndAppProtocol_AsIstiosUsersDeclareIt(string name, string appProtocol, string expected) =>
        Assert.Equal(expected, ServiceObject.ProtocolOf(name, appProtocol));

    private IWatchSink Sink(string plural) => _cluster.Tables.Single(t => t.Type.Plural == plural).Sink;

    private IEnumerable<string> Endpoints() => State.Endpoints[Reviews].Select(static e => $"{e.Address} {e.ServicePort} {e.Zone}");
}
