namespace Mesh.Proxy.Telemetry;

/// <summary>Counters of the rate limits of a cluster; one without has none of them. Each of several limits counts for itself.</summary>
public sealed class RateLimitStats
{
    /// <summary>rate_limit.ok: requests that had a token, after a wait too.</summary>
    public StripedCounter Ok { get; } = new();

    /// <summary>rate_limit.limited: requests refused for want of a token, and retries not made.</summary>
    public StripedCounter Limited { get; } = new();

    /// <summary>rate_limit.waited: requests that had to wait for a token, whatever came of it.</summary>
    public StripedCounter Waited { get; } = new();

    /// <summary>rate_limit.waiting.</summary>
    public Gauge Waiting { get; } = new();

    /// <summary>rate_limit.shadow_limited: requests that would have been refused, but for shadow mode.</summary>
    public StripedCounter ShadowLimited { get; } = new();

    /// <summary>rate_limit.returned: tokens given back, since another limit refused the request.</summary>
    public StripedCounter Returned { get; } = new();

    /// <summary>rate_limit.keys: buckets of a limit with a key.</summary>
    public Gauge Keys { get; } = new();

    /// <summary>rate_limit.keys_evicted: buckets that made room for others.</summary>
    public StripedCounter Evicted { get; } = new();
}
