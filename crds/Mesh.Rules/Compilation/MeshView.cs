using System.Collections.Immutable;
using System.Net;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;

namespace Mesh.Rules.Compilation;

/// <summary>All that a sidecar knows of the mesh: rules, services, endpoints. Immutable; each change makes a new view.</summary>
public sealed record MeshView
{
    /// <summary>Accepted rules by identity.</summary>
    public ImmutableDictionary<RuleKey, RuleDocument> Rules { get; init; } = ImmutableDictionary<RuleKey, RuleDocument>.Empty;

    /// <summary>Registered services by host.</summary>
    public ImmutableDictionary<string, MeshService> Services { get; init; } = ImmutableDictionary<string, MeshService>.Empty;

    /// <summary>Endpoints by host of the service.</summary>
    public ImmutableDictionary<string, ImmutableArray<MeshEndpoint>> Endpoints { get; init; } =
        ImmutableDictionary<string, ImmutableArray<MeshEndpoint>>.Empty;
}

/// <summary>Whose view is compiled: the client's namespace and labels decide lookup, the application's address the inbound cluster.</summary>
/// <param name="Namespace">Namespace of the workload.</param>
/// <param name="Service">Service name of the workload.</param>
/// <param name="ServicePort">Service port of the workload.</param>
/// <param name="AppAddress"><c>ip:port</c> of the application; empty when there is none.</param>
/// <param name="Labels">Labels of the workload.</param>
/// <param name="Zone">Locality, or empty.</param>
public sealed record ProxyIdentity(
    string Namespace,
    string Service,
    int ServicePort,
    string AppAddress,
    ImmutableSortedDictionary<string, string> Labels,
    string Zone = "")
{
    /// <summary>Where secrets are mounted unless somebody says otherwise.</summary>
    public const string DefaultCredentials = "/etc/mesh/credentials";

    /// <summary>Folder with a folder for each secret that a rule may name: <c>NAME/ca.crt</c>, <c>tls.crt</c>, <c>tls.key</c>.</summary>
    public string Credentials { get; init; } = DefaultCredentials;

    /// <summary>In front of a whole pod: its addresses, by which its services are found; empty beside one application.</summary>
    public ImmutableArray<IPAddress> PodAddresses { get; init; } = [];
}

/// <summary>What compiling gave.</summary>
/// <param name="Snapshot">The snapshot.</param>
/// <param name="Diagnostics">Warnings (never errors: a rule with errors is refused when read), each with the rule it is about.</param>
public sealed record CompileResult(ProxySnapshot Snapshot, ImmutableArray<(RuleKey Rule, Diagnostic Finding)> Diagnostics)
{
    /// <summary>What is to be said of the proxy itself; no rule is to blame.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}
