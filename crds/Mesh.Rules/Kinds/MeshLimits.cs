using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What a host takes of all sidecars together. Unset fields are null and limit nothing.</summary>
public sealed record MeshLimits
{
    /// <summary>Most connections of all sidecars together.</summary>
    public int? MaxConnections { get; init; }

    /// <summary>Most active requests of all sidecars together.</summary>
    public int? MaxRequests { get; init; }

    internal static ObjectSchema<MeshLimits> Schema { get; } = new ObjectSchema<MeshLimits>()
        .Whole("maxConnections", static (o, v) => o with { MaxConnections = v },
            "Most connections of all sidecars together. The control plane gives each a share, at least one; who has used its own up waits as with connectionPool's maxConnections.", min: 1, max: Snapshots.MeshLimitsConfig.Most)
        .Whole("maxRequests", static (o, v) => o with { MaxRequests = v },
            "Most active requests of all sidecars together; who has used its share up is answered 503 at once, as with http2MaxRequests.", min: 1, max: Snapshots.MeshLimitsConfig.Most);
}
