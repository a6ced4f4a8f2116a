using System.Text.Json.Nodes;
using Xunit;

namespace Mesh.Injection;

public sealed class AnnotationTests
{
    [Theory]
    [InlineData("includeInboundPorts", "8080,9000-9100", "--include-inbound-ports")]
    [InlineData("includeInboundPorts", "", "--include-inbound-ports")]
    [InlineData("excludeInboundPorts", "22", "--exclude-inbound-ports")]
    [InlineData("includeOutboundIPRanges", "10.0.0.0/8,fd00::/8", "--include-outbound-ip-ranges")]
    [InlineData("excludeOutboundIPRanges", "169.254.169.254", "--exclude-outbound-ip-ranges")]
    [InlineData("includeOutboundPorts", "*", "--include-outbound-ports")]
    [InlineData("excludeOutboundPorts", "3306", "--exclude-outbound-ports")]
    [InlineData("excludeInterfaces", "eth1,net+", "--exclude-interfaces")]
    [InlineData("kubevirtInterfaces", "k6t-eth0", "--kubevirt-interfaces")]
    public void Inject_CaptureAnnotation_IsAnOptionOfInit(string name, string value, string option)
    {
        InjectionResult result = Pods.Inject(Pods.With($"traffic.sidecar.istio.io/{name}", value));

        Assert.Equal(["init", $"{option}={value}"], result.Container("initContainers", "mesh-init").Args());
    }

    [Theory]
    [InlineData("traffic.sidecar.istio.io/excludeInboundPorts", "80x")]
    [InlineData("traffic.sidecar.istio.io/excludeInboundPorts", "9000-8000")]
    [InlineData("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/40")]
    [InlineData("traffic.sidecar.istio.io/excludeInterfaces", "a/b")]
    [InlineData("sidecar.istio.io/interceptionMode", "redirect")]
    [InlineData("sidecar.istio.io/proxyCPU", "half")]
    [InlineData("sidecar.istio.io/nativeSidecar", "yes")]
    [InlineData("sidecar.istio.io/userVolume", "[]")]
    [InlineData("status.sidecar.istio.io/port", "8080")]
    [InlineData("readiness.status.sidecar.istio.io/periodSeconds", "0")]
    [InlineData("proxy.istio.io/config", "concurrency: two")]
    public void Inject_WrongValue_RefusesThePodAndSaysWhy(string key, string value)
    {
        InjectionResult result = Pods.Inject(Pods.With(key, value));

        Assert.False(result.IsInjected);
        Assert.Contains($"annotation {key}", Assert.Single(result.Problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sidecar.istio.io/logLevel", "debug", "not enforced yet")]
    [InlineData("sidecar.istio.io/proxyCpu", "1", "is not known")]
    [InlineData("proxy.istio.io/config", "tracing: {}", "not enforced yet")]
    public void Inject_AnnotationWithoutEffect_Warns(string key, string value, string warning)
    {
        InjectionResult result = Pods.Inject(Pods.With(key, value));

        Assert.True(result.IsInjected);
        Assert.Contains(warning, Assert.Single(result.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Inject_ModeNone_LeavesTrafficAlone()
    {
        InjectionResult result = Pods.Inject(Pods.With("sidecar.istio.io/interceptionMode", "NONE"));

        Assert.Equal(["mesh-proxy"], result.Names("initContainers"));
        Assert.Equal("--interception=none", result.Container("initContainers", "mesh-proxy").Args()[^1]);
    }

    [Theory]
    [InlineData("sidecar.istio.io/interceptionMode", "TPROXY")]
    [InlineData("proxy.istio.io/config", "interceptionMode: TPROXY")]
    public void Inject_ModeTproxy_TellsBothContainersAndGivesTheCapability(string key, string value)
    {
        InjectionResult result = Pods.Inject(Pods.With(key, value));

        Assert.Empty(result.Warnings);
        Assert.Equal(["init", "--mode=TPROXY"], result.Container("initContainers", "mesh-init").Args());
        JsonObject sidecar = result.Container("initContainers", "mesh-proxy");
        Assert.Equal("--interception=tproxy", sidecar.Args()[^1]);
        Assert.Equal(
            """{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"],"add":["NET_ADMIN"]},"privileged":false,"readOnlyRootFilesystem":true,"runAsGroup":1337,"runAsNonRoot":false,"runAsUser":0,"seccompProfile":{"type":"RuntimeDefault"}}""",
            sidecar["securityContext"]!.ToJsonString());
    }

    [Fact]
    public void Inject_ModeRedirect_IsTheDefault() => Assert.Equal(
        Pods.Inject(Pods.Plain).Spec!.ToJsonString(),
        Pods.Inject(Pods.With("sidecar.istio.io/interceptionMode", "REDIRECT")).Spec!.ToJsonString());

    [Fact]
    public void Inject_NoResources_TakesIstiosDefaults()
    {
        Assert.Equal(
            """{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"2000m","memory":"1024Mi"}}""",
            Pods.Inject(Pods.Plain).Container("initContainers", "mesh-proxy")["resources"]!.ToJsonString());
    }

    [Fact]
    public void Inject_OneResource_PutsTheDefaultsOut()
    {
        // A default limit of 2 CPUs would refuse a request of 4.
        Assert.Equal(
            """{"requests":{"cpu":"4"}}""",
            Pods.Inject(Pods.With("sidecar.istio.io/proxyCPU", "4")).Container("initContainers", "mesh-proxy")["resources"]!.ToJsonString());
    }

    [Fact]
    public void Inject_ProxyConfig_IsOptionsOfTheSidecar()
    {
        const string Config = "{concurrency: 2, terminationDrainDuration: 30s, proxyMetadata: {MINIMUM_DRAIN_DURATION: 10s, EXIT_ON_ZERO_ACTIVE_CONNECTIONS: \"true\"}}";
        InjectionResult result = Pods.Inject(Pods.With("proxy.istio.io/config", Config));

        Assert.Equal(["--concurrency=2", "--drain-time=30s", "--exit-on-zero-active-connections=true", "--minimum-drain-time=10s"], result.Container("initContainers", "mesh-proxy").Args()[^4..]);
        Assert.Empty(result.Warnings);
    }

    [Fact]
    public void Inject_ReadinessAnnotations_AreTheProbes()
    {
        JsonObject probe = Pods.Inject(Pods.With("readiness.status.sidecar.istio.io/periodSeconds", "5")).Container("initContainers", "mesh-proxy").Map("readinessProbe")!;

        Assert.Equal(
            """{"httpGet":{"path":"/healthz/ready","port":15021},"initialDelaySeconds":0,"periodSeconds":5,"timeoutSeconds":3,"failureThreshold":4}""",
            probe.ToJsonString());
        Assert.Null(Pods.Inject(Pods.With("status.sidecar.istio.io/port", "0")).Container("initContainers", "mesh-proxy")["readinessProbe"]);
    }

    [Fact]
    public void Inject_UserVolume_IsMountedInTheSidecar()
    {
        string pod = Pods.With("sidecar.istio.io/userVolume", """{"certs":{"secret":{"secretName":"partner"}}}""")
            .Replace("  annotations:", "  annotations:\n    sidecar.istio.io/userVolumeMount: '{\"certs\":{\"mountPath\":\"/etc/certs\",\"readOnly\":true}}'", StringComparison.Ordinal);
        InjectionResult result = Pods.Inject(pod);

        Assert.Equal("""{"secret":{"secretName":"partner"},"name":"certs"}""", result.Spec.Items("volumes").Last().ToJsonString());
        Assert.Equal(
            """{"mountPath":"/etc/certs","readOnly":true,"name":"certs"}""", result.Container("initContainers", "mesh-proxy").Items("volumeMounts").Last().ToJsonString());
    }

    [Fact]
    public void Inject_Image_OfBothContainers()
    {
        InjectionResult result = Pods.Inject(Pods.With("sidecar.istio.io/proxyImage", "registry.example/sidecar:9"));

        Assert.All(result.Spec.Items("initContainers"), static c => Assert.Equal("registry.example/sidecar:9", c.Text("image")));
    }
}
