namespace Mesh.Proxy.Upstream;

// Connections that serve one client each: whose header names it, or that are dialled in its name. They share the limits of the cluster.
internal sealed partial class ConnectionPool
{
    /// <summary>For whom a connection is made: the newest; but of those that need one of their own the oldest that has none.</summary>
    private PendingRequest NextToServeLocked()
    {
        PendingRequest newest = _pending.Last!.Value;
        return newest.Client is null ? newest : _pending.FirstOrDefault(HasNoneOfItsOwnLocked) ?? newest;
    }

    private bool HasNoneOfItsOwnLocked(PendingRequest request) =>
        request.Client is null || !_all.Exists(c => c.State == ConnectionState.Connecting && c.Client == request.Client);

    /// <summary>True when the limit lets none be made for <paramref name="request"/>, and none is being made.</summary>
    private bool NeedsRoomLocked(PendingRequest request) =>
        (Stats.CxActive.Value >= cluster.Config.Limits.MaxConnections || !cluster.HasRoomLocked) && HasNoneOfItsOwnLocked(request);

    /// <summary>
    /// At the limit: whoever waits cannot use what is idle for others, so the coldest of that goes, one for each who waits. Once it is closed a connection is made in its place.
    /// </summary>
    private void MakeRoomLocked(ref Deferred deferred)
    {
        if (_ready.Count > 0 && _ready[0].Client is not null && _pending.Count - _connecting > _all.Count(static c => c.State == ConnectionState.Closing))
        {
            CloseLocked(_ready[0], ref deferred);
        }
    }
}
