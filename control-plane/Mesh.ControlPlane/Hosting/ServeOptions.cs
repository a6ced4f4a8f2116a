using System.Net;

namespace Mesh.ControlPlane.Hosting;

/// <summary>Options of <c>serve</c>, with the defaults.</summary>
internal sealed record ServeOptions
{
    /// <summary>Where the API and the sidecar stream listen.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 15010);

    /// <summary>Where metrics and health listen; null until <see cref="CommandLine"/> has completed the options.</summary>
    public IPEndPoint? MetricsListen { get; init; }

    /// <summary>Folder of the rules.</summary>
    public string Data { get; init; } = "";

    /// <summary>PEM file of the server's certificate chain, or null.</summary>
    public string? TlsCert { get; init; }

    /// <summary>PEM file of its key, or null.</summary>
    public string? TlsKey { get; init; }

    /// <summary>PEM file of the roots that sidecars need to trust <see cref="TlsCert"/>, or null when they get them by other ways.</summary>
    public string? TlsCa { get; init; }

    /// <summary>File with the token that opens every route, or null.</summary>
    public string? TokenFile { get; init; }

    /// <summary>True when rules, services and endpoints come from a cluster.</summary>
    public bool Kubernetes { get; init; }

    /// <summary>The kubeconfig, or null for the usual places.</summary>
    public string? KubeConfig { get; init; }

    /// <summary>Context of the kubeconfig, or null for its current one.</summary>
    public string? Context { get; init; }

    /// <summary>Namespace of the leases by which one writer of statuses is chosen, or null for our own.</summary>
    public string? LeaseNamespace { get; init; }

    /// <summary>Where the other replicas reach <see cref="Listen"/>; null for its own address, if that is one.</summary>
    public IPEndPoint? ReplicaAddress { get; init; }

    /// <summary>File with the token that this replica shows to the others, or null.</summary>
    public string? ReplicaToken { get; init; }

    /// <summary>Where the admission webhooks listen, or null for none.</summary>
    public IPEndPoint? WebhookListen { get; init; }

    /// <summary>Service, with its namespace, under which API servers find the webhooks and sidecars the stream: the name in our own certificate.</summary>
    public string WebhookService { get; init; } = "mesh-control-plane.mesh-system";

    /// <summary>YAML file with the settings of injected sidecars, or null for the defaults.</summary>
    public string? InjectionSettings { get; init; }

    /// <summary>Collector that the figures of shared circuits are sent to, or null for none.</summary>
    public Uri? OtlpEndpoint { get; init; }

    /// <summary>True when the API shows the certificate that the control plane makes itself: in a cluster, where others can reach it, and none is given.</summary>
    public bool HasOwnCertificate => Kubernetes && TlsCert is null && !IPAddress.IsLoopback(Listen.Address);
}
