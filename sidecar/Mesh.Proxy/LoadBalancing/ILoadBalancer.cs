namespace Mesh.Proxy.LoadBalancing;

/// <summary>Chooses among the targets it was built for. Thread-safe, no I/O, no allocation per pick.</summary>
internal interface ILoadBalancer
{
    /// <summary>Index of the chosen target, or -1 when there are none.</summary>
    int Pick();
}
