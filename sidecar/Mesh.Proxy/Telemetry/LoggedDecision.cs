namespace Mesh.Proxy.Telemetry;

/// <summary>A decision as somebody reads it from the <see cref="DecisionLog"/>.</summary>
/// <param name="Decision">Reason, rule, field, limit, value, scope, verdict. A reason of None says that the upstream's own status decided.</param>
/// <param name="At">Wall-clock time.</param>
/// <param name="RequestId">x-request-id, its beginning when it is long; empty when there is none.</param>
/// <param name="Method">Method; empty for a TCP connection.</param>
/// <param name="Authority">Host that was asked for.</param>
/// <param name="Path">Path without query, its beginning when it is long.</param>
public sealed record LoggedDecision(DecisionRecord Decision, DateTimeOffset At, string RequestId, string Method, string Authority, string Path)
{
    /// <summary>Whether it came in on the inbound side.</summary>
    public bool IsInbound { get; init; }

    /// <summary>Cluster, or null.</summary>
    public string? Cluster { get; init; }

    /// <summary>Address of the endpoint of the last attempt, or null.</summary>
    public string? Endpoint { get; init; }

    /// <summary>Status; 0 for none.</summary>
    public int Status { get; init; }

    /// <summary>Response flag.</summary>
    public ResponseFlag Flag { get; init; }

    /// <summary>The value of <c>x-mesh-outcome</c>.</summary>
    public string Outcome { get; init; } = "";

    /// <summary>Attempts begun.</summary>
    public int Attempts { get; init; }

    /// <summary>From the first byte of the request to the decision.</summary>
    public TimeSpan Taken { get; init; }

    /// <summary>State of the circuit breaker that refused, or null.</summary>
    public string? Breaker { get; init; }

    /// <summary>Seconds after which to come back; 0 says nothing.</summary>
    public int RetryAfterSeconds { get; init; }

    /// <summary>Kind of the answer that a Fallback gave, or null.</summary>
    public string? Fallback { get; init; }

    /// <summary>Load of the cluster at that instant.</summary>
    public ClusterLoad Load { get; init; }

    /// <summary>The reason in words: <c>pending_overflow</c>, or <c>upstream_503</c> when the upstream's status decided.</summary>
    public string Reason => Decision.IsSet ? Decision.Reason.ToText() : $"upstream_{Status}";
}
