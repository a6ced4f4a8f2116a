using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.LoadBalancing;

/// <summary>Builds the balancer of a policy for one list of targets. A new policy is one line here.</summary>
internal static class LoadBalancerFactory
{
    /// <summary>Builds a balancer; <paramref name="rotation"/> is the cluster's own, so that a rebuild goes on where the last one stood.</summary>
    public static ILoadBalancer Create(LoadBalancerPolicy policy, ILoadTarget[] targets, Rotation rotation, Random random, SlowStart? slowStart = null)
    {
        SlowStart? warming = slowStart is not null && Array.Exists(targets, t => slowStart.RestOf(t) > TimeSpan.Zero) ? slowStart : null;
        bool equal = warming is null && HasEqualWeights(targets);
        return policy switch
        {
            LoadBalancerPolicy.Random => HasEqualWeights(targets) ? new RandomBalancer(targets.Length, random) : new WeightedRandomBalancer(targets, random),
            LoadBalancerPolicy.RoundRobin => equal ? new RotatingBalancer(targets.Length, rotation) : new EdfBalancer(targets, byLoad: false, random, warming),
            // As Envoy: two choices only while all weights are equal, else earliest deadline first with the weight shared by active requests.
            _ => equal ? new TwoChoicesBalancer(targets, random) : new EdfBalancer(targets, byLoad: true, random, warming),
        };
    }

    /// <summary>Builds a ring or a table. Takes long: never while a request waits.</summary>
    /// <param name="config">Kind and size.</param>
    /// <param name="targets">Targets.</param>
    /// <param name="weights">Their weights, greater than 0.</param>
    public static ILoadBalancer CreateHash(HashConfig config, ILoadTarget[] targets, double[] weights)
    {
        string[] addresses = Array.ConvertAll(targets, static t => t.Address);
        double sum = weights.Sum();
        double[] shares = Array.ConvertAll(weights, w => w / sum);
        return config.MaglevTableSize > 0
            ? new MaglevTable(addresses, shares, config.MaglevTableSize) : new RingTable(addresses, shares, config.MinimumRingSize);
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
