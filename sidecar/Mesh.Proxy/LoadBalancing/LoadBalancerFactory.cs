using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.LoadBalancing;

/// <summary>Builds the balancer of a policy for one list of targets. A new policy is one line here.</summary>
internal static class LoadBalancerFactory
{
    /// <summary>Builds a balancer; <paramref name="rotation"/> is the cluster's own, so that a rebuild goes on where the last one stood.</summary>
    public static ILoadBalancer Create(LoadBalancerPolicy policy, ILoadTarget[] targets, Rotation rotation, Random random)
    {
        bool equal = HasEqualWeights(targets);
        return policy switch
        {
            LoadBalancerPolicy.Random => equal ? new RandomBalancer(targets.Length, random) : new WeightedRandomBalancer(targets, random),
            LoadBalancerPolicy.RoundRobin => equal ? new RotatingBalancer(targets.Length, rotation) : new EdfBalancer(targets, byLoad: false, random),
            // As Envoy: two choices only while all weights are equal, else earliest deadline first with the weight shared by active requests.
            _ => equal ? new TwoChoicesBalancer(targets, random) : new EdfBalancer(targets, byLoad: true, random),
        };
    }

    private static bool HasEqualWeights(ILoadTarget[] targets)
    {
        foreach (ILoadTarget target in targets)
        {
            if (target.Weight != targets[0].Weight)
            {
                return false;
            }
        }

        return true;
    }
}
