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

    /// <summary>File with the token that every request must bear, or null.</summary>
    public string? TokenFile { get; init; }

    /// <summary>True when rules, services and endpoints come from a cluster.</summary>
    public bool Kubernetes { get; init; }

    /// <summary>The kubeconfig, or null for the usual places.</summary>
    public string? KubeConfig { get; init; }

    /// <summary>Context of the kubeconfig, or null for its current one.</summary>
    public string? Context { get; init; }

    /// <summary>Namespace of the leases by which one writer of statuses is chosen, or null for our own.</summary>
    public string? LeaseNamespace { get; init; }

    /// <summary>Where the admission webhooks listen, or null for none.</summary>
    public IPEndPoint? WebhookListen { get; init; }

    /// <summary>Service, with its namespace, under which the API server finds the webhooks.</summary>
    public string WebhookService { get; init; } = "mesh-control-plane.mesh-system";

    /// <summary>YAML file with the settings of injected sidecars, or null for the defaults.</summary>
    public string? InjectionSettings { get; init; }

    /// <summary>True when the API is guarded by TLS and token rather than by being on loopback.</summary>
    public bool IsGuarded => TokenFile is not null;
}
