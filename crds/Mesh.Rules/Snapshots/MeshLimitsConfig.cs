namespace Mesh.Rules.Snapshots;

/// <summary>What an upstream takes of all sidecars together; each has a share, which the control plane gives out (semantics 11.5). 0 is no limit.</summary>
/// <param name="Rule">Key of the rule, <c>ResiliencePolicy/default/partner</c>: by it sidecar and control plane speak of it.</param>
/// <param name="Source">Rule and path, <c>default/partner#spec</c>.</param>
/// <param name="MaxConnections">Most connections of all.</param>
/// <param name="MaxRequests">Most active requests of all.</param>
public sealed record MeshLimitsConfig(string Rule, string Source, int MaxConnections = 0, int MaxRequests = 0)
{
    /// <summary>Highest limit.</summary>
    public const int Most = 1_000_000;

    /// <summary>Field of <see cref="MaxConnections"/>, below <c>spec</c>.</summary>
    public const string ConnectionsField = "meshLimits.maxConnections";

    /// <summary>Field of <see cref="MaxRequests"/>.</summary>
    public const string RequestsField = "meshLimits.maxRequests";
}
