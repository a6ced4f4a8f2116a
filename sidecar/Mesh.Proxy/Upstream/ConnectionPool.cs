using System.IO.Pipelines;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// Connections of one endpoint and the requests that wait for one: Envoy's algorithm (semantics 2.3 to 2.7). Oldest request first, warmest
/// connection first. The limits belong to the cluster and are exact, because every member runs under the cluster's lock.
/// </summary>
internal sealed partial class ConnectionPool(Cluster cluster, Endpoint endpoint)
{
    private const int MaxOpensPerCall = 3; // as Envoy
    private const int MaxIdleOfClients = 512; // of those that serve one client each: many clients never come back
    private const string StillConnecting = "connection not established"; // what a request that waits no more was waiting for

    private readonly List<UpstreamConnection> _all = [];   // whatever counts against maxConnections, closing ones included
    private readonly List<UpstreamConnection> _ready = []; // the last is the warmest
    private readonly LinkedList<PendingRequest> _pending = new();
    private int _connecting;

    public bool IsEmpty => _all.Count == 0 && _pending.Count == 0;

    /// <summary>The connection that was made last, if it is still there.</summary>
    public UpstreamConnection? Newest => _all.Count > 0 ? _all[^1] : null;

    public bool IsWaitedFor => _pending.Count > 0;

    /// <summary>Requests that wait for a connection. Without the lock: what it was a moment ago.</summary>
    public int Waiting => _pending.Count;

    /// <summary>Connections that nobody uses.</summary>
    public int Idle => _ready.Count;

    /// <summary>Requests for which no connection is being made.</summary>
    public int Unserved => Math.Max(0, _pending.Count - _connecting);

    private ClusterStats Stats => cluster.Stats;

    /// <summary>A connection or a refusal at once, or the waiter if the request has to wait.</summary>
    public PendingRequest? RentLocked(bool isTcp, PipeScheduler? loop, ClientAddresses? client, ref Deferred deferred, out RentResult result)
    {
        // A TCP stream always gets a new connection: what a server says first must not be another caller's.
        if (!isTcp && FindReadyLocked(loop, client, ref deferred) is { } ready)
        {
            if (!TryRefuseLocked(isTcp, TimeSpan.Zero, out result))
            {
                _ready.RemoveAt(_ready.LastIndexOf(ready));
                CountLocked();
                result = AttachLocked(ready, isTcp, loop, TimeSpan.Zero);
            }

            return null;
        }

        // As Envoy: checked before trying to open a connection, so a request counts as pending while its own connection is made.
        uint limit = cluster.Config.Limits.MaxPendingRequests;
        if (Stats.RqPendingActive.Value >= limit)
        {
            Stats.RqPendingOverflow.Add();
            if (isTcp)
            {
                Stats.CxConnectAttemptsExceeded.Add();
            }

            result = cluster.Refuse(
                DecisionReason.PendingOverflow, "http.http1MaxPendingRequests", limit, Stats.RqPendingActive.Value, endpoint);
            return null;
        }

        result = default;
        PendingRequest request = cluster.TakeWaiterLocked();
        request.Start(endpoint, isTcp, loop, client, cluster.Now);
        _pending.AddLast(request.Node);
        cluster.Waiting.AddLast(request.NodeOfAll);
        CountLocked();
        Stats.RqPendingTotal.Add();
        Stats.RqPendingActive.Add();
        if (cluster.Config.PendingTimeout is { Ticks: > 0 } longest)
        {
            cluster.CheckConnectionsLocked(cluster.After(longest), ref deferred);
        }

        OpenLocked(ref deferred);
        cluster.NoteUseLocked();
        return request;
    }

    /// <summary>A stream has ended.</summary>
    public void ReleaseLocked(UpstreamConnection connection, bool reusable, ref Deferred deferred)
    {
        Stats.RqActive.Add(-1);
        endpoint.RqActive.Add(-1);
        cluster.EndInShadowLocked(connection);
        if (connection.Shadow is { } shadow)
        {
            connection.Shadow = null;
            shadow.Owner.Ended(shadow, reusable && !connection.IsDead, cluster.Now);
        }

        if (!reusable || connection.IsDraining || connection.IsDead || cluster.MustGoLocked(this))
        {
            CloseLocked(connection, ref deferred);
        }
        else
        {
            ServeOrKeepLocked(connection, ref deferred);
        }
    }

    /// <summary>Connecting has succeeded.</summary>
    public void OpenedLocked(UpstreamConnection connection, ref Deferred deferred)
    {
        _connecting--;
        CountLocked();
        connection.State = ConnectionState.Busy;
        if (cluster.Config.Connection.MaxConnectionDuration is { } longest && cluster.Config.Protocol != ClusterProtocol.Tcp)
        {
            connection.AgeDeadline = cluster.After(longest);
            cluster.CheckConnectionsLocked(connection.AgeDeadline, ref deferred);
        }

        ServeOrKeepLocked(connection, ref deferred);
    }

    /// <summary>Connecting has failed: every waiting request fails with it, so that its caller may try another endpoint (as Envoy). Returns how many.</summary>
    public int OpenFailedLocked(UpstreamConnection connection, RentResult failure, ref Deferred deferred)
    {
        _connecting--;
        CountLocked();
        connection.State = ConnectionState.Closing;
        cluster.Closing++;
        int failed = 0;
        for (LinkedListNode<PendingRequest>? node = _pending.First; node is not null;)
        {
            LinkedListNode<PendingRequest>? next = node.Next;
            if (connection.Client is null || node.Value.Client == connection.Client) // one made for one client fails nobody else
            {
                PendingRequest request = UnlinkLocked(node);
                GiveUpShadowLocked(request);
                Stats.RqPendingFailureEject.Add();
                deferred.Complete(request, failure with { QueueTime = cluster.Since(request.EnqueuedAt) });
                failed++;
            }

            node = next;
        }

        return failed;
    }

    /// <summary>A request stops waiting. False when it is already being served.</summary>
    public bool CancelLocked(PendingRequest request, ref Deferred deferred)
    {
        if (request.Node.List is null)
        {
            return false;
        }

        UnlinkLocked(request.Node);
        GiveUpShadowLocked(request);
        Stats.RqCancelled.Add();
        deferred.Complete(request, new RentResult(
            RentStatus.Cancelled, null, endpoint, default, _connecting > 0 ? StillConnecting : null, cluster.Since(request.EnqueuedAt)));
        if (_connecting - 1 >= _pending.Count)
        {
            CloseOneConnectingLocked(request.Client, ref deferred);
        }

        return true;
    }

    /// <summary>Opens connections while requests wait that no connecting one will serve (Envoy's preconnect ratio 1).</summary>
    public void OpenLocked(ref Deferred deferred)
    {
        for (int i = 0; i < MaxOpensPerCall && _pending.Count > _connecting; i++)
        {
            if (!cluster.HasRoomLocked)
            {
                cluster.CountHeldBackLocked();
                cluster.MakeRoomLocked(ref deferred);
                return;
            }

            bool isWithinLimit = Stats.CxActive.Value < cluster.Config.Limits.MaxConnections;
            if (!isWithinLimit)
            {
                Stats.CxOverflow.Add();
                if (_all.Count > 0) // as Envoy: a pool without any connection may always open one, else its requests would wait for ever
                {
                    MakeRoomLocked(ref deferred);
                    return;
                }
            }

            PendingRequest waiter = NextToServeLocked();
            UpstreamConnection connection = new(cluster, endpoint, waiter.Loop, waiter.Client);
            _all.Add(connection);
            _connecting++;
            CountLocked();
            connection.OpeningSince = cluster.HasShadowLimits ? cluster.Now : null;
            Stats.CxTotal.Add();
            Stats.CxActive.Add();
            endpoint.CxTotal.Add();
            endpoint.CxActive.Add();
            cluster.OpenInShadowLocked(connection);
            if (cluster.Config.Protocol == ClusterProtocol.Http1)
            {
                Stats.CxHttp1Total.Add();
            }

            deferred.Open(connection);
        }
    }

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

    private PendingRequest UnlinkLocked(LinkedListNode<PendingRequest> node)
    {
        _pending.Remove(node);
        cluster.Waiting.Remove(node.Value.NodeOfAll);
        CountLocked();
        Stats.RqPendingActive.Add(-1);
        if (cluster.Config.Shadow is { PendingTimeout.Ticks: > 0 } shadow && cluster.Since(node.Value.EnqueuedAt) >= shadow.PendingTimeout)
        {
            Stats.NeededShadow.PendingTimeout.Add(cluster.Services.Runtime.Time.GetUtcNow());
        }

        return node.Value;
    }
}
