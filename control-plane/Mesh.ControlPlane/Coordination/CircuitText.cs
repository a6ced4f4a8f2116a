using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>States in words and numbers, as in the sidecar's pages and metrics.</summary>
internal static class CircuitText
{
    /// <summary><c>closed</c>, <c>open</c>, <c>half_open</c>.</summary>
    public static string Of(CircuitState state) => state switch
    {
        CircuitState.Open => "open",
        CircuitState.HalfOpen => "half_open",
        _ => "closed",
    };

    /// <summary>That a clock is or was wrong, and what to do.</summary>
    public static string Ahead(CircuitEntry entry) =>
        $"decisions about {entry.Cluster} have numbers of {DateTimeOffset.FromUnixTimeMilliseconds(Math.Min(entry.Circuit.Epoch, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())):yyyy-MM-dd'T'HH:mm:ss'Z'}, a time that has not come: "
        + "a control plane's clock was ahead, or this one's is behind; look at the clocks of their machines. Numbers go on from there, so callers follow them all the same";

    /// <summary>That a caller says what cannot be, and what to do.</summary>
    public static string Unbelievable(CircuitEntry entry, Reporter caller) =>
        $"{caller.Id} says that it follows a decision about {entry.Cluster} that no control plane can have made, and takes no other: its own breaker rules there; restart its sidecar";
}
