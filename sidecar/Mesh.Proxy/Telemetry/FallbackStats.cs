namespace Mesh.Proxy.Telemetry;

/// <summary>Counters of a Fallback; a cluster without one has none of them.</summary>
public sealed class FallbackStats
{
    /// <summary>fallback_stale: requests that got the last good answer.</summary>
    public StripedCounter Stale { get; } = new();

    /// <summary>fallback_static: requests that got a fixed answer.</summary>
    public StripedCounter Static { get; } = new();

    /// <summary>fallback_host: requests that another host got.</summary>
    public StripedCounter Host { get; } = new();

    /// <summary>fallback_missed: requests for which there was no answer.</summary>
    public StripedCounter Missed { get; } = new();

    /// <summary>fallback_shadow: requests that would have got another answer, but for shadow mode.</summary>
    public StripedCounter Shadow { get; } = new();
}
