using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
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
        RetryBudgetConfig? budget = Budget(cluster, policy, inputs.Policies.ResilienceInShadow);
        if (!hasPool && outlier is null && resilience is null && budget is null)
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
                ConnectTimeout = pool?.Tcp?.ConnectTimeout ?? TimeSpan.Zero,
                RetryBudget = budget,
                MeshLimits = inputs.Policies.ResilienceInShadow is { } rules && resilience is { MeshLimits: { } limits } ? ResilienceCompiler.Limits(limits, rules.Key) : null,
                Outlier = outlier,
                OutlierSource = outlier is null ? null : policy.Outlier.Source,
                ResilienceSource = inputs.Policies.ResilienceInShadow is { } document ? $"{document.Key.Namespace}/{document.Key.Name}#spec" : null,
                ComparesRetries = resilience is { Retries: not null } or { Profile: ResiliencePolicy.SafeProfile },
                PendingTimeout = resilience?.PendingTimeout ?? TimeSpan.Zero,
                WriteTimeout = resilience?.WriteTimeout ?? TimeSpan.Zero,
            },
        };
    }

    // In the order in which rules in force say it.
    private static RetryBudgetConfig? Budget(ClusterConfig cluster, in EffectivePolicy policy, RuleDocument? resilience)
    {
        if (cluster.IsInbound)
        {
            return null;
        }

        string place = resilience is null ? "" : $"{resilience.Key.Namespace}/{resilience.Key.Name}#spec";
        return resilience?.Spec is ResiliencePolicy { Retries.Budget: { } own } ? ClusterCompiler.Budget(own, $"{place}.retries.budget")
            : policy.RetryBudget.Value is { } budget ? ClusterCompiler.Budget(budget, policy.RetryBudget.Source)
            : resilience?.Spec is ResiliencePolicy { Profile: ResiliencePolicy.SafeProfile } && cluster.RetryBudget is null ? new RetryBudgetConfig(Source: $"{place}.profile") : null;
    }

    // Subsets are those of the rule in force: this one has something to say about them by their names.
    private static EffectiveSubset? SubsetOf(EffectiveRule shadow, EffectiveSubset? subset) =>
        subset is null ? null : shadow.Subsets.FirstOrDefault(s => s.Subset.Name == subset.Subset.Name);
}
