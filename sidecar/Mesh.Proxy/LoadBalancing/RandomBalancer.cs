namespace Mesh.Proxy.LoadBalancing;

/// <summary>RANDOM with equal weights: one uniform draw.</summary>
internal sealed class RandomBalancer(int count, Random random) : ILoadBalancer
{
    public int Pick(ulong hash = 0, int attempt = 0) => count == 0 ? -1 : random.Next(count);
}

/// <summary>RANDOM with weights: one uniform draw over the sum of the weights.</summary>
internal sealed class WeightedRandomBalancer(ILoadTarget[] targets, Random random) : ILoadBalancer
{
    private readonly Shares _shares = new(Array.ConvertAll(targets, static t => (long)t.Weight));

    public int Pick(ulong hash = 0, int attempt = 0) => _shares.Total == 0 ? -1 : _shares.At(random.NextInt64(_shares.Total));
}
