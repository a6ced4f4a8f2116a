using System.IO.Pipelines;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// Who gets which connection: the oldest request first, the warmest connection first.
internal sealed partial class ConnectionPool
{
    private void ServeOrKeepLocked(UpstreamConnection connection, ref Deferred deferred)
    {
        while (NextForLocked(connection) is { } next)
        {
            PendingRequest request = UnlinkLocked(next);
            TimeSpan waited = cluster.Since(request.EnqueuedAt);
            if (TryRefuseLocked(request.IsTcp, waited, out RentResult refusal))
            {
                GiveUpShadowLocked(request);
                deferred.Complete(request, refusal);
                continue;
            }

            AttachShadowLocked(request, connection);
            deferred.Complete(request, AttachLocked(connection, request.IsTcp, request.Loop, waited));
            OpenLocked(ref deferred);
            return;
        }

        bool isKept = cluster.Config.Protocol == ClusterProtocol.Http1 && _pending.Count <= _connecting && !endpoint.IsRemoved;
        if (!isKept || connection.IsDraining || connection.IsDead)
        {
            CloseLocked(connection, ref deferred);
            return;
        }

        TimeSpan idle = cluster.Config.Connection.HttpIdleTimeout;
        connection.State = ConnectionState.Ready;
        connection.IdleDeadline = idle > TimeSpan.Zero ? cluster.After(idle) : long.MaxValue;
        _ready.Add(connection);
        CountLocked();
        if (connection.Client is not null && _ready.Count > MaxIdleOfClients)
        {
            CloseLocked(_ready[0], ref deferred);
        }

        cluster.CheckConnectionsLocked(connection.IdleDeadline, ref deferred);
        if (!cluster.HasRoomLocked)
        {
            cluster.MakeRoomLocked(ref deferred);
        }
    }

    /// <summary>
    /// Whom a free connection serves: the oldest. But one that waits on another event loop, for which a connection is being made there, is left to that.
    /// </summary>
    private LinkedListNode<PendingRequest>? NextForLocked(UpstreamConnection connection)
    {
        LinkedListNode<PendingRequest>? oldest = _pending.First;
        if (connection.Client is { } client)
        {
            if (connection.Streams > 0 && oldest is not null && oldest.Value.Client != client && NeedsRoomLocked(oldest.Value))
            {
                return null; // one client must not keep the others waiting for ever
            }

            while (oldest is not null && oldest.Value.Client != client)
            {
                oldest = oldest.Next;
            }

            return oldest;
        }

        if (oldest is null || (oldest.Value.IsTcp && connection.Streams > 0))
        {
            return null;
        }

        if (oldest.Value.Loop == connection.Loop || _connecting == 0)
        {
            return oldest;
        }

        LinkedListNode<PendingRequest>? neighbour = oldest.Next;
        while (neighbour is not null && neighbour.Value.Loop != connection.Loop)
        {
            neighbour = neighbour.Next;
        }

        return neighbour ?? (_connecting >= _pending.Count ? null : oldest);
    }

    private RentResult AttachLocked(UpstreamConnection connection, bool isTcp, PipeScheduler? loop, TimeSpan waited)
    {
        connection.Loop = loop;
        connection.State = ConnectionState.Busy;
        connection.Streams++;
        uint most = cluster.Config.Connection.MaxRequestsPerConnection;
        if (isTcp)
        {
            connection.IsDraining = true;
        }
        else if (most > 0 && connection.Streams >= most && !connection.IsDraining)
        {
            connection.IsDraining = true; // as Envoy: at attach of the last request, not at its end
            Stats.CxMaxRequests.Add();
        }

        Stats.RqTotal.Add();
        Stats.RqActive.Add();
        endpoint.RqTotal.Add();
        endpoint.RqActive.Add();
        cluster.BeginInShadowLocked(connection);
        if (cluster.NoteUseLocked())
        {
            _servedAt = cluster.Now;
        }

        return new RentResult(RentStatus.Ok, connection, endpoint, default, null, waited);
    }

    // The request limit has no queue: whoever meets it fails, even if a connection is free (as Envoy). TCP ignores it.
    private bool TryRefuseLocked(bool isTcp, TimeSpan waited, out RentResult refusal)
    {
        uint limit = cluster.Config.Limits.MaxRequests;
        bool isWithinLimit = Stats.RqActive.Value < limit;
        if (isTcp || (isWithinLimit && cluster.HasRequestLeftLocked))
        {
            refusal = default;
            return false;
        }

        Stats.RqPendingOverflow.Add();
        Stats.RqActiveOverflow.Add();
        refusal = isWithinLimit ? cluster.RefuseRequestLocked(endpoint)
            : cluster.Refuse(DecisionReason.RequestOverflow, "http.http2MaxRequests", limit, Stats.RqActive.Value, endpoint);
        refusal = refusal with { QueueTime = waited };
        return true;
    }

    /// <summary>
    /// The warmest idle connection that is still good; it stays in the list. One of another event loop only when the limits let none be made: it has to move.
    /// </summary>
    private UpstreamConnection? FindReadyLocked(PipeScheduler? loop, ClientAddresses? client, ref Deferred deferred)
    {
        UpstreamConnection? elsewhere = null;
        for (int i = _ready.Count - 1; i >= 0; i--)
        {
            UpstreamConnection warmest = _ready[i];
            if (warmest.Client != client)
            {
                continue;
            }

            if (warmest.Loop != loop)
            {
                elsewhere ??= warmest;
                continue;
            }

            if (warmest.IsQuiet())
            {
                return warmest;
            }

            warmest.IsDead = true; // the end or stray bytes came while idle, and the transport has not told yet
            CloseLocked(warmest, ref deferred);
        }

        bool canOpen = Stats.CxActive.Value < cluster.Config.Limits.MaxConnections && cluster.HasRoomLocked && Stats.RqPendingActive.Value < cluster.Config.Limits.MaxPendingRequests;
        return canOpen ? null : elsewhere;
    }
}
