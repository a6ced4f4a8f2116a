using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>RateLimit → cluster, with every default filled in. Pure.</summary>
internal static class RateLimitCompiler
{
    private static readonly TimeSpan DefaultWait = TimeSpan.FromSeconds(2);
    private const int DefaultQueue = 100;

    /// <summary>The cluster under <paramref name="rules"/>; without any, as it is. A limit for some of the requests is asked before one for more of them, so that a class takes no token that others could use.</summary>
    public static ClusterConfig Apply(ClusterConfig cluster, ImmutableArray<RuleDocument> rules) => rules.IsEmpty ? cluster : cluster with
    {
        RateLimits = new RateLimitConfigs([.. rules.OrderByDescending(static r => Narrowness((RateLimit)r.Spec)).Select(static r => Compile((RateLimit)r.Spec, r.Key))]),
    };

    private static int Narrowness(RateLimit limit) => (limit.Key is null ? 0 : 1) + (limit.Match is null ? 0 : 1) + (limit.Paths.IsEmpty ? 0 : 1);

    private static RateLimitConfig Compile(RateLimit limit, RuleKey rule)
    {
        RateLimitConfig defaults = new();
        RateLimitWait? wait = limit.WhenExceeded?.Wait;
        AllowedHoursConfig? hours = HoursOf(limit);
        PlanConfig? plan = limit.Plan is { Total: { } total } p && (hours?.Length ?? p.Window) is { } window ? new PlanConfig(total, window) : null;
        return new RateLimitConfig
        {
            IsShadow = limit.Mode == RateLimit.ShadowMode,
            Tokens = limit.Tokens ?? plan?.Total ?? defaults.Tokens,
            Interval = (limit.Tokens is null ? plan?.Window : null) ?? limit.Interval ?? defaults.Interval,
            Burst = limit.Burst ?? (plan is null ? limit.Tokens : null) ?? defaults.Burst,
            Plan = plan,
            KeySource = limit.Key switch
            {
                { Header: not null } => RateLimitKeySource.Header,
                { Cookie: not null } => RateLimitKeySource.Cookie,
                { Path: true } => RateLimitKeySource.Path,
                { ClientIp: true } => RateLimitKeySource.ClientIp,
                _ => RateLimitKeySource.None,
            },
            KeyName = limit.Key?.Header ?? limit.Key?.Cookie ?? "",
            MaxKeys = limit.MaxKeys ?? defaults.MaxKeys,
            Paths = limit.Paths,
            ExemptPaths = limit.ExemptPaths,
            Headers = limit.Match is { } match ? [.. match.Headers.Select(static h => RouteMatchCompiler.Named(h.Key.ToLowerInvariant(), h.Value))] : [],
            MaxWait = wait is null ? TimeSpan.Zero : wait.MaxWait ?? DefaultWait,
            MaxQueue = wait is null ? 0 : wait.MaxQueue ?? DefaultQueue,
            AllowedHours = hours,
            IsMesh = limit.Scope == RateLimit.MeshScope,
            Rule = limit.Scope == RateLimit.MeshScope ? rule.ToString() : "",
            Source = $"{rule.Namespace}/{rule.Name}#spec",
        };
    }

    private static AllowedHoursConfig? HoursOf(RateLimit limit) =>
        limit.AllowedHours is { } hours && AllowedHoursCheck.Parse(hours.From) is { } from && AllowedHoursCheck.Parse(hours.To) is { } to
            ? new AllowedHoursConfig(from, to, hours.TimeZone ?? "UTC") : null;
}
