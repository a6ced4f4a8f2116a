using System.Text.Json.Nodes;
using Xunit;

namespace Mesh.Injection;

public sealed class SidecarInjectorTests
{
    private static readonly InjectionSettings Old = InjectionSettings.Default with { Native = NativeSidecar.Never };

    private const string WithInit = """
        spec:
          initContainers:
          - name: migrate
            image: orders:1
          containers:
          - name: app
            image: orders:1
          - name: helper
            image: helper:1
        """;

    [Fact]
    public void Inject_Native_RunsBeforeTheUsersInitContainers()
    {
        InjectionResult result = Pods.Inject(WithInit);

        Assert.Equal(["mesh-init", "mesh-proxy", "migrate"], result.Names("initContainers"));
        Assert.Equal(["app", "helper"], result.Names("containers"));
        JsonObject sidecar = result.Container("initContainers", "mesh-proxy");
        Assert.Equal("Always", sidecar.Text("restartPolicy"));
        Assert.Equal(600, sidecar.Map("startupProbe").Number("failureThreshold"));
        Assert.Equal("""{"preStop":{"exec":{"command":["/usr/local/bin/mesh-sidecar","drain"]}}}""", sidecar["lifecycle"]!.ToJsonString());
    }

    [Fact]
    public void Inject_OldOrder_HoldsTheApplicationAndLeavesInitContainersUncaptured()
    {
        InjectionResult result = Pods.Inject(WithInit, Old);

        Assert.Equal(["migrate", "mesh-init"], result.Names("initContainers"));
        Assert.Equal(["mesh-proxy", "app", "helper"], result.Names("containers"));
        JsonObject sidecar = result.Container("containers", "mesh-proxy");
        Assert.Equal("""{"postStart":{"exec":{"command":["/usr/local/bin/mesh-sidecar","wait"]}}}""", sidecar["lifecycle"]!.ToJsonString());
        Assert.Null(sidecar["restartPolicy"]);
        Assert.Equal("app", result.Metadata.Map("annotations").Text(Names.DefaultContainer));
    }

    [Fact]
    public void Inject_OldOrderWithoutHolding_StandsLast()
    {
        InjectionResult result = Pods.Inject("metadata: {annotations: {proxy.istio.io/config: 'holdApplicationUntilProxyStarts: false'}}\n" + WithInit, Old);

        Assert.Equal(["app", "helper", "mesh-proxy"], result.Names("containers"));
        Assert.Null(result.Container("containers", "mesh-proxy")["lifecycle"]);
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData(33, true)]
    [InlineData(32, false)]
    public void Inject_NativeAuto_GoesByTheCluster(int? minor, bool native)
    {
        InjectionResult result = Pods.Inject(Pods.Plain, InjectionSettings.Default with { KubernetesMinor = minor });

        Assert.Equal(native, result.Names("initContainers").Contains(Names.Proxy));
    }

    [Fact]
    public void Inject_NativeAnnotation_GoesBeforeTheSettings()
    {
        Assert.Contains(Names.Proxy, Pods.Inject(Pods.With("sidecar.istio.io/nativeSidecar", "false")).Names("containers"));
        Assert.Contains(Names.Proxy, Pods.Inject(Pods.With("sidecar.istio.io/nativeSidecar", "true"), Old).Names("initContainers"));
    }

    [Fact]
    public void Inject_SecurityContext_OnlyInitHasCapabilities()
    {
        InjectionResult result = Pods.Inject(Pods.Plain);

        JsonObject sidecar = result.Container("initContainers", "mesh-proxy").Map("securityContext")!;
        Assert.Equal(
            """{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"privileged":false,"readOnlyRootFilesystem":true,"runAsGroup":1337,"runAsNonRoot":true,"runAsUser":1337,"seccompProfile":{"type":"RuntimeDefault"}}""",
            sidecar.ToJsonString());
        JsonObject init = result.Container("initContainers", "mesh-init").Map("securityContext")!;
        Assert.Equal("""{"drop":["ALL"],"add":["NET_ADMIN","NET_RAW"]}""", init.Map("capabilities")!.ToJsonString());
        Assert.Equal(0, init.Number("runAsUser"));
    }

    [Fact]
    public void Inject_Sidecar_KnowsItsPodAndTheControlPlane()
    {
        InjectionResult result = Pods.Inject(Pods.Plain, InjectionSettings.Default with { ControlPlane = "https://mesh.example:15010" });

        JsonObject sidecar = result.Container("initContainers", "mesh-proxy");
        Assert.Equal(
            [
                "run", "--pod=$(POD_NAME).$(POD_NAMESPACE)", "--pod-info=/etc/mesh/pod", "--control-plane=https://mesh.example:15010",
                "--control-plane-ca=/var/run/secrets/mesh/root/root-cert.pem", "--control-plane-token=/var/run/secrets/mesh/token/token", "--state=/var/lib/mesh",
            ],
            sidecar.Args());
        Assert.Equal(
            ["metadata.name", "metadata.namespace", "status.podIP", "status.podIPs", "status.hostIP", "spec.nodeName", "spec.serviceAccountName"],
            sidecar.Items("env").Select(static e => e.Map("valueFrom").Map("fieldRef").Text("fieldPath")).OfType<string>());

        // Each mount has its volume.
        Assert.Equal(
            sidecar.Items("volumeMounts").Select(static m => m.Text("name")), result.Spec.Items("volumes").Select(static v => v.Text("name")));
    }

    [Fact]
    public void Inject_Twice_IsInjectedOnce()
    {
        InjectionResult once = Pods.Inject(WithInit);
        InjectionResult twice = SidecarInjector.Inject(new PodInput(once.Metadata, once.Spec!, "shop", "orders"), Old);

        Assert.False(twice.IsInjected);
        Assert.Empty(twice.Problems);
        Assert.Equal("it is injected already", twice.Reason);
    }

    [Fact]
    public void Inject_Input_IsNotChanged()
    {
        PodInput input = Pods.Input(WithInit);
        string before = input.Spec.ToJsonString();

        SidecarInjector.Inject(input, InjectionSettings.Default);

        Assert.Equal(before, input.Spec.ToJsonString());
    }

    [Fact]
    public void Inject_RestOfThePod_StaysAsItWas()
    {
        const string Pod = """
            spec:
              shareProcessNamespace: true
              serviceAccountName: orders
              terminationGracePeriodSeconds: 90
              securityContext: {fsGroup: 2000}
              containers:
              - {name: app, image: "orders:1", env: [{name: A, value: "1"}], volumeMounts: [{name: data, mountPath: /data}]}
              volumes:
              - {name: data, emptyDir: {}}
            """;
        InjectionResult result = Pods.Inject(Pod);

        JsonObject spec = (JsonObject)result.Spec!.DeepClone();
        spec.Remove("initContainers");
        JsonArray volumes = (JsonArray)spec["volumes"]!;
        while (volumes.Count > 1)
        {
            volumes.RemoveAt(1);
        }

        Assert.True(JsonNode.DeepEquals(Pods.Yaml(Pod)["spec"], spec), spec.ToJsonString());
    }

    [Fact]
    public void Inject_IstiosSidecar_IsLeftAlone()
    {
        InjectionResult result = Pods.Inject(WithInit.Replace("helper\n", "istio-proxy\n", StringComparison.Ordinal));

        Assert.False(result.IsInjected);
        Assert.Contains("Istio's sidecar", result.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("name: helper", "name: mesh-proxy", "container mesh-proxy: the name is the mesh's")]
    [InlineData("spec:", "spec:\n  volumes: [{name: mesh-state}]", "volume mesh-state: the name is used by the sidecar")]
    [InlineData("spec:", "spec:\n  volumes: {}", "spec.volumes: must be a list")]
    [InlineData("spec:", "metadata: {labels: []}\nspec:", "metadata.labels: must be a map of texts")]
    public void Inject_PodThatCannotTakeIt_SaysWhat(string old, string @new, string problem)
    {
        InjectionResult result = Pods.Inject(WithInit.Replace(old, @new, StringComparison.Ordinal));

        Assert.False(result.IsInjected);
        Assert.Contains(result.Problems, p => p.StartsWith(problem, StringComparison.Ordinal));
    }

    [Fact]
    public void Inject_ApplicationAsTheSidecarsUser_Warns()
    {
        InjectionResult result = Pods.Inject(WithInit.Replace("name: helper", "name: helper\n    securityContext: {runAsUser: 1337}", StringComparison.Ordinal));

        Assert.StartsWith("container helper: runAsUser 1337", Assert.Single(result.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Inject_JobWithOldOrder_WarnsThatItDoesNotEnd()
    {
        string job = WithInit.Replace("spec:", "spec:\n  restartPolicy: Never", StringComparison.Ordinal);

        Assert.Contains("/quitquitquit", Assert.Single(Pods.Inject(job, Old).Warnings), StringComparison.Ordinal);
        Assert.Empty(Pods.Inject(job).Warnings);
        Assert.Empty(Pods.Inject(WithInit, Old).Warnings);
    }
}
