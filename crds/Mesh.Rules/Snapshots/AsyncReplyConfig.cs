namespace Mesh.Rules.Snapshots;

/// <summary>Late answers to callers that asked for it, with every default filled in.</summary>
public sealed record AsyncReplyConfig
{
    /// <summary>Most calls that a rule may let a sidecar keep.</summary>
    public const int MostKept = 10_000;

    /// <summary>Longest answer that a rule may let a sidecar keep, in bytes.</summary>
    public const long MostBytes = 16L << 20;

    /// <summary>How long the caller waits before it is told to come back.</summary>
    public TimeSpan After { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long an answer is kept.</summary>
    public TimeSpan KeepFor { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Most calls under way and answers kept at one time.</summary>
    public int MaxKept { get; init; } = 100;

    /// <summary>Longest answer, and longest body of a request, in bytes.</summary>
    public long MaxBytes { get; init; } = 256 * 1024;

    /// <summary>Rule and path, <c>default/partner#spec.asyncReply</c>.</summary>
    public string? Source { get; init; }
}
