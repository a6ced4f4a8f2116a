namespace Mesh.Proxy.LoadBalancing;

/// <summary>Where a cluster's rotation stands. Starts at random, so that many sidecars do not all begin with the same endpoint. Thread-safe.</summary>
internal sealed class Rotation(Random random)
{
    private uint _next = (uint)random.Next();

    /// <summary>The next turn.</summary>
    public uint Take() => Interlocked.Increment(ref _next) - 1;
}

/// <summary>ROUND_ROBIN with equal weights: plain rotation.</summary>
internal sealed class RotatingBalancer(int count, Rotation rotation) : ILoadBalancer
{
    public int Pick(ulong hash = 0, int attempt = 0) => count == 0 ? -1 : (int)(rotation.Take() % (uint)count);
}
