using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.Proxy.Breakers;

/// <summary>State of a circuit breaker; the numbers are those of its gauge.</summary>
public enum BreakerState
{
    /// <summary>Calls pass and count.</summary>
    Closed = 0,

    /// <summary>Calls are refused.</summary>
    Open = 1,

    /// <summary>A few calls pass on trial, the rest is refused.</summary>
    HalfOpen = 2,

    /// <summary>Calls pass and do not count.</summary>
    Disabled = 3,

    /// <summary>Calls are refused until somebody says otherwise.</summary>
    ForcedOpen = 4,

    /// <summary>Calls pass and count, and nothing follows.</summary>
    MetricsOnly = 5,
}

/// <summary>What became of a call, for its breaker.</summary>
internal enum BreakerOutcome : byte
{
    /// <summary>It counts as nothing: it never went out, or nobody waited for it.</summary>
    Ignored,

    /// <summary>It went well.</summary>
    Success,

    /// <summary>It failed.</summary>
    Failure,
}

/// <summary>The right of one call to go out. Given back once, with its outcome. The default value is none.</summary>
/// <param name="Mark">State in which it was given: what comes back in another one is late.</param>
internal readonly record struct BreakerPermit(int Mark)
{
    /// <summary>Whether there is something to give back.</summary>
    public bool IsHeld => Mark != 0;

    /// <summary>Whether it is one of the few of a trial.</summary>
    public bool IsTrial => (BreakerState)(Mark & CircuitBreaker.StateMask) == BreakerState.HalfOpen;
}

/// <summary>Why a call is refused: the field, its limit and the value at the time. <c>default</c> refuses nothing.</summary>
/// <param name="State">State of the breaker.</param>
/// <param name="Field">Field of the rule that decided, empty when none did but a person; null for no refusal.</param>
/// <param name="Limit">Its value.</param>
/// <param name="Now">What it was compared with.</param>
/// <param name="RetryAfter">When to come back; zero when nobody knows.</param>
internal readonly record struct BreakerRefusal(BreakerState State, string? Field, long Limit, long Now, TimeSpan RetryAfter)
{
    /// <summary><see cref="Field"/> of a circuit on trial in which this caller has no part.</summary>
    public const string ProbersField = "probers";

    /// <summary>All callers together have decided, not this sidecar.</summary>
    public bool IsMesh { get; init; }

    /// <summary>Of breakers of single endpoints: which endpoint, in words; null for others.</summary>
    public string? Place { get; init; }

    /// <summary>Whether the call is refused.</summary>
    public bool IsSet => Field is not null;

    /// <summary>Whether the rule is in shadow mode: the call passes all the same.</summary>
    public bool IsShadow { get; init; }
}

/// <summary>A change of state.</summary>
/// <param name="From">Before.</param>
/// <param name="To">Now.</param>
/// <param name="Reason">Word for the event log: <c>failure_rate</c>, <c>slow_call_rate</c>, <c>wait_over</c>, <c>trial_good</c>, <c>trial_timeout</c>, <c>rule</c>, <c>mesh</c>, <c>order_expired</c>.</param>
/// <param name="Figures">Calls and rates that decided.</param>
internal sealed record BreakerChange(BreakerState From, BreakerState To, string Reason, BreakerFigures Figures)
{
    /// <summary>What the control plane said; null when this sidecar decided.</summary>
    public CircuitOrder? Order { get; init; }
}

/// <summary>A circuit breaker as it is now, for the pages.</summary>
/// <param name="Route">The route it is for; null for the whole upstream.</param>
/// <param name="Config">Its rule.</param>
/// <param name="State">State.</param>
/// <param name="Figures">What it looks back on.</param>
/// <param name="Order">What the control plane decided for all callers; null when this sidecar decides.</param>
public readonly record struct BreakerView(string? Route, BreakerConfig Config, BreakerState State, BreakerFigures Figures, OrderInForce? Order)
{
    /// <summary>The endpoint it is for; null for all of them together.</summary>
    public string? Endpoint { get; init; }
}

/// <summary>What a window holds.</summary>
/// <param name="Calls">Calls.</param>
/// <param name="Failures">Of these, failed.</param>
/// <param name="Slow">Of these, slow.</param>
public readonly record struct BreakerFigures(int Calls, int Failures, int Slow)
{
    /// <summary>Failed calls in percent; 0 without calls.</summary>
    public double FailureRate => Calls == 0 ? 0 : 100.0 * Failures / Calls;

    /// <summary>Slow calls in percent; 0 without calls.</summary>
    public double SlowRate => Calls == 0 ? 0 : 100.0 * Slow / Calls;
}
