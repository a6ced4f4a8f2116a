using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// The rate limit of a cluster: null unless a rule asks for one, so that others pay one look.
public sealed partial class Cluster
{
    private volatile RateLimiter? _rateLimiter;

    /// <summary>The rate limit, or null.</summary>
    internal RateLimiter? RateLimiter => _rateLimiter;

    private void UpdateRateLimit(RateLimitConfig? next)
    {
        if (next is not null && _rateLimiter is { } limiter)
        {
            limiter.Update(next);
            return;
        }

        Stats.RateLimit?.Keys.Set(0);
        _rateLimiter = next is null ? null : new RateLimiter(
            next, Services.Runtime.Time.TimestampFrequency, Stats.RateLimit ??= new RateLimitStats(), Services.Runtime.Time, Services.IsAlone);
    }
}
