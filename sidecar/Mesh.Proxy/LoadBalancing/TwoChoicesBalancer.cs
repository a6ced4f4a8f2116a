namespace Mesh.Proxy.LoadBalancing;

/// <summary>LEAST_REQUEST with equal weights: two draws with replacement, fewer active requests wins, a tie goes to the first drawn.</summary>
internal sealed class TwoChoicesBalancer(ILoadTarget[] targets, Random random) : ILoadBalancer
{
    public int Pick(ulong hash = 0, int attempt = 0)
    {
        if (targets.Length < 2)
        {
            return targets.Length - 1;
        }

        int first = random.Next(targets.Length);
        int second = random.Next(targets.Length);
        return targets[second].ActiveRequests < targets[first].ActiveRequests ? second : first;
    }
}
