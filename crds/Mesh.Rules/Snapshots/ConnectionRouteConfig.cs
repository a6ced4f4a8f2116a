using System.Collections.Immutable;
using System.Net;

namespace Mesh.Rules.Snapshots;

/// <summary>
/// One row of a TCP listener's routes; everything given must fit a connection. Of several that fit, the narrower destination counts, then the more exact server name, then
/// the first. Immutable.
/// </summary>
public sealed record ConnectionRouteConfig
{
    /// <summary>Rule and path it comes from, <c>default/partners#spec.tls[0]</c>; null for a service's own.</summary>
    public string? Source { get; init; }

    /// <summary>Server name that the client asks for, in lower case: a name, <c>*.suffix</c>, or <c>*</c> for any. Empty fits every connection, TLS or not.</summary>
    public string ServerName { get; init; } = "";

    /// <summary>Addresses that were called; null for all.</summary>
    public IPNetwork? Destination { get; init; }

    /// <summary>Addresses of callers; null for all.</summary>
    public IPNetwork? Caller { get; init; }

    /// <summary>Where connections go, by weight: each to one of them. One that does not exist ends the connection (NC).</summary>
    public required ImmutableArray<WeightedClusterConfig> Clusters { get; init; }
}
