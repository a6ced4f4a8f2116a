namespace Mesh.Proxy.Upstream;

// What a share of connections, which all pools of the cluster use together, has to know of a pool.
internal sealed partial class ConnectionPool
{
    private static readonly TimeSpan LongestHold = TimeSpan.FromSeconds(1);

    private int _countedUnserved; // what the cluster has been told
    private int _countedIdle;
    private long _servedAt = long.MinValue; // when a connection last took a request; known under a share alone

    /// <summary>
    /// Whether those who wait here have little hope of a connection of this pool: it has none, or streams hold all of them for so long that one of another pool had better go.
    /// Not at the first chance, or a cluster in which all pools wait would make a connection for each request.
    /// </summary>
    public bool IsStarved => _pending.First is { } oldest && (_all.Count == 0 || cluster.Since(Math.Max(_servedAt, oldest.Value.EnqueuedAt)) >= LongestHold);

    /// <summary>Whether the limit of the connection pool lets a connection be made here.</summary>
    public bool CanOpen => _all.Count == 0 || Stats.CxActive.Value < cluster.Config.Limits.MaxConnections;

    /// <summary>Tells the cluster, which must not ask all pools for each request.</summary>
    private void CountLocked()
    {
        (int unserved, int idle) = (Unserved, _ready.Count);
        cluster.Unserved += unserved - _countedUnserved;
        cluster.Idle += idle - _countedIdle;
        (_countedUnserved, _countedIdle) = (unserved, idle);
    }
}
