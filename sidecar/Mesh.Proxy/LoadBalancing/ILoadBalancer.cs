namespace Mesh.Proxy.LoadBalancing;

/// <summary>Chooses among the targets it was built for. Thread-safe, no I/O, no allocation per pick.</summary>
internal interface ILoadBalancer
{
    /// <summary>Index of the chosen target, or -1 when there are none.</summary>
    /// <param name="hash">Key of the request; only consistent hashing looks at it.</param>
    /// <param name="attempt">0, or how often this request was answered with a target that did not do: consistent hashing then goes on to another.</param>
    int Pick(ulong hash = 0, int attempt = 0);
}
