using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Telemetry;

/// <summary>The request that a decision is about, and what was around at that instant. Lives on the stack: <see cref="DecisionLog.Add"/> copies what it keeps.</summary>
public readonly ref struct DecidedRequest
{
    /// <summary>Wall-clock time of the decision.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>x-request-id; empty where there is none.</summary>
    public ReadOnlySpan<byte> RequestId { get; init; }

    /// <summary>Method; empty for a TCP connection.</summary>
    public ReadOnlySpan<byte> Method { get; init; }

    /// <summary>Host that was asked for.</summary>
    public ReadOnlySpan<byte> Authority { get; init; }

    /// <summary>Path; the query is cut off.</summary>
    public ReadOnlySpan<byte> Path { get; init; }

    /// <summary>Whether it came in on the inbound side.</summary>
    public bool IsInbound { get; init; }

    /// <summary>Cluster, or null.</summary>
    public string? Cluster { get; init; }

    /// <summary>Address of the endpoint of the last attempt, or null.</summary>
    public string? Endpoint { get; init; }

    /// <summary>Status: what the caller got, or for <see cref="DecisionVerdict.Retried"/> and <see cref="DecisionVerdict.Replaced"/> the upstream's; 0 when there is none.</summary>
    public int Status { get; init; }

    /// <summary>Response flag.</summary>
    public ResponseFlag Flag { get; init; }

    /// <summary>What had become of the request: the value of <c>x-mesh-outcome</c>.</summary>
    public string Outcome { get; init; }

    /// <summary>Attempts begun; 0 when it never came so far.</summary>
    public int Attempts { get; init; }

    /// <summary>From the first byte of the request to the decision.</summary>
    public TimeSpan Taken { get; init; }

    /// <summary>State of the circuit breaker that refused, or null.</summary>
    public string? Breaker { get; init; }

    /// <summary>Seconds after which to come back; 0 says nothing.</summary>
    public int RetryAfterSeconds { get; init; }

    /// <summary>Kind of the answer that a Fallback gave (<c>stale</c>, <c>static</c>, <c>host</c>), or null.</summary>
    public string? Fallback { get; init; }

    /// <summary>Load of the cluster at that instant; the default for no cluster.</summary>
    public ClusterLoad Load { get; init; }
}

/// <summary>What a cluster carried at one instant, beside its limits.</summary>
/// <param name="Connections">Connections open or connecting.</param>
/// <param name="Pending">Requests that wait for a connection.</param>
/// <param name="Requests">Requests in progress.</param>
/// <param name="Retries">Retries in progress.</param>
/// <param name="Limits">Limits in force; null where there is no cluster.</param>
/// <param name="MaxRequestsPerConnection">Requests after which a connection closes; 0 is unlimited.</param>
public readonly record struct ClusterLoad(int Connections, int Pending, int Requests, int Retries, CircuitBreakerConfig? Limits, int MaxRequestsPerConnection);
