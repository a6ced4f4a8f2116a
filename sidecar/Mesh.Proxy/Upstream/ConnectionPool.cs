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
