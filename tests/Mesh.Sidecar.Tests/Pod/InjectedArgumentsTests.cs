using System.Text.Json.Nodes;
using Mesh.Injection;
using Mesh.Rules.Reading;
using Mesh.Sidecar.Options;
using Xunit;

namespace Mesh.Sidecar.Tests.Pod;

/// <summary>What the injector writes into a pod, read by the program that is started with it.</summary>
public sealed class InjectedArgumentsTests
{
    private const string Annotated = """
        metadata:
          labels: {app: orders}
          annotations:
            prometheus.io/scrape: "true"
            prometheus.io/port: "9102"
            traffic.sidecar.istio.io/includeInboundPorts: "8080,9000-9100"
            traffic.sidecar.istio.io/excludeInboundPorts: "9001"
            traffic.sidecar.istio.io/includeOutboundIPRanges: "10.0.0.0/8,fd00::/8"
            traffic.sidecar.istio.io/excludeOutboundIPRanges: "10.1.0.0/16"
            traffic.sidecar.istio.io/includeOutboundPorts: ""
            traffic.sidecar.istio.io/excludeOutboundPorts: "5432"
            traffic.sidecar.istio.io/excludeInterfaces: "net1"
            traffic.sidecar.istio.io/kubevirtInterfaces: "k6t-eth0"
            proxy.istio.io/config: '{concurrency: 2, terminationDrainDuration: 30s, proxyMetadata: {MINIMUM_DRAIN_DURATION: 10s, EXIT_ON_ZERO_ACTIVE_CONNECTIONS: "true"}}'
        """;

    private const string Spec = """

        spec:
          containers:
          - name: app
            image: orders:1
            ports: [{name: web, containerPort: 8080}]
            livenessProbe: {httpGet: {path: /live, port: web}}
            readinessProbe: {tcpSocket: {port: 8080}}
            startupProbe: {grpc: {port: 9000}}
        """;

    [Theory]
    [InlineData(true, "")]
    [InlineData(false, "")]
    [InlineData(true, Annotated)]
    [InlineData(false, Annotated)]
    [InlineData(true, "metadata: {annotations: {sidecar.istio.io/interceptionMode: NONE}}")]
    [InlineData(true, "metadata: {annotations: {sidecar.istio.io/interceptionMode: TPROXY}}")]
    public void Containers_AreStartedWithWhatTheSidecarTakes(bool isNative, string metadata)
    {
        foreach (JsonObject container in OursIn(metadata + Spec, isNative))
        {
            CommandLineResult result = Read(container, "args");
            Assert.Null(result.Error);
            Assert.True(result.Options is not null || result.Init is not null);
            Assert.All(Hooks(container), static hook => Assert.NotNull(hook.Hook));
        }
    }

    [Fact]
    public void Sidecar_KnowsAllThatWasHandedOver()
    {
        SidecarOptions options = Read(OursIn(Annotated + Spec, isNative: true).Single(static c => (string?)c["name"] == "mesh-proxy"), "args").Options!;

        Assert.Equal(("orders-7d9-x2x4q", "shop", "orders-7d9-x2x4q.shop", "/etc/mesh/pod"), (options.Pod, options.Namespace, options.Node, options.PodInfo));
        Assert.Equal(["10.0.0.7", "fd00::7"], options.PodIps.Select(static a => a.ToString()));
        Assert.Equal(("/var/run/secrets/mesh/root/root-cert.pem", "/var/run/secrets/mesh/token/token"), (options.ControlPlaneCa, options.ControlPlaneToken));
        Assert.Equal(["/app-health/app/livez", "/app-health/app/readyz", "/app-health/app/startupz"], options.AppProbes.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(9102, options.AppMetrics!.Port);
        Assert.Equal((2, 30, 10, true), (options.Concurrency, (int)options.DrainTime.TotalSeconds, (int)options.MinimumDrainTime.TotalSeconds, options.ExitsWithoutConnections));
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void Hooks_AreVerbs(bool isNative, bool isDrain) =>
        Assert.Equal(isDrain, Assert.Single(Hooks(OursIn(Spec, isNative).Single(static c => (string?)c["name"] == "mesh-proxy"))).Hook!.IsDrain);

    private static IEnumerable<JsonObject> OursIn(string pod, bool isNative)
    {
        JsonObject read = RuleJson.FromManifest(pod).Object!;
        InjectionSettings settings = InjectionSettings.Default with { Native = isNative ? NativeSidecar.Always : NativeSidecar.Never };
        InjectionResult result = SidecarInjector.Inject(new PodInput(read["metadata"] as JsonObject, (JsonObject)read["spec"]!, "shop", "orders"), settings);
        Assert.True(result.IsInjected, string.Join("; ", result.Problems));
        return ((string[])["initContainers", "containers"]).SelectMany(list => result.Spec![list] as JsonArray ?? []).OfType<JsonObject>()
            .Where(static c => ((string?)c["name"])!.StartsWith("mesh-", StringComparison.Ordinal));
    }

    private static IEnumerable<CommandLineResult> Hooks(JsonObject container) =>
        (container["lifecycle"] as JsonObject ?? []).Select(static h => h.Value!["exec"]!["command"]!.AsArray())
            .Select(static command => CommandLine.Read([.. command.Skip(1).Select(static a => (string)a!)], static _ => null));

    // As kubelet does: variables first, then $(NAME) in the arguments.
    private static CommandLineResult Read(JsonObject container, string list)
    {
        Dictionary<string, string> environment = [];
        foreach (JsonObject variable in (container["env"] as JsonArray ?? []).OfType<JsonObject>())
        {
            environment[(string)variable["name"]!] = (string?)variable["value"] ?? Field((string)variable["valueFrom"]!["fieldRef"]!["fieldPath"]!);
        }

        string[] arguments = [.. container[list]!.AsArray().Select(static a => (string)a!)];
        return CommandLine.Read([.. arguments.Select(a => environment.Aggregate(a, static (text, v) => text.Replace($"$({v.Key})", v.Value, StringComparison.Ordinal)))], environment.GetValueOrDefault);
    }

    private static string Field(string path) => path switch
    {
        "metadata.name" => "orders-7d9-x2x4q",
        "metadata.namespace" => "shop",
        "status.podIP" => "10.0.0.7",
        "status.podIPs" => "10.0.0.7,fd00::7",
        "status.hostIP" => "192.0.2.1",
        "spec.nodeName" => "node-1",
        "spec.serviceAccountName" => "default",
        _ => throw new ArgumentOutOfRangeException(nameof(path), path, "kubelet was not taught this one"),
    };
}
