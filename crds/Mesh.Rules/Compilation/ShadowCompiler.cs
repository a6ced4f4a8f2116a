using Mesh.Rules.Kinds;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>Rules in shadow mode → what is evaluated beside a cluster. Pure.</summary>
internal static class ShadowCompiler
{
    /// <summary>The cluster with what its rules in shadow mode would do; without one, as it is.</summary>
    public static ClusterConfig Apply(ClusterConfig cluster, in ClusterInputs inputs)
    {
        EffectivePolicy policy = inputs.Shadow is { } rule ? TrafficPolicyMerge.Effective(rule, inputs.Service.Port, SubsetOf(rule, inputs.Subset)) : default;
        bool hasPool = policy.ConnectionPool.Value is not null && !(cluster.IsInbound && inputs.InboundPool.Value is not null); // a Sidecar's would go before it
        OutlierConfig? outlier = cluster.IsInbound ? null : ClusterCompiler.Outlier(policy.Outlier.Value);
        ResiliencePolicy? resilience = inputs.Policies.ResilienceInShadow?.Spec as ResiliencePolicy;
        if (!hasPool && outlier is null && resilience is null)
        {
            return cluster;
        }

        ConnectionPoolSettings? pool = hasPool ? policy.ConnectionPool.Value : null;
        ConnectionConfig connection = ClusterCompiler.Connection(pool);
        return cluster with
        {
            Shadow = new ShadowConfig
            {
                PoolSource = hasPool ? policy.ConnectionPool.Source : null,
                Limits = ClusterCompiler.Limits(pool),
                MaxRequestsPerConnection = connection.MaxRequestsPerConnection,
                HttpIdleTimeout = hasPool ? connection.HttpIdleTimeout : TimeSpan.Zero,
                Outlier = outlier,
                OutlierSource = outlier is null ? null : policy.Outlier.Source,
                ResilienceSource = inputs.Policies.ResilienceInShadow is { } document ? $"{document.Key.Namespace}/{document.Key.Name}#spec" : null,
                ComparesRetries = resilience is { Retries: not null } or { Profile: ResiliencePolicy.SafeProfile },
                PendingTimeout = resilience?.PendingTimeout ?? TimeSpan.Zero,
                WriteTimeout = resilience?.WriteTimeout ?? TimeSpan.Zero,
            },
        };
    }

    // Subsets are those of the rule in force: this one has something to say about them by their names.
    private static EffectiveSubset? SubsetOf(EffectiveRule shadow, EffectiveSubset? subset) =>
        subset is null ? null : shadow.Subsets.FirstOrDefault(s => s.Subset.Name == subset.Subset.Name);
}
