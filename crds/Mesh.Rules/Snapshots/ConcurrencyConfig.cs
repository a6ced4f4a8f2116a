namespace Mesh.Rules.Snapshots;

/// <summary>A bulkhead with every default filled in: how many calls of a cluster are under way at one time. Defaults are resilience4j's (semantics 11.2).</summary>
public sealed record ConcurrencyConfig
{
    /// <summary>Most calls that a rule may allow.</summary>
    public const int MostCalls = 1_000_000;

    /// <summary>Longest line.</summary>
    public const int LongestLine = 100_000;

    /// <summary>Field that bounds the wait, as refusals name it.</summary>
    public const string MaxWaitField = "concurrency.maxWaitDuration";

    /// <summary>It counts, and limits nothing.</summary>
    public bool IsShadow { get; init; }

    /// <summary>Most calls under way at one time; with <see cref="Adaptive"/>, where the limit begins.</summary>
    public int MaxCalls { get; init; } = 25;

    /// <summary>Longest wait for a place; zero refuses at once.</summary>
    public TimeSpan MaxWait { get; init; }

    /// <summary>Most calls that wait at one time.</summary>
    public int MaxQueue { get; init; }

    /// <summary>How the limit follows what the upstream can do; null leaves it at <see cref="MaxCalls"/>.</summary>
    public AdaptiveConcurrencyConfig? Adaptive { get; init; }

    /// <summary>Rule and path, <c>default/products#spec</c>.</summary>
    public string Source { get; init; } = "";

    /// <summary>Field that the limit in force comes from, as refusals name it.</summary>
    public string LimitField => Adaptive is null ? "concurrency.maxConcurrentCalls" : "concurrency.adaptive";
}

/// <summary>A limit that follows measured latency, with every default filled in.</summary>
public sealed record AdaptiveConcurrencyConfig
{
    /// <summary>The limit never goes below.</summary>
    public int MinCalls { get; init; } = 3;

    /// <summary>The limit never goes above.</summary>
    public int MaxCalls { get; init; } = 1000;

    /// <summary>Least time between two changes.</summary>
    public TimeSpan UpdateInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Fewest answers between two changes.</summary>
    public int RequestCount { get; init; } = 50;

    /// <summary>How much slower than usual answers may become, in percent, before the limit goes down.</summary>
    public int BufferPercent { get; init; } = 10;
}
