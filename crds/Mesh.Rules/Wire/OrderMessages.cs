using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Mesh.Rules.Wire;

/// <summary>
/// What a sidecar has seen of one circuit that all callers share. Counts run since the process began, so that a lost or repeated report changes nothing: the control plane takes
/// the difference to the one before.
/// </summary>
public sealed record CircuitReport
{
    /// <summary>The rule, <c>CircuitBreaker/default/partner</c>.</summary>
    public required string Rule { get; init; }

    /// <summary>The upstream, <c>outbound|80||partner.example.com</c>.</summary>
    public required string Cluster { get; init; }

    /// <summary>Calls that counted, without those on trial.</summary>
    public long Calls { get; set; }

    /// <summary>Failed ones among them.</summary>
    public long Failures { get; set; }

    /// <summary>Slow ones among them.</summary>
    public long Slow { get; set; }

    /// <summary>
    /// Epoch of the order in force; 0 for none. The calls on trial below belong to it. A sidecar that has none, but refused one as stale, says the epoch that it had last: only a higher
    /// one can reach it.
    /// </summary>
    public long Epoch { get; set; }

    /// <summary>Calls on trial that have ended.</summary>
    public int Trials { get; set; }

    /// <summary>Failed ones among them.</summary>
    public int FailedTrials { get; set; }

    /// <summary>Slow ones among them.</summary>
    public int SlowTrials { get; set; }

    /// <summary>Calls on trial that went out and have not ended.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int TrialsUnderWay { get; set; }

    /// <summary>Calls that were refused by an order, since the process began: who has some has traffic, and could try.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Refused { get; set; }
}

/// <summary>What a sidecar uses and wants of one limit that all callers share.</summary>
public sealed record LimitReport
{
    /// <summary>The rule, <c>ResiliencePolicy/default/partner</c>.</summary>
    public required string Rule { get; init; }

    /// <summary>The upstream, <c>outbound|80||partner.example.com</c>.</summary>
    public required string Cluster { get; init; }

    /// <summary>Field of the rule, such as <c>meshLimits.maxConnections</c>.</summary>
    public required string Limit { get; init; }

    /// <summary>Of a limit for each key: the key, as a hash. Empty for the limit itself, whose share is what each key has in this sidecar that has no share of its own.</summary>
    public string Key { get; set; } = "";

    /// <summary>Epoch of the order in force; 0 before the first.</summary>
    public long Epoch { get; set; }

    /// <summary>The share in force here; 0 before the first order of a limit without keys.</summary>
    public int Share { get; set; }

    /// <summary>Most that was in use at once since the last report; what was in use before the share became smaller, and is not any more, does not count.</summary>
    public int InUse { get; set; }

    /// <summary>Most that would have been in use at once if there were no limit.</summary>
    public int Wanted { get; set; }
}

/// <summary>States of a circuit that all callers share.</summary>
public enum CircuitState
{
    /// <summary>Calls pass.</summary>
    Closed,

    /// <summary>No call passes.</summary>
    Open,

    /// <summary>Only those who are told to try do so.</summary>
    HalfOpen,
}

/// <summary>
/// What the control plane decided for one circuit. It holds until <see cref="TtlMilliseconds"/> after its arrival, an order of the same or a higher epoch renews or replaces it; after that
/// the sidecar's own breaker rules again. An order with a lower epoch than one seen before is stale.
/// </summary>
/// <param name="Rule">The rule.</param>
/// <param name="Cluster">The upstream.</param>
/// <param name="State">The state.</param>
/// <param name="Epoch">Number of the decision: grows with each, over restarts and replicas too.</param>
/// <param name="TtlMilliseconds">How long it holds.</param>
/// <param name="Trials">Calls that this sidecar may make on trial in this epoch, all in all; 0 for who is no prober.</param>
/// <param name="RetryAfterMilliseconds">When a refused caller may ask again.</param>
/// <param name="Field">Field of the rule that was passed, such as <c>failureRateThreshold</c>; empty where none was.</param>
/// <param name="Limit">Its value.</param>
/// <param name="Now">The value over all callers.</param>
public sealed record CircuitOrder(
    string Rule, string Cluster, CircuitState State, long Epoch, int TtlMilliseconds, int Trials, int RetryAfterMilliseconds, string Field, int Limit, int Now);

/// <summary>A share of a limit that all callers share. It holds until the next one; before the first a sidecar has one.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Cluster">The upstream.</param>
/// <param name="Limit">Field of the rule.</param>
/// <param name="Share">The share.</param>
/// <param name="Total">The limit for all.</param>
/// <param name="Epoch">Number of the order: one with a lower number than the one in force is late and must not be followed, or a share that was given to another would be used twice.</param>
/// <param name="Key">The key, as in <see cref="LimitReport.Key"/>.</param>
public sealed record LimitOrder(string Rule, string Cluster, string Limit, int Share, int Total, long Epoch, string Key = "");

/// <summary>Everything that is decided for one sidecar now: the answer to its report, and an event of its stream (<see cref="SseWriter.OrdersEvent"/>) when something changes in between.</summary>
public sealed record SidecarOrders
{
    /// <summary>Circuits.</summary>
    public ImmutableArray<CircuitOrder> Circuits { get; set; } = [];

    /// <summary>Limits.</summary>
    public ImmutableArray<LimitOrder> Limits { get; set; } = [];
}
