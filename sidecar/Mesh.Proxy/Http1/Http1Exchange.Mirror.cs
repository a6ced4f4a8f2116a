using Mesh.Proxy.Retry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// Copies of a request for the clusters that its route mirrors to (adr/0022): made once the whole of it has gone to its own upstream, so that they cost it no time.
internal sealed partial class Http1Exchange
{
    private static readonly TimeSpan LongestCopy = TimeSpan.FromMinutes(5);
    private List<Cluster>? _mirrors; // clusters that are to get a copy; null when there are none, or when they were sent

    /// <summary>Draws who gets a copy. As in Envoy neither a tunnel nor an upgrade is copied, and a cluster that does not exist gets nothing.</summary>
    private void ChooseMirrors(HttpRouteConfig route)
    {
        if (_request.IsConnect || _request.IsUpgrade)
        {
            return;
        }

        foreach (MirrorConfig mirror in route.Mirrors)
        {
            if (IsHit(mirror.Percent) && context.Clusters.Find(mirror.Cluster) is { } cluster)
            {
                (_mirrors ??= []).Add(cluster);
            }
        }
    }

    /// <summary>Keeps the body, as for a retry.</summary>
    private void KeepForMirrors()
    {
        if (_request.Framing.Kind != BodyKind.None && !_keepsBody)
        {
            _keepsBody = true;
            _requestBody.Keep(_kept ??= new KeptBody(context.RetryMemory));
        }
    }

    /// <summary>The request has left, all of it: so do its copies, with the head that its own upstream got. Never waits.</summary>
    private void SendCopies()
    {
        List<Cluster> mirrors = _mirrors!;
        _mirrors = null;
        KeptBody head = new(context.RetryMemory);
        ReadOnlySpan<byte> transaction = TransactionLine();
        KeptBody? body = _requestBody.Kept;
        if ((body is null && _request.Framing.Kind != BodyKind.None) || !head.TryReserve(HeadWriter.MaxRequestLength(_request, _requestEdits, transaction.Length)))
        {
            mirrors.ForEach(static c => c.Stats.RqShadowDropped.Add());
            return;
        }

        TimeSpan limit = _timer?.RouteLimit ?? TimeSpan.Zero;
        limit = limit > TimeSpan.Zero ? limit : context.Limits.StreamIdle > TimeSpan.Zero ? context.Limits.StreamIdle : LongestCopy;
        HeadWriter.WriteRequest(head, _request, _record.NewRequestId(), attempt: 1, _timer is null ? 0 : (long)_timer.RouteLimit.TotalMilliseconds, _requestEdits, transaction);
        _kept = body is null ? _kept : null; // it is the copies' too: the next request gets another
        MirrorMessage message = new(head, body, _request.IsHead, limit);
        foreach (Cluster cluster in mirrors)
        {
            mirrorSender.Send(cluster, message, _client.Loop, cluster.Config.Hash is { } by ? new PickContext(RequestHash.Of(by, _request, Down.RemoteEndPoint)) : PickFor(cluster.Config));
        }

        head.Release();
        if (_retry is null or { Config.IsOff: true }) // shadow retries look, and send nothing again
        {
            _keepsBody = false;
            _requestBody.Keep(null);
        }
    }
}
