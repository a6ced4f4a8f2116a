namespace Mesh.Proxy.Telemetry;

/// <summary>Counters of a bulkhead; a cluster without one has none of them.</summary>
public sealed class ConcurrencyStats
{
    /// <summary>concurrency.rejected: calls refused for want of a place.</summary>
    public StripedCounter Rejected { get; } = new();

    /// <summary>concurrency.shadow_rejected: calls that would have been refused or made to wait, but for shadow mode.</summary>
    public StripedCounter ShadowRejected { get; } = new();

    /// <summary>concurrency.waited: calls that had to wait for a place, whatever came of it.</summary>
    public StripedCounter Waited { get; } = new();

    /// <summary>concurrency.limit_changes: changes of an adaptive limit.</summary>
    public StripedCounter LimitChanges { get; } = new();
}
