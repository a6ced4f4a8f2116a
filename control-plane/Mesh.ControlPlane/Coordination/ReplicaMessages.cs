using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Body of <c>POST /mesh/v1/replicas/report</c>: what the sidecars of one replica have to say to the replica that decides.</summary>
internal sealed record ReplicaReport
{
    /// <summary>Its sidecars that share something.</summary>
    public ImmutableArray<ReplicaCaller> Callers { get; set; } = [];

    /// <summary>Ids of those that left since the report before.</summary>
    public ImmutableArray<string> Gone { get; set; } = [];
}

/// <summary>One sidecar of another replica.</summary>
internal sealed record ReplicaCaller
{
    /// <summary>Its id.</summary>
    public required string Id { get; init; }

    /// <summary>Its zone.</summary>
    public string Zone { get; set; } = "";

    /// <summary>When it started.</summary>
    public string StartedAt { get; set; } = "";

    /// <summary>Its address.</summary>
    public string Address { get; set; } = "";

    /// <summary>Its newest report; null when that was sent before, and only its orders are asked for.</summary>
    public SidecarReport? Report { get; set; }
}

/// <summary>The answer: orders by id, for each sidecar that was named.</summary>
internal sealed record ReplicaOrders
{
    /// <summary>Orders by id.</summary>
    public ImmutableDictionary<string, SidecarOrders> Orders { get; set; } = ImmutableDictionary<string, SidecarOrders>.Empty;
}

/// <summary>JSON of the messages between replicas.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ReplicaReport))]
[JsonSerializable(typeof(ReplicaOrders))]
internal sealed partial class ReplicaJson : JsonSerializerContext;
