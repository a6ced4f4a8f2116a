using System.Collections.Immutable;

namespace Mesh.Rules.Snapshots;

/// <summary>The rate limits of one cluster: a request needs a token of each that counts it. Compared by what is in it.</summary>
/// <param name="All">At least one, in the order in which they are asked.</param>
public sealed record RateLimitConfigs(ImmutableArray<RateLimitConfig> All)
{
    /// <summary>Most that hold together: each costs every request a lock.</summary>
    public const int Most = 8;

    /// <summary>A single one.</summary>
    public RateLimitConfigs(RateLimitConfig only)
        : this([only])
    {
    }

    /// <inheritdoc/>
    public bool Equals(RateLimitConfigs? other) => other is not null && All.AsSpan().SequenceEqual(other.All.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => All.Aggregate(0, static (all, one) => HashCode.Combine(all, one));
}
