namespace Mesh.Rules.Snapshots;

/// <summary>What rules in shadow mode would do to a cluster: it is evaluated beside what is in force, on the same calls, and enforces nothing.</summary>
public sealed record ShadowConfig
{
    /// <summary>Rule and path of the connectionPool block, <c>default/products#spec.trafficPolicy.connectionPool</c>; null when no rule in shadow mode has one.</summary>
    public string? PoolSource { get; init; }

    /// <summary>Its limits.</summary>
    public CircuitBreakerConfig Limits { get; init; } = new();

    /// <summary>Requests after which a connection would drain; 0 is unlimited.</summary>
    public uint MaxRequestsPerConnection { get; init; }

    /// <summary>Time without a stream before a connection would be closed. Zero is off.</summary>
    public TimeSpan HttpIdleTimeout { get; init; }

    /// <summary>Longest time that connecting may take; zero when the rule does not say.</summary>
    public TimeSpan ConnectTimeout { get; init; }

    /// <summary>Bound on retries that would take the place of maxRetries; null when no rule in shadow mode has one.</summary>
    public RetryBudgetConfig? RetryBudget { get; init; }

    /// <summary>What the host would take of all sidecars together; null when no rule in shadow mode says so.</summary>
    public MeshLimitsConfig? MeshLimits { get; init; }

    /// <summary>Rule and path of the outlierDetection block; null when there is none.</summary>
    public string? OutlierSource { get; init; }

    /// <summary>Outlier detection; null means no detector.</summary>
    public OutlierConfig? Outlier { get; init; }

    /// <summary>Rule and path of the ResiliencePolicy in shadow mode, <c>default/products#spec</c>; null when there is none.</summary>
    public string? ResilienceSource { get; init; }

    /// <summary>Whether that policy says anything of retries; what it says stands with the routes.</summary>
    public bool ComparesRetries { get; init; }

    /// <summary>Longest wait of a request for a connection; zero is as long as it takes.</summary>
    public TimeSpan PendingTimeout { get; init; }

    /// <summary>Longest time in which the upstream takes no byte of a request; zero is none.</summary>
    public TimeSpan WriteTimeout { get; init; }
}
