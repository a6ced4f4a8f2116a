using Mesh.Proxy.Upstream;
using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Control;

/// <summary>Hands what the control plane decided for all callers to the clusters it is about. One about a cluster that is not in force here is passed over. Any thread.</summary>
/// <param name="clusters">The clusters in force.</param>
internal sealed class MeshOrders(ClusterManager clusters)
{
    /// <summary>Follows orders, from the answer to a report or from the stream.</summary>
    public void Take(SidecarOrders orders)
    {
        foreach (CircuitOrder order in orders.Circuits)
        {
            clusters.Find(order.Cluster)?.Follow(order);
        }

        foreach (LimitOrder order in orders.Limits)
        {
            clusters.Find(order.Cluster)?.Follow(order);
        }
    }
}
