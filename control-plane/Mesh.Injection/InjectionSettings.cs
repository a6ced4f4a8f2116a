using System.Collections.Immutable;

namespace Mesh.Injection;

/// <summary>When the sidecar is a native one: an init container that restarts always.</summary>
public enum NativeSidecar
{
    /// <summary>When the cluster is known to have it, or is not known.</summary>
    Auto,

    /// <summary>Always.</summary>
    Always,

    /// <summary>Never: an ordinary container.</summary>
    Never,
}

/// <summary>How traffic reaches the sidecar.</summary>
public enum InterceptionMode
{
    /// <summary>By nat rules that <c>mesh-init</c> writes.</summary>
    Redirect,

    /// <summary>The same, but inbound by rules that change no address. The sidecar needs the capability NET_ADMIN.</summary>
    Tproxy,

    /// <summary>Not at all: the application names the sidecar as its proxy.</summary>
    None,
}

/// <summary>CPU and memory of the sidecar, as Kubernetes quantities; null sets none.</summary>
/// <param name="CpuRequest">Requested CPU.</param>
/// <param name="MemoryRequest">Requested memory.</param>
/// <param name="CpuLimit">CPU limit.</param>
/// <param name="MemoryLimit">Memory limit.</param>
public sealed record ResourceSettings(string? CpuRequest, string? MemoryRequest, string? CpuLimit, string? MemoryLimit)
{
    /// <summary>Istio's defaults (semantics 9.3).</summary>
    public static ResourceSettings Default { get; } = new("100m", "128Mi", "2000m", "1024Mi");
}

/// <summary>What the operator decides for all pods. Annotations of a pod go before it. Immutable.</summary>
public sealed record InjectionSettings
{
    /// <summary>The first minor version of Kubernetes 1 whose every supported node runs native sidecars (semantics 9.4).</summary>
    public const int FirstNativeMinor = 33;

    /// <summary>ConfigMap, in each injected namespace, that holds the control plane's root as <c>root-cert.pem</c>. Not a setting: the control plane writes it under this name.</summary>
    public const string RootConfigMap = "mesh-ca-root-cert";

    /// <summary>Audience of the token that a sidecar shows to the control plane. Not a setting: the control plane takes no other.</summary>
    public const string TokenAudience = "mesh-control-plane";

    /// <summary>The settings when nobody says otherwise.</summary>
    public static InjectionSettings Default { get; } = new();

    /// <summary>Image of the sidecar; <c>mesh-init</c> runs the same one.</summary>
    public string Image { get; init; } = "mesh/sidecar:0.1.0";

    /// <summary>When the image is pulled; null leaves it to Kubernetes.</summary>
    public string? ImagePullPolicy { get; init; }

    /// <summary>Path of the program in the image, for hooks.</summary>
    public string Program { get; init; } = "/usr/local/bin/mesh-sidecar";

    /// <summary>Where the sidecars find the control plane.</summary>
    public string ControlPlane { get; init; } = "https://mesh-control-plane.mesh-system.svc:15010";

    /// <summary>Value of a namespace's label <c>istio.io/rev</c> that means this mesh.</summary>
    public string Revision { get; init; } = "default";

    /// <summary>What happens with a pod about which nothing else decides: true injects.</summary>
    public bool IsEnabled { get; init; } = true;

    /// <summary>Namespaces whose pods are never touched, so that a broken mesh cannot keep the cluster from mending it.</summary>
    public ImmutableArray<string> IgnoredNamespaces { get; init; } =
        ["kube-system", "kube-public", "kube-node-lease", "local-path-storage", "mesh-system"];

    /// <summary>Pods that any of these selects are left alone, unless a label or annotation asks.</summary>
    public ImmutableArray<LabelSelector> NeverInject { get; init; } = [];

    /// <summary>Pods that any of these selects are injected, unless a label or annotation, or <see cref="NeverInject"/>, says no.</summary>
    public ImmutableArray<LabelSelector> AlwaysInject { get; init; } = [];

    /// <summary>Whether the sidecar is a native one.</summary>
    public NativeSidecar Native { get; init; }

    /// <summary>Minor version of the cluster's Kubernetes 1; null when it is not known, and then taken for a current one.</summary>
    public int? KubernetesMinor { get; init; }

    /// <summary>Whether an ordinary sidecar is started first and holds the application's start until it is ready.</summary>
    public bool HoldsApplication { get; init; } = true;

    /// <summary>Whether the application's probes go through the sidecar.</summary>
    public bool RewritesProbes { get; init; } = true;

    /// <summary>Whether Prometheus is led to the merged page of sidecar and application.</summary>
    public bool MergesMetrics { get; init; } = true;

    /// <summary>CPU and memory of the sidecar.</summary>
    public ResourceSettings Resources { get; init; } = ResourceSettings.Default;
}
