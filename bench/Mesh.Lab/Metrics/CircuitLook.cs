namespace Mesh.Lab.Metrics;

/// <summary>A shared circuit as the control plane showed it, and what it cannot know: which callers lived.</summary>
/// <param name="At">When.</param>
/// <param name="View">What the page said.</param>
/// <param name="Living">Names of the callers that had not been killed by then.</param>
internal sealed record CircuitLook(DateTimeOffset At, CircuitView View, IReadOnlySet<string> Living)
{
    /// <summary>Calls on trial should go out, and nobody who may make them lives.</summary>
    public bool IsLost => View.State == "half_open" && !View.Probers.Any(Living.Contains);
}
