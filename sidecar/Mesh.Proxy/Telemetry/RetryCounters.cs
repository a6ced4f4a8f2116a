using System.Numerics;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Telemetry;

/// <summary>One counter per retry condition. Thread-safe.</summary>
public sealed class RetryCounters
{
    private readonly long[] _counts = new long[Names.Length];

    /// <summary>Envoy's words for the conditions with underscores, in the order of their bits.</summary>
    public static string[] Names { get; } =
    [
        "5xx", "gateway_error", "reset", "reset_before_request", "connect_failure", "retriable_4xx", "refused_stream", "retriable_status_codes",
        "envoy_ratelimited", "retriable_headers", "cancelled", "deadline_exceeded", "resource_exhausted", "internal", "unavailable",
    ];

    /// <summary>Retries for the condition of this index in <see cref="Names"/>.</summary>
    public long this[int index] => Volatile.Read(ref _counts[index]);

    /// <summary>Retries for <paramref name="condition"/>.</summary>
    public long this[RetryConditions condition] => this[IndexOf(condition)];

    /// <summary>Counts one for a single condition.</summary>
    public void Add(RetryConditions condition) => Interlocked.Increment(ref _counts[IndexOf(condition)]);

    /// <summary>The conditions in a set by name, comma separated; null for none.</summary>
    public static string? ToText(RetryConditions conditions) => conditions == RetryConditions.None ? null
        : string.Join(',', Names.Where((_, i) => ((int)conditions & (1 << i)) != 0));

    private static int IndexOf(RetryConditions condition) => BitOperations.Log2((uint)condition);
}
