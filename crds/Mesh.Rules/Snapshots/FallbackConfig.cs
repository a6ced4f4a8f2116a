using System.Collections.Immutable;

namespace Mesh.Rules.Snapshots;

/// <summary>What a fallback answers for, of all that the proxy itself would refuse.</summary>
[Flags]
public enum FallbackCauses
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The circuit breaker is open.</summary>
    Open = 1,

    /// <summary>A limit is reached (flag UO).</summary>
    Overflow = 2,

    /// <summary>The answer takes longer than it may (flag UT).</summary>
    Timeout = 4,

    /// <summary>There is no endpoint that may be called, or none whose address is known (flags UH, DF).</summary>
    NoHealthyUpstream = 8,

    /// <summary>No connection could be made (flag UF).</summary>
    ConnectFailure = 16,

    /// <summary>The connection ended without an answer, or with none that is HTTP (flags UC, UPE).</summary>
    Reset = 32,

    /// <summary>Our own rate limit has no token (flag RL). Not one of the default: the limit tells callers to slow down, and its rule has to want that they do not notice.</summary>
    RateLimited = 64,

    /// <summary>Those of a rule that names none.</summary>
    Default = Open | Overflow | Timeout | NoHealthyUpstream | ConnectFailure,
}

/// <summary>A Fallback as compiled for one cluster. Compared by value: what does not change keeps its answers.</summary>
public sealed record FallbackConfig
{
    /// <summary>It counts, and changes no answer.</summary>
    public bool IsShadow { get; init; }

    /// <summary>Refusals that it answers for.</summary>
    public FallbackCauses Causes { get; init; } = FallbackCauses.Default;

    /// <summary>Status codes of the upstream's own answers that it answers for.</summary>
    public ImmutableArray<int> Codes { get; init; } = [];

    /// <summary>Methods that it answers.</summary>
    public ImmutableArray<string> Methods { get; init; } = ["GET", "HEAD", "OPTIONS"];

    /// <summary>The last good answer; null is none.</summary>
    public LastGoodConfig? LastGood { get; init; }

    /// <summary>Name of the cluster of another host; null is none.</summary>
    public string? Cluster { get; init; }

    /// <summary>A fixed answer; null is none.</summary>
    public StaticAnswerConfig? Static { get; init; }

    /// <summary>Rule and path, <c>default/products#spec</c>.</summary>
    public string Source { get; init; } = "";

    /// <inheritdoc/>
    public bool Equals(FallbackConfig? other) => other is not null && Plain == other.Plain && Codes.AsSpan().SequenceEqual(other.Codes.AsSpan()) && Methods.AsSpan().SequenceEqual(other.Methods.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => Plain.GetHashCode();

    private (bool, FallbackCauses, LastGoodConfig?, string?, StaticAnswerConfig?, string) Plain => (IsShadow, Causes, LastGood, Cluster, Static, Source);
}

/// <summary>How the good answers of a cluster are kept.</summary>
public sealed record LastGoodConfig
{
    /// <summary>Oldest answer that is given.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Most answers.</summary>
    public int MaxEntries { get; init; } = 100;

    /// <summary>Most bytes of keys, fields and bodies together.</summary>
    public long MaxBytes { get; init; } = 1024 * 1024;

    /// <summary>Request fields that tell answers apart, in lower case; <c>accept-encoding</c> is always one.</summary>
    public ImmutableArray<string> Vary { get; init; } = [];

    /// <summary>Requests with credentials are like any other.</summary>
    public bool IsShared { get; init; }

    /// <inheritdoc/>
    public bool Equals(LastGoodConfig? other) => other is not null && Plain == other.Plain && Vary.AsSpan().SequenceEqual(other.Vary.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => Plain.GetHashCode();

    private (TimeSpan, int, long, bool) Plain => (MaxAge, MaxEntries, MaxBytes, IsShared);
}

/// <summary>A fixed answer.</summary>
public sealed record StaticAnswerConfig
{
    /// <summary>Status.</summary>
    public int Status { get; init; } = 200;

    /// <summary>Media type.</summary>
    public string ContentType { get; init; } = "text/plain; charset=utf-8";

    /// <summary>Header fields besides.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>Body for those who want none of the other languages.</summary>
    public string Body { get; init; } = "";

    /// <summary>Bodies by language tag.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Bodies { get; init; } = [];

    /// <inheritdoc/>
    public bool Equals(StaticAnswerConfig? other) => other is not null && Plain == other.Plain
        && Headers.AsSpan().SequenceEqual(other.Headers.AsSpan()) && Bodies.AsSpan().SequenceEqual(other.Bodies.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => Plain.GetHashCode();

    private (int, string, string) Plain => (Status, ContentType, Body);
}
