using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Upstream;

/// <summary>How asking a cluster for a connection ended.</summary>
public enum RentStatus
{
    /// <summary>A connection is attached; <see cref="UpstreamConnection.Release"/> must be called once.</summary>
    Ok,

    /// <summary>A circuit-breaker limit refused it (UO).</summary>
    Overflow,

    /// <summary>The circuit breakers of the endpoints let none be used (UO); <see cref="RentResult.Endpoint"/> is the one that will be tried first.</summary>
    CircuitOpen,

    /// <summary>No endpoint may be used (UH).</summary>
    NoHealthyUpstream,

    /// <summary>The host that the caller names has no address (DF).</summary>
    NameNotResolved,

    /// <summary>The connection could not be made (UF).</summary>
    ConnectFailure,

    /// <summary>connectTimeout passed (UF).</summary>
    ConnectTimeout,

    /// <summary>It waited for a connection for longer than the pending timeout allows (UO).</summary>
    PendingTimeout,

    /// <summary>The caller cancelled while waiting.</summary>
    Cancelled,
}

/// <summary>A connection, or why there is none. Values, never exceptions.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Connection">The connection when <see cref="RentStatus.Ok"/>.</param>
/// <param name="Endpoint">The endpoint chosen, also on failure; null when none could be.</param>
/// <param name="Decision">Rule, field, limit and value for a refusal.</param>
/// <param name="FailureText">Transport failure in the system's words (<c>Connection refused</c>), or null.</param>
/// <param name="QueueTime">Time spent waiting for a connection, connecting included; zero when a ready one was used.</param>
public readonly record struct RentResult(
    RentStatus Status,
    UpstreamConnection? Connection,
    Endpoint? Endpoint,
    DecisionRecord Decision,
    string? FailureText,
    TimeSpan QueueTime);
