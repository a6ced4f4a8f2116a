using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>A new decision about a shared circuit. The state may be the same: then its number or its probers are others.</summary>
/// <param name="From">The state before.</param>
/// <param name="To">The state now.</param>
/// <param name="Reason">Why, in a word: <c>failure_rate</c>, <c>slow_call_rate</c>, <c>wait_over</c>, <c>trial_good</c>, <c>trial_timeout</c>, <c>by_hand</c>, <c>over</c>, <c>lifted</c>, <c>rule</c>, <c>epoch</c>, <c>probers</c>.</param>
/// <param name="Calls">The calls it was decided on.</param>
internal sealed record CircuitChange(CircuitState From, CircuitState To, string Reason, CallCounts Calls)
{
    /// <summary>The reason when only others call on trial than before.</summary>
    public const string OtherProbers = "probers";
}

/// <summary>What somebody decided by hand.</summary>
/// <param name="Word"><c>open</c>, <c>closed</c> or <c>disabled</c>.</param>
/// <param name="Until">Its end.</param>
/// <param name="Reason">Why, in the person's words.</param>
/// <param name="By">Who.</param>
internal sealed record ForcedState(string Word, DateTimeOffset Until, string Reason, string By)
{
    /// <summary>The state that callers are told.</summary>
    public CircuitState State => Word == "open" ? CircuitState.Open : CircuitState.Closed;

    /// <summary>False when calls are not even counted meanwhile.</summary>
    public bool IsCounting => Word != "disabled";
}
