using System.Collections.Immutable;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Wire;

/// <summary>A service as the control plane knows it from registrations. Service entries travel as rules, not as services.</summary>
/// <param name="Host">Fully qualified host, <c>products.default.svc.cluster.local</c>.</param>
/// <param name="Namespace">Namespace.</param>
/// <param name="Ports">Ports, ascending.</param>
public sealed record MeshService(string Host, string Namespace, ImmutableArray<MeshServicePort> Ports)
{
    /// <summary>IPs of the service itself, such as a cluster's: what a redirected caller dialled. Empty where services have names only.</summary>
    public ImmutableArray<string> Addresses { get; init; } = [];
}

/// <summary>A port of a service.</summary>
/// <param name="Number">1 to 65535.</param>
/// <param name="Protocol">HTTP, TCP, or <see cref="Undeclared"/>.</param>
public sealed record MeshServicePort(int Number, string Protocol)
{
    /// <summary>Nobody has said: callers send bytes, and in front of the application the first bytes of a connection tell.</summary>
    public const string Undeclared = "UNKNOWN";
}

/// <summary>One instance of a service port: a sidecar's advertised inbound address.</summary>
/// <param name="Address"><c>ip:port</c> that peers dial.</param>
/// <param name="ServicePort">The service port it serves.</param>
/// <param name="Labels">Labels for subsets.</param>
/// <param name="Zone">Locality, or empty.</param>
/// <param name="Workload">Workload name for metrics.</param>
/// <param name="Version">Version label.</param>
public sealed record MeshEndpoint(
    string Address,
    int ServicePort,
    ImmutableSortedDictionary<string, string> Labels,
    string Zone,
    string Workload,
    string Version);

/// <summary>One version of the stream to a sidecar: the whole set, or what changed since the last version. Applied and acknowledged as one.</summary>
public sealed record PushMessage
{
    /// <summary>Version; the <c>id:</c> of the event, opaque to the sidecar.</summary>
    public required string Version { get; init; }

    /// <summary>True: everything not in here is gone. False: only what is listed changed.</summary>
    public required bool IsFull { get; init; }

    /// <summary>Rules, whole documents as YAML text (the wire carries text; the receiver binds it).</summary>
    public ImmutableArray<PushedRule> Rules { get; init; } = [];

    /// <summary>Rules that are gone (deltas only).</summary>
    public ImmutableArray<RuleKey> RemovedRules { get; init; } = [];

    /// <summary>Services that are new or changed.</summary>
    public ImmutableArray<MeshService> Services { get; init; } = [];

    /// <summary>Hosts of services that are gone (deltas only).</summary>
    public ImmutableArray<string> RemovedServices { get; init; } = [];

    /// <summary>The whole endpoint list of each host whose endpoints changed.</summary>
    public ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>> Endpoints { get; init; } =
        ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>>.Empty;
}

/// <summary>A rule on the wire: identity, content version and the document's text.</summary>
/// <param name="Key">Identity.</param>
/// <param name="Version">Content version (the object's resourceVersion).</param>
/// <param name="Yaml">The document as YAML: apiVersion, kind, metadata, spec.</param>
public sealed record PushedRule(RuleKey Key, string Version, string Yaml);
