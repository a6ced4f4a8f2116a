using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Mesh.Rules.Wire;

/// <summary>Body of <c>POST /mesh/v1/sidecars</c>: what a sidecar tells about itself and its application.</summary>
public sealed record SidecarRegistration
{
    /// <summary>Id the sidecar wishes to have (<c>--node</c>), or its former one after a restart; null lets the control plane choose.</summary>
    public string? Node { get; set; }

    /// <summary>Service name, one label; empty, with port 0, for a sidecar in a pod, which takes pushes and is no endpoint: the cluster knows its endpoints itself.</summary>
    public required string Service { get; init; }

    /// <summary>Namespace of the service.</summary>
    public string Namespace { get; set; } = "default";

    /// <summary>Service port; 0 without a service.</summary>
    public required int Port { get; init; }

    /// <summary>HTTP or TCP.</summary>
    public string Protocol { get; set; } = "HTTP";

    /// <summary><c>ip:port</c> at which peers reach the inbound listener.</summary>
    public required string Address { get; init; }

    /// <summary>Labels for subsets and workload selectors.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; set; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Version label of the workload.</summary>
    public string Version { get; set; } = "latest";

    /// <summary>Locality, or empty.</summary>
    public string Zone { get; set; } = "";

    /// <summary>When the sidecar started, RFC 3339.</summary>
    public string StartedAt { get; set; } = "";
}

/// <summary>Answer to a registration.</summary>
/// <param name="Id">Id for the other calls.</param>
/// <param name="ReportIntervalMilliseconds">How often to report.</param>
/// <param name="LeaseMilliseconds">Silence after which the endpoint is removed.</param>
public sealed record SidecarRegistered(string Id, int ReportIntervalMilliseconds, int LeaseMilliseconds);

/// <summary>Body of <c>POST /mesh/v1/sidecars/ID/ack</c>.</summary>
public sealed record SidecarAck
{
    /// <summary>The version that is answered.</summary>
    public required string Version { get; init; }

    /// <summary>True for ACK, false for NACK.</summary>
    public required bool Accepted { get; init; }

    /// <summary>Findings, for the rule's status.</summary>
    public ImmutableArray<SidecarFinding> Findings { get; set; } = [];
}

/// <summary>Something a sidecar has to say about a rule.</summary>
/// <param name="Rule">Rule it is about (<c>DestinationRule/default/products</c>); empty when about none.</param>
/// <param name="Severity"><c>error</c> or <c>warning</c>.</param>
/// <param name="Path">Field path.</param>
/// <param name="Message">Text.</param>
public sealed record SidecarFinding(string Rule, string Severity, string Path, string Message);

/// <summary>Body of <c>POST /mesh/v1/sidecars/ID/report</c>, each second; the heartbeat.</summary>
public sealed record SidecarReport
{
    /// <summary>Version in force.</summary>
    public string Version { get; set; } = "";

    /// <summary>Whether the sidecar takes new traffic (false while draining: its endpoint is taken out).</summary>
    public bool Ready { get; set; } = true;

    /// <summary>Requests in progress at the sidecar now, to its application and from it; null for one that shares no circuit, or does not say.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? ActiveRequests { get; set; }

    /// <summary>Circuits that all callers share.</summary>
    public ImmutableArray<CircuitReport> Circuits { get; set; } = [];

    /// <summary>Limits that all callers share.</summary>
    public ImmutableArray<LimitReport> Limits { get; set; } = [];
}

/// <summary>JSON of the sidecar messages (camelCase, no reflection). A field that is left out has its default, null is refused.</summary>
/// <remarks>Fields with a default have <c>set</c>, not <c>init</c>: generated code sets every <c>init</c> property, to null or false when absent.</remarks>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(SidecarRegistration))]
[JsonSerializable(typeof(SidecarRegistered))]
[JsonSerializable(typeof(SidecarAck))]
[JsonSerializable(typeof(SidecarReport))]
[JsonSerializable(typeof(SidecarOrders))]
public sealed partial class WireJson : JsonSerializerContext;
