namespace Mesh.Proxy.Upstream;

/// <summary>All clusters by name; created, updated and drained by the snapshot applier.</summary>
public sealed class ClusterManager
{
    /// <summary>Clusters that are in force now (draining ones excluded).</summary>
    public IReadOnlyCollection<Cluster> Clusters => throw new NotImplementedException();

    /// <summary>The cluster of this name, or null.</summary>
    public Cluster? Find(string name) => throw new NotImplementedException();
}
