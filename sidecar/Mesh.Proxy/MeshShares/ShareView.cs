namespace Mesh.Proxy.MeshShares;

/// <summary>A sidecar's part of a limit that all share, as it is at one moment.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Field">Its field.</param>
/// <param name="Share">The part.</param>
/// <param name="Total">The limit for all.</param>
/// <param name="InUse">What is in use of the part; of tokens, how many requests wait for one.</param>
public readonly record struct ShareView(string Rule, string Field, int Share, int Total, int InUse)
{
    /// <summary>Keys that have shares of their own; the part is then that of each other key.</summary>
    public int Keys { get; init; }
}
