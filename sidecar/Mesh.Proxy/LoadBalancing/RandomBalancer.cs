namespace Mesh.Proxy.LoadBalancing;

/// <summary>RANDOM with equal weights: one uniform draw.</summary>
internal sealed class RandomBalancer(int count, Random random) : ILoadBalancer
{
    public int Pick() => count == 0 ? -1 : random.Next(count);
}

/// <summary>RANDOM with weights: one uniform draw over the sum of the weights.</summary>
internal sealed class WeightedRandomBalancer : ILoadBalancer
{
    private readonly long[] _upTo; // running sums of the weights
    private readonly Random _random;

    public WeightedRandomBalancer(ILoadTarget[] targets, Random random)
    {
        _random = random;
        _upTo = new long[targets.Length];
        long sum = 0;
        for (int i = 0; i < targets.Length; i++)
        {
            _upTo[i] = sum += targets[i].Weight;
        }
    }

    public int Pick()
    {
        if (_upTo.Length == 0)
        {
            return -1;
        }

        int found = Array.BinarySearch(_upTo, _random.NextInt64(_upTo[^1]) + 1);
        return found >= 0 ? found : ~found;
    }
}
