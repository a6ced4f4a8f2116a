namespace Mesh.Rules.Snapshots;

/// <summary>A plan of a rate limit: so many requests over so long a time.</summary>
/// <param name="Total">Requests in each window.</param>
/// <param name="Window">Length of a window; with allowed hours theirs.</param>
public sealed record PlanConfig(int Total, TimeSpan Window)
{
    /// <summary>Most requests of a window.</summary>
    public const int MostTotal = 1_000_000_000;

    /// <summary>Field of <see cref="Total"/>, below <c>spec</c>.</summary>
    public const string TotalField = "plan.total";
}
