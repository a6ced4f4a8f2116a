using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>Policies of our own kinds → cluster. Pure.</summary>
internal static class PolicyCompiler
{
    /// <summary>The cluster under <paramref name="policies"/>. What judges answers or counts requests has nothing to do where there are only bytes; a bulkhead counts connections there.</summary>
    public static ClusterConfig Apply(ClusterConfig cluster, in ClusterPolicies policies)
    {
        cluster = ResilienceCompiler.Apply(cluster, policies.Resilience);
        cluster = ConcurrencyCompiler.Apply(cluster, policies.ResilienceInShadow);
        cluster = ConcurrencyCompiler.Apply(cluster, policies.Resilience); // has the last word: there is one bulkhead
        if (cluster.Protocol == ClusterProtocol.Tcp)
        {
            return cluster;
        }

        cluster = BreakerCompiler.Apply(cluster, policies.Breaker);
        cluster = BreakerCompiler.Apply(cluster, policies.RouteBreakers);
        cluster = RateLimitCompiler.Apply(cluster, policies.RateLimits);
        return FallbackCompiler.Apply(cluster, policies.Fallback);
    }
}
