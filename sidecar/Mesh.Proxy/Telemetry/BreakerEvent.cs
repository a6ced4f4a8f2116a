using Mesh.Rules.Wire;

namespace Mesh.Proxy.Telemetry;

/// <summary>A circuit breaker changed its state.</summary>
/// <param name="Timestamp">When.</param>
/// <param name="Cluster">Cluster name.</param>
/// <param name="From">State before, in words: <c>closed</c>, <c>open</c>, <c>half_open</c>, <c>disabled</c>, <c>forced_open</c>, <c>metrics_only</c>.</param>
/// <param name="To">State now.</param>
/// <param name="Reason"><c>failure_rate</c>, <c>slow_call_rate</c>, <c>wait_over</c>, <c>trial_good</c>, <c>trial_timeout</c> or <c>rule</c>; <c>mesh</c> when the control plane decided for all callers, <c>order_expired</c> when its word no longer holds.</param>
/// <param name="Calls">Calls of the window that decided.</param>
/// <param name="FailureRate">Of these, failed, in percent.</param>
/// <param name="SlowRate">Of these, slow, in percent.</param>
/// <param name="Rule">Rule and path.</param>
/// <param name="IsEnforced">False in shadow mode.</param>
public sealed record BreakerEvent(
    DateTimeOffset Timestamp, string Cluster, string From, string To, string Reason, int Calls, double FailureRate, double SlowRate, string Rule, bool IsEnforced)
{
    /// <summary>The endpoint that the breaker is for; null for all of them together.</summary>
    public string? Endpoint { get; init; }

    /// <summary>What the control plane said; null when this sidecar decided.</summary>
    public CircuitOrder? Order { get; init; }
}
