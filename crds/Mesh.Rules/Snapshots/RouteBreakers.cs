using System.Collections.Immutable;

namespace Mesh.Rules.Snapshots;

/// <summary>Circuit breakers of single routes to one cluster, by the route's name. Compared by what is in it.</summary>
/// <param name="ByRoute">At least one.</param>
public sealed record RouteBreakers(ImmutableSortedDictionary<string, BreakerConfig> ByRoute)
{
    /// <inheritdoc/>
    public bool Equals(RouteBreakers? other) => other is not null && ByRoute.SequenceEqual(other.ByRoute);

    /// <inheritdoc/>
    public override int GetHashCode() => ByRoute.Aggregate(0, static (all, one) => HashCode.Combine(all, one));
}
