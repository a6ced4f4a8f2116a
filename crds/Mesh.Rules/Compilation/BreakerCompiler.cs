using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>CircuitBreaker → cluster, with resilience4j's defaults filled in. Pure.</summary>
public static class BreakerCompiler
{
    /// <summary>The cluster under <paramref name="rule"/>; without one, as it is.</summary>
    internal static ClusterConfig Apply(ClusterConfig cluster, RuleDocument? rule)
    {
        if (rule?.Spec is not CircuitBreaker breaker)
        {
            return cluster;
        }

        BreakerConfig config = Compile(breaker, rule.Key);
        return (config.ReplacesEjection ? InPlaceOfEjection(cluster) : cluster) with { Breaker = config };
    }

    /// <summary>The cluster under breakers of single routes.</summary>
    internal static ClusterConfig Apply(ClusterConfig cluster, ImmutableArray<RuleDocument> rules) => rules.IsEmpty ? cluster : cluster with
    {
        RouteBreakers = new RouteBreakers(rules.ToImmutableSortedDictionary(
            static r => ((CircuitBreaker)r.Spec).Route!, static r => Compile((CircuitBreaker)r.Spec, r.Key), StringComparer.Ordinal)),
    };

    /// <summary>What the rule says, for whoever carries it out: a sidecar, or the control plane for all of them.</summary>
    public static BreakerConfig Compile(CircuitBreaker breaker, RuleKey rule)
    {
        BreakerConfig defaults = new();
        bool isShadow = breaker.Mode == CircuitBreaker.ShadowMode;
        ImmutableArray<int> codes = [.. breaker.Failures.Where(static f => char.IsAsciiDigit(f[0]) && f != "5xx").Select(static f => int.Parse(f, NumberStyles.None, CultureInfo.InvariantCulture)).Order()];
        return new BreakerConfig
        {
            Mode = breaker.State switch
            {
                "forcedOpen" => BreakerMode.ForcedOpen,
                "disabled" => BreakerMode.Disabled,
                "metricsOnly" => BreakerMode.MetricsOnly,
                _ => BreakerMode.Auto,
            },
            IsShadow = isShadow,
            FailureRate = breaker.FailureRateThreshold ?? defaults.FailureRate,
            SlowRate = breaker.SlowCallRateThreshold ?? defaults.SlowRate,
            SlowCall = breaker.SlowCallDurationThreshold ?? defaults.SlowCall,
            IsTimeBased = breaker.SlidingWindowType == CircuitBreaker.TimeBased,
            WindowSize = breaker.SlidingWindowSize ?? defaults.WindowSize,
            MinimumCalls = breaker.MinimumNumberOfCalls ?? defaults.MinimumCalls,
            OpenTime = breaker.WaitDurationInOpenState ?? defaults.OpenTime,
            OpenTimeGrowth = breaker.WaitDurationGrowth ?? defaults.OpenTimeGrowth,
            LongestOpenTime = breaker.MaxWaitDurationInOpenState ?? defaults.LongestOpenTime,
            TrialCalls = breaker.PermittedNumberOfCallsInHalfOpenState ?? defaults.TrialCalls,
            TrialTimeout = isShadow ? TimeSpan.Zero : breaker.CallTimeoutInHalfOpenState ?? TimeSpan.Zero, // it would end calls that are real
            LongestTrial = breaker.MaxWaitDurationInHalfOpenState ?? TimeSpan.Zero,
            Recovery = breaker.RecoveryDuration ?? TimeSpan.Zero,
            Failures = breaker.Failures.IsEmpty ? BreakerFailures.Default : breaker.Failures.Aggregate(BreakerFailures.None, static (all, word) => all | Flag(word)),
            FailureCodes = codes,
            IgnoredCodes = [.. breaker.IgnoredCodes.Select(static c => (int)c).Order()],
            ExemptPaths = breaker.ExemptPaths,
            IsPerEndpoint = breaker.Per == CircuitBreaker.PerEndpoint,
            IsMesh = breaker.Scope == CircuitBreaker.MeshScope,
            Probers = breaker.Probers?.Mode switch
            {
                BreakerProberRule.PerZone => BreakerProbers.PerZone,
                BreakerProberRule.RandomN => BreakerProbers.Random,
                BreakerProberRule.LowestLoad => BreakerProbers.LowestLoad,
                _ => BreakerProbers.FirstAndLast,
            },
            ProberCount = breaker.Probers?.Count ?? defaults.ProberCount,
            Rule = rule.ToString(),
            Source = $"{rule.Namespace}/{rule.Name}#spec",
        };
    }

    // Two judges of one endpoint would disagree. Without outlierDetection nobody asked for panic either: Istio switches it off beside ejection.
    private static ClusterConfig InPlaceOfEjection(ClusterConfig cluster) => cluster with
    {
        Outlier = null,
        OutlierSource = null,
        PanicThresholdPercent = cluster.Outlier is null ? 0 : cluster.PanicThresholdPercent,
    };

    private static BreakerFailures Flag(string word) => word switch
    {
        "5xx" => BreakerFailures.ServerError,
        "gateway-error" => BreakerFailures.GatewayError,
        "connect-failure" => BreakerFailures.ConnectFailure,
        "reset" => BreakerFailures.Reset,
        "timeout" => BreakerFailures.Timeout,
        _ => BreakerFailures.None,
    };
}
