using System.Collections.Immutable;

namespace Mesh.Rules.Snapshots;

/// <summary>What the requests of a rate limit are told apart by.</summary>
public enum RateLimitKeySource
{
    /// <summary>Nothing: one bucket.</summary>
    None,

    /// <summary>A header field.</summary>
    Header,

    /// <summary>A cookie.</summary>
    Cookie,

    /// <summary>The path without its query.</summary>
    Path,

    /// <summary>The address at the other end of the connection.</summary>
    ClientIp,
}

/// <summary>A rate limit with every default filled in.</summary>
public sealed record RateLimitConfig
{
    /// <summary>Most tokens of an interval or a burst.</summary>
    public const int MostTokens = 1_000_000;

    /// <summary>Most buckets.</summary>
    public const int MostKeys = 1_000_000;

    /// <summary>Longest line of one bucket.</summary>
    public const int LongestLine = 100_000;

    /// <summary>It counts, and limits nothing.</summary>
    public bool IsShadow { get; init; }

    /// <summary>Tokens that come in each <see cref="Interval"/>, evenly.</summary>
    public int Tokens { get; init; } = 1;

    /// <summary>Time in which <see cref="Tokens"/> come.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Most tokens that a bucket holds; a new bucket is full.</summary>
    public int Burst { get; init; } = 1;

    /// <summary>Requests over a longer time, whose rate is at most that of <see cref="Tokens"/>; null for none.</summary>
    public PlanConfig? Plan { get; init; }

    /// <summary>What requests are told apart by.</summary>
    public RateLimitKeySource KeySource { get; init; }

    /// <summary>Name of the header field or cookie.</summary>
    public string KeyName { get; init; } = "";

    /// <summary>Most buckets at one time.</summary>
    public int MaxKeys { get; init; } = 10_000;

    /// <summary>Paths that count, empty for all; one that ends in <c>*</c> stands for all that begin so.</summary>
    public ImmutableArray<string> Paths { get; init; } = [];

    /// <summary>Paths that never count, in the same form.</summary>
    public ImmutableArray<string> ExemptPaths { get; init; } = [];

    /// <summary>Header fields of the requests that count; empty for all.</summary>
    public ImmutableArray<NamedMatch> Headers { get; init; } = [];

    /// <summary>Longest wait for a token; zero refuses at once.</summary>
    public TimeSpan MaxWait { get; init; }

    /// <summary>Most requests that wait for one bucket at one time.</summary>
    public int MaxQueue { get; init; }

    /// <summary>Hours of the day in which requests are let through; null for all.</summary>
    public AllowedHoursConfig? AllowedHours { get; init; }

    /// <summary>Tokens and burst are those of all sidecars together; each has a share.</summary>
    public bool IsMesh { get; init; }

    /// <summary>Key of the rule, <c>RateLimit/default/products</c>: by it sidecar and control plane speak of a limit that is shared. Empty for one that is not.</summary>
    public string Rule { get; init; } = "";

    /// <summary>Field of <see cref="Tokens"/>, below <c>spec</c>.</summary>
    public const string TokensField = "tokens";

    /// <summary>Rule and path, <c>default/products#spec</c>.</summary>
    public string Source { get; init; } = "";

    /// <summary>Whether buckets of the other would serve: then they are kept.</summary>
    public bool HasBucketsOf(RateLimitConfig other) => Buckets == other.Buckets && Plan == other.Plan && (Plan is null || AllowedHours == other.AllowedHours);

    /// <inheritdoc/>
    public bool Equals(RateLimitConfig? other) => other is not null && Buckets == other.Buckets && Plan == other.Plan && Rest == other.Rest && AllowedHours == other.AllowedHours
        && Paths.AsSpan().SequenceEqual(other.Paths.AsSpan()) && ExemptPaths.AsSpan().SequenceEqual(other.ExemptPaths.AsSpan())
        && Headers.AsSpan().SequenceEqual(other.Headers.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Buckets, Rest);

    private (int, TimeSpan, int, RateLimitKeySource, string, int, bool, string) Buckets => (Tokens, Interval, Burst, KeySource, KeyName, MaxKeys, IsMesh, Rule); // shares are given by rule

    private (bool, TimeSpan, int, string) Rest => (IsShadow, MaxWait, MaxQueue, Source);
}
