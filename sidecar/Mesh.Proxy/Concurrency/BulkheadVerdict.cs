namespace Mesh.Proxy.Concurrency;

/// <summary>What becomes of a call.</summary>
internal enum BulkheadAnswer : byte
{
    /// <summary>It has a place.</summary>
    Enters,

    /// <summary>It stands in the line.</summary>
    Waits,

    /// <summary>It is refused.</summary>
    Refused,
}

/// <summary>What a bulkhead says, and why: the field, its limit and the value at the time.</summary>
/// <param name="Answer">What becomes of the call.</param>
/// <param name="Field">Field of the rule that decided; null for a call that is not refused.</param>
/// <param name="Limit">Its value.</param>
/// <param name="Now">What it was compared with.</param>
internal readonly record struct BulkheadVerdict(BulkheadAnswer Answer, string? Field = null, long Limit = -1, long Now = -1);
