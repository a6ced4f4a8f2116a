using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// The rate limits of a cluster: null unless a rule asks for one, so that others pay one look.
public sealed partial class Cluster
{
    private volatile RateLimiter[]? _rateLimiters;

    /// <summary>The rate limits in the order in which they are asked, or null; never changed, but replaced.</summary>
    internal RateLimiter[]? RateLimiters => _rateLimiters;

    /// <summary>What the plans of rate limits still let through in their windows; 0 without one.</summary>
    public long RateLimitPlanLeft => (_rateLimiters ?? []).Sum(l => (long)(l.PlanLeft(Now) ?? 0));

    /// <summary>This sidecar's part of the tokens of a limit of all sidecars together, of several the smallest; 0 without one.</summary>
    public long RateLimitShare => (_rateLimiters ?? []).Min(static l => l.Share?.Share) ?? 0;

    private void UpdateRateLimits(RateLimitConfigs? next)
    {
        RateLimiter[] former = _rateLimiters ?? [];
        _rateLimiters = next is null ? null : [.. next.All.Select(c => Updated(former, c))];
        foreach (RateLimiter gone in former.Except(_rateLimiters ?? []))
        {
            gone.Retire();
        }
    }

    private RateLimiter Updated(RateLimiter[] former, RateLimitConfig config)
    {
        if (Array.Find(former, l => l.Config.Source == config.Source) is { } limiter)
        {
            limiter.Update(config);
            return limiter;
        }

        return new RateLimiter(config, Services.Runtime.Time.TimestampFrequency, Stats.RateLimit ??= new RateLimitStats(), Services.Runtime.Time, Services.IsAlone);
    }
}
