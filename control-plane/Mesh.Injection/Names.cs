namespace Mesh.Injection;

/// <summary>Names that the injector gives, and those of Istio's that it understands (semantics 9.3).</summary>
internal static class Names
{
    public const string Proxy = "mesh-proxy";
    public const string Init = "mesh-init";
    public const string IstioProxy = "istio-proxy";

    public const string StateVolume = "mesh-state";
    public const string TokenVolume = "mesh-token";
    public const string RootVolume = "mesh-root";
    public const string PodVolume = "mesh-pod";

    public const string StatePath = "/var/lib/mesh";
    public const string TokenPath = "/var/run/secrets/mesh/token";
    public const string RootPath = "/var/run/secrets/mesh/root";
    public const string PodPath = "/etc/mesh/pod";

    public const string InjectKey = "sidecar.istio.io/inject";
    public const string StatusKey = "sidecar.istio.io/status";
    public const string ProxyConfigKey = "proxy.istio.io/config";
    public const string CanonicalName = "service.istio.io/canonical-name";
    public const string CanonicalRevision = "service.istio.io/canonical-revision";
    public const string NamespaceInjection = "istio-injection";
    public const string RevisionLabel = "istio.io/rev";
    public const string DefaultContainer = "kubectl.kubernetes.io/default-container";

    /// <summary>User and group of the sidecar; what runs as either is not captured.</summary>
    public const int ProxyUser = 1337;

    public const int AgentPort = 15020;
    public const int HealthPort = 15021;
    public const int MetricsPort = 15090;

    /// <summary>Volumes that the injector adds.</summary>
    public static IReadOnlyList<string> Volumes { get; } = [StateVolume, TokenVolume, RootVolume, PodVolume];
}
