using System.Collections.Immutable;

namespace Mesh.Rules.Snapshots;

/// <summary>What may be tried again (Envoy's retry_on).</summary>
[Flags]
public enum RetryConditions
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>5xx, and no answer at all.</summary>
    ServerError = 1 << 0,

    /// <summary>502, 503, 504, and no answer at all.</summary>
    GatewayError = 1 << 1,

    /// <summary>No answer: reset, connect failure, per-try timeout.</summary>
    Reset = 1 << 2,

    /// <summary>Reset before a byte of the request was sent.</summary>
    ResetBeforeRequest = 1 << 3,

    /// <summary>No connection.</summary>
    ConnectFailure = 1 << 4,

    /// <summary>409.</summary>
    Retriable4xx = 1 << 5,

    /// <summary>HTTP/2 REFUSED_STREAM.</summary>
    RefusedStream = 1 << 6,

    /// <summary>A code of <see cref="RetryConfig.StatusCodes"/>.</summary>
    StatusCodes = 1 << 7,

    /// <summary>x-envoy-ratelimited.</summary>
    EnvoyRateLimited = 1 << 8,

    /// <summary>Retriable headers; Istio offers no way to name them.</summary>
    RetriableHeaders = 1 << 9,

    /// <summary>grpc-status 1.</summary>
    GrpcCancelled = 1 << 10,

    /// <summary>grpc-status 4.</summary>
    GrpcDeadlineExceeded = 1 << 11,

    /// <summary>grpc-status 8.</summary>
    GrpcResourceExhausted = 1 << 12,

    /// <summary>grpc-status 13.</summary>
    GrpcInternal = 1 << 13,

    /// <summary>grpc-status 14.</summary>
    GrpcUnavailable = 1 << 14,
}

/// <summary>Retries of a route, with every default of Istio filled in (semantics 4).</summary>
public sealed record RetryConfig
{
    /// <summary>What Istio does where no rule says otherwise: two retries, where nothing was done yet.</summary>
    public static RetryConfig OutboundDefault { get; } = new()
    {
        Conditions = RetryConditions.ConnectFailure | RetryConditions.RefusedStream | RetryConditions.GrpcUnavailable | RetryConditions.GrpcCancelled
            | RetryConditions.StatusCodes, // with no code: a rule adds its own
    };

    /// <summary>What Istio does in front of the own application.</summary>
    public static RetryConfig InboundDefault { get; } = new() { Conditions = RetryConditions.ResetBeforeRequest };

    /// <summary>Retries after the first attempt.</summary>
    public int Attempts { get; init; } = 2;

    /// <summary>What may be tried again.</summary>
    public RetryConditions Conditions { get; init; }

    /// <summary>Codes for <see cref="RetryConditions.StatusCodes"/>.</summary>
    public ImmutableArray<int> StatusCodes { get; init; } = [];

    /// <summary>Time for one attempt until its response head; zero is none.</summary>
    public TimeSpan PerTryTimeout { get; init; }

    /// <summary>Pause before a retry.</summary>
    public BackoffConfig Backoff { get; init; } = new();

    /// <summary>Prefer hosts that were not tried.</summary>
    public bool AvoidsTriedHosts { get; init; } = true;

    /// <summary>Retries may leave the locality (retryRemoteLocalities).</summary>
    public bool ReachesRemoteLocalities { get; init; }

    /// <summary>Ours: methods that may be tried again once a byte was sent, upper case; empty means every method, as Istio.</summary>
    public ImmutableArray<string> Methods { get; init; } = [];

    /// <summary>Ours: wait as long as a Retry-After says, up to this; zero ignores it.</summary>
    public TimeSpan MaxRetryAfter { get; init; }

    /// <summary>Ours: a request that is made for another one (it carries the x-envoy-attempt-count of the call its application works for) is left to the layer above.</summary>
    public bool LeavesToCaller { get; init; }

    /// <summary>Ours: a policy has switched these off, and they stand here for <see cref="Shadow"/> alone.</summary>
    public bool IsOff { get; init; }

    /// <summary>Ours: the retries that a policy in shadow mode would make of the route's; null without one.</summary>
    public RetryConfig? Shadow { get; init; }

    /// <summary>Rule and path the retries come from; null for the default.</summary>
    public string? Source { get; init; }
}

/// <summary>How the pause grows.</summary>
public enum BackoffStrategy
{
    /// <summary>Doubles, up to the maximum (Envoy).</summary>
    Exponential,

    /// <summary>Stays.</summary>
    Fixed,

    /// <summary>Grows by its base.</summary>
    Linear,
}

/// <summary>How chance changes the pause.</summary>
public enum BackoffJitter
{
    /// <summary>Anything from nothing to all of it (Envoy).</summary>
    Full,

    /// <summary>Not at all.</summary>
    None,

    /// <summary>Half of it, and anything up to the other half.</summary>
    Equal,

    /// <summary>Up to <see cref="BackoffConfig.JitterRatio"/> more or less.</summary>
    Ratio,
}

/// <summary>Pauses between attempts.</summary>
public sealed record BackoffConfig
{
    /// <summary>How it grows.</summary>
    public BackoffStrategy Strategy { get; init; }

    /// <summary>First pause.</summary>
    public TimeSpan Base { get; init; } = TimeSpan.FromMilliseconds(25);

    /// <summary>Longest pause.</summary>
    public TimeSpan Max { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>What chance does.</summary>
    public BackoffJitter Jitter { get; init; }

    /// <summary>Share for <see cref="BackoffJitter.Ratio"/>, 0 to 1.</summary>
    public double JitterRatio { get; init; } = 0.1;
}

/// <summary>Bounds the extra load of retries (Envoy's retry_budget); replaces maxRetries.</summary>
/// <param name="Percent">Retries at once, in percent of active and pending requests.</param>
/// <param name="MinConcurrency">Retries always allowed.</param>
/// <param name="Interval">Requests begun within it count too; zero looks at the present load.</param>
/// <param name="Source">Rule and path.</param>
public sealed record RetryBudgetConfig(double Percent = 20, uint MinConcurrency = 3, TimeSpan Interval = default, string? Source = null);
