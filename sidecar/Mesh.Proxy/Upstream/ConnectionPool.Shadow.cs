namespace Mesh.Proxy.Upstream;

// What limits in shadow mode are told of those who wait.
internal sealed partial class ConnectionPool
{
    private void AttachShadowLocked(PendingRequest request, UpstreamConnection connection)
    {
        if (request.Shadow is { } call)
        {
            request.Shadow = null;
            connection.Shadow = call;
            call.Owner.Attached(call, cluster.Now);
        }
    }

    private void GiveUpShadowLocked(PendingRequest request)
    {
        if (request.Shadow is { } call)
        {
            request.Shadow = null;
            call.Owner.GivenUp(call, cluster.Now);
        }
    }
}
