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
}
