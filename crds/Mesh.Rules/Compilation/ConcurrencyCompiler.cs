using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>The concurrency block of a ResiliencePolicy → cluster, with every default filled in. Pure.</summary>
internal static class ConcurrencyCompiler
{
    private const int DefaultQueue = 100;

    /// <summary>The cluster under <paramref name="rule"/>; without one, or without the block, as it is.</summary>
    public static ClusterConfig Apply(ClusterConfig cluster, RuleDocument? rule) =>
        rule?.Spec is ResiliencePolicy { Concurrency: { } block } policy
            ? cluster with { Concurrency = Compile(block, policy.Mode == ResiliencePolicy.ShadowMode, cluster.Protocol != ClusterProtocol.Tcp, $"{rule.Key.Namespace}/{rule.Key.Name}#spec") } : cluster;

    private static ConcurrencyConfig Compile(ConcurrencyPolicy block, bool isShadow, bool hasAnswers, string source)
    {
        TimeSpan wait = block.MaxWaitDuration ?? TimeSpan.Zero;
        return new ConcurrencyConfig
        {
            IsShadow = isShadow,
            MaxCalls = block.MaxConcurrentCalls ?? new ConcurrencyConfig().MaxCalls,
            MaxWait = wait,
            MaxQueue = wait > TimeSpan.Zero ? block.MaxQueue ?? DefaultQueue : 0,
            Adaptive = block.Adaptive is { } adaptive && !isShadow && hasAnswers ? Compile(adaptive) : null, // it learns from answers, by what it enforces
            Source = source,
        };
    }

    private static AdaptiveConcurrencyConfig Compile(AdaptiveConcurrency adaptive)
    {
        AdaptiveConcurrencyConfig defaults = new();
        return new AdaptiveConcurrencyConfig
        {
            MinCalls = adaptive.MinConcurrency ?? defaults.MinCalls,
            MaxCalls = adaptive.MaxConcurrency ?? Math.Max(defaults.MaxCalls, adaptive.MinConcurrency ?? 0),
            UpdateInterval = adaptive.ConcurrencyUpdateInterval ?? defaults.UpdateInterval,
            RequestCount = adaptive.RequestCount ?? defaults.RequestCount,
            BufferPercent = adaptive.Buffer ?? defaults.BufferPercent,
        };
    }
}
