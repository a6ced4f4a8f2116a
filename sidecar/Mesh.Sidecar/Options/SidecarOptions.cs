using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Mesh.Sidecar.Agent;

namespace Mesh.Sidecar.Options;

/// <summary>The settings of one sidecar, checked.</summary>
internal sealed record SidecarOptions
{
    /// <summary>The defaults in a pod: Istio's ports on every address, so that kubelet and redirected connections reach them; all but the admin pages.</summary>
    public static SidecarOptions InPod
    {
        get
        {
            IPAddress every = Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;
            SidecarOptions alone = new();
            return alone with
            {
                Service = "",
                Interception = InterceptionMode.Redirect,
                Outbound = new IPEndPoint(every, alone.Outbound.Port),
                Inbound = new IPEndPoint(every, alone.Inbound.Port),
                Health = new IPEndPoint(every, alone.Health.Port),
                Metrics = new IPEndPoint(every, alone.Metrics.Port),
                Agent = new IPEndPoint(every, 15020),
            };
        }
    }

    /// <summary>Name of the pod that it stands in; null when it stands beside one service.</summary>
    public string? Pod { get; init; }

    /// <summary>Folder with the pod's labels and annotations; null when nobody hands them over.</summary>
    public string? PodInfo { get; init; }

    /// <summary>Addresses of the pod; not empty when there is one.</summary>
    public ImmutableArray<IPAddress> PodIps { get; init; } = [];

    /// <summary>Where the application of the pod is probed; not null when there is a pod.</summary>
    public IPAddress? AppAddress { get; init; }

    /// <summary>Name of the workload in metrics; null means that of the service.</summary>
    public string? Workload { get; init; }

    /// <summary>Service name, one label; empty in a pod, which may belong to several services or none.</summary>
    public string Service { get; init; } = "unknown";

    /// <summary>Namespace of the service.</summary>
    public string Namespace { get; init; } = "default";

    /// <summary>Service port; 0 when there is no application.</summary>
    public int ServicePort { get; init; }

    /// <summary>Address of the application as given, <c>HOST:PORT</c>; empty when there is none.</summary>
    public string App { get; init; } = "";

    /// <summary>Addresses of the control plane's replicas; empty with <see cref="Rules"/>.</summary>
    public ImmutableArray<Uri> ControlPlane { get; init; } = [];

    /// <summary>PEM file of the only roots that are trusted for the control plane; null for the system's.</summary>
    public string? ControlPlaneCa { get; init; }

    /// <summary>File with the token that the control plane is shown; null shows none.</summary>
    public string? ControlPlaneToken { get; init; }

    /// <summary>File or folder of rules; null with <see cref="ControlPlane"/>.</summary>
    public string? Rules { get; init; }

    /// <summary>Id the sidecar wishes to have; null lets the control plane choose.</summary>
    public string? Node { get; init; }

    /// <summary>Folder of the last good state; null keeps none.</summary>
    public string? State { get; init; }

    /// <summary>Folder with the secrets that rules name.</summary>
    public string Credentials { get; init; } = Mesh.Rules.Compilation.ProxyIdentity.DefaultCredentials;

    /// <summary>Outbound listener.</summary>
    public IPEndPoint Outbound { get; init; } = new(IPAddress.Loopback, 15001);

    /// <summary>Inbound listener.</summary>
    public IPEndPoint Inbound { get; init; } = new(IPAddress.Loopback, 15006);

    /// <summary>Admin port; always loopback.</summary>
    public IPEndPoint Admin { get; init; } = new(IPAddress.Loopback, 15000);

    /// <summary>Readiness port.</summary>
    public IPEndPoint Health { get; init; } = new(IPAddress.Loopback, 15021);

    /// <summary>Metrics port.</summary>
    public IPEndPoint Metrics { get; init; } = new(IPAddress.Loopback, 15090);

    /// <summary>Pages for kubelet and Prometheus in a pod; null for none.</summary>
    public IPEndPoint? Agent { get; init; }

    /// <summary>The application's own probes, by the path that kubelet asks instead.</summary>
    public ImmutableDictionary<string, AppProbe> AppProbes { get; init; } = ImmutableDictionary<string, AppProbe>.Empty;

    /// <summary>Where the application has metrics; null when it has none.</summary>
    public AppMetrics? AppMetrics { get; init; }

    /// <summary>In a pod: end as soon as no connection is left, however long that takes, instead of after the drain time.</summary>
    public bool ExitsWithoutConnections { get; init; }

    /// <summary>How connections come to the sidecar.</summary>
    public InterceptionMode Interception { get; init; }

    /// <summary>Where connections to ports of the application that no service names come from; null leaves it to the system.</summary>
    public IPAddress? PassthroughSource { get; init; } = ClusterManager.DefaultInboundSource;

    /// <summary>Address told to peers; null means where the inbound listener is bound. Port 0 means the bound port.</summary>
    public IPEndPoint? Advertise { get; init; }

    /// <summary>Threads that carry traffic; 0 is one per core.</summary>
    public int Concurrency { get; init; }

    /// <summary>The one nameserver to ask for names in rules; null for those of the machine.</summary>
    public IPEndPoint? Dns { get; init; }

    /// <summary>What carries the connections.</summary>
    public TransportKind Transport { get; init; }

    /// <summary>Access log file, <c>-</c> for standard output, null for none.</summary>
    public string? AccessLog { get; init; }

    /// <summary>Format of the access log.</summary>
    public AccessLogFormat AccessLogFormat { get; init; }

    /// <summary>Labels of the workload.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Locality, or empty.</summary>
    public string Zone { get; init; } = "";

    /// <summary>Version label of the workload; from <c>--version-label</c>, else the label <c>version</c>, else <c>latest</c>.</summary>
    public string Version { get; init; } = "latest";

    /// <summary>How long requests in flight may take after SIGTERM.</summary>
    public TimeSpan DrainTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long new connections are served after SIGTERM even when none is left.</summary>
    public TimeSpan MinimumDrainTime { get; init; }

    /// <summary>Limits for the connections of clients.</summary>
    public ConnectionLimits Limits { get; init; } = ConnectionLimits.Default with { MaxConnections = DescriptorLimit.Connections };
}
