using System.Collections.Immutable;
using Mesh.Proxy.MeshShares;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.Proxy.Upstream;

// Limits that all sidecars share (sidecar/adr/0041): the share counts like the connectionPool limit of that name, but strictly. A pool without a connection gets none beyond it either; so
// that its requests do not wait for ever, an idle connection of another pool makes room, or the next one that becomes free.
public sealed partial class Cluster
{
    private MeshShare? _connectionShare; // as all here guarded by the lock; null unless a rule asks for one, so that others pay one look
    private MeshShare? _requestShare;

    /// <summary>Parts of limits that all share, as they are now; empty without any.</summary>
    public ImmutableArray<ShareView> Shares
    {
        get
        {
            lock (_gate)
            {
                return
                [
                    .. SharesLocked.Select(s => new ShareView(s.Rule, s.Field, s.Share, s.Total, InUseLocked(s))),
                    .. (RateLimiters ?? []).Select(static l => l.Share).OfType<ShareView>(),
                ];
            }
        }
    }

    /// <summary>All who wait for a connection, the oldest first.</summary>
    internal LinkedList<PendingRequest> Waiting { get; } = new();

    /// <summary>Requests for which no connection is being made, of all pools.</summary>
    internal int Unserved { get; set; }

    /// <summary>Connections that nobody uses, of all pools.</summary>
    internal int Idle { get; set; }

    /// <summary>Connections that are being closed and still count.</summary>
    internal int Closing { get; set; }

    /// <summary>Whether the share lets a connection be made.</summary>
    internal bool HasRoomLocked => _connectionShare is not { } share || Stats.CxActive.Value < share.Share;

    /// <summary>Whether the share lets a request begin.</summary>
    internal bool HasRequestLeftLocked => _requestShare is not { } share || Stats.RqActive.Value < share.Share;

    /// <summary>Follows an order of the control plane; one about a limit that is none here has no effect. Any thread.</summary>
    public void Follow(LimitOrder order)
    {
        Deferred deferred = default;
        bool isSmaller = false;
        foreach (RateLimiter limiter in RateLimiters ?? [])
        {
            isSmaller |= limiter.Follow(order, Now);
        }

        lock (_gate)
        {
            if (SharesLocked.FirstOrDefault(s => s.Field == order.Limit && s.Rule == order.Rule) is { } share)
            {
                isSmaller = share.Take(order);
                PublishSharesLocked();
                TrimLocked(ref deferred);
                ServeWaitersLocked(ref deferred);
            }

            FollowInShadowLocked(order);
        }

        deferred.Run(this);
        if (isSmaller)
        {
            Services.OnSmallerShare();
        }
    }

    /// <summary>Adds what to report of the shares; what it says of use begins anew. Any thread.</summary>
    /// <param name="reports">Where to.</param>
    /// <param name="mostKeys">Most keys of one limit; others give their share back.</param>
    public void ReportShares(ImmutableArray<LimitReport>.Builder reports, int mostKeys = int.MaxValue)
    {
        foreach (RateLimiter limiter in RateLimiters ?? [])
        {
            limiter.Report(Name, Now, reports, mostKeys);
        }

        lock (_gate)
        {
            foreach (MeshShare share in SharesLocked)
            {
                LimitReport report = share.Report(Name, InUseLocked(share), WantedLocked);
                uint own = share == _connectionShare ? _config.Limits.MaxConnections : _config.Limits.MaxRequests;
                report.Wanted = (int)Math.Min(report.Wanted, own); // more would be of no use here
                reports.Add(report);
            }

            ReportShadowSharesLocked(reports);
        }
    }

    /// <summary>A request waits, or has begun. True when there is a share of connections.</summary>
    internal bool NoteUseLocked()
    {
        _connectionShare?.Note((int)Stats.CxActive.Value, WantedLocked);
        _requestShare?.Note((int)Stats.RqActive.Value, WantedLocked);
        return _connectionShare is not null;
    }

    /// <summary>
    /// Whether a connection of <paramref name="pool"/> that becomes free has to go: for a share that became smaller, or for a pool that is starved and whose oldest request waits
    /// for longer than any of this one; one at a time.
    /// </summary>
    internal bool MustGoLocked(ConnectionPool pool) => _connectionShare is { } share &&
        (Stats.CxActive.Value - Closing > share.Share ||
            (Unserved > pool.Unserved && Closing == 0 && !HasRoomLocked && OldestUnservedLocked(mustOpen: false) is { } oldest && oldest != pool && oldest.IsStarved));

    /// <summary>The share is used up: the connection that is idle for longest goes, for one who waits at another endpoint. Once it is closed another is made in its place.</summary>
    internal void MakeRoomLocked(ref Deferred deferred)
    {
        if (Unserved > Closing)
        {
            CloseIdleLocked(ref deferred);
        }
    }

    /// <summary>A connection of <paramref name="pool"/> is gone: there is room for another, there or, with a share, wherever somebody has waited for longest.</summary>
    internal void ServeWaitersLocked(ConnectionPool pool, ref Deferred deferred)
    {
        if (_connectionShare is null)
        {
            pool.OpenLocked(ref deferred);
        }
        else
        {
            ServeWaitersLocked(ref deferred);
        }
    }

    private void ServeWaitersLocked(ref Deferred deferred)
    {
        while (_connectionShare is not null && HasRoomLocked && OldestUnservedLocked(mustOpen: true) is { } pool)
        {
            pool.OpenLocked(ref deferred);
        }
    }

    /// <summary>The pool of the oldest request for which no connection is being made; with <paramref name="mustOpen"/>, among those that the connection pool's own limit does not hold back.</summary>
    private ConnectionPool? OldestUnservedLocked(bool mustOpen)
    {
        LinkedListNode<PendingRequest>? node = Unserved > 0 ? Waiting.First : null;
        while (node is not null && (node.Value.Endpoint.Pool.Unserved == 0 || (mustOpen && !node.Value.Endpoint.Pool.CanOpen)))
        {
            node = node.Next;
        }

        return node?.Value.Endpoint.Pool;
    }

    /// <summary>A refusal by the share of requests.</summary>
    internal RentResult RefuseRequestLocked(Endpoint endpoint)
    {
        Stats.MeshLimits!.RequestsRefused.Add();
        return RefuseLocked(_requestShare!, DecisionReason.RequestOverflow, Stats.RqActive.Value, endpoint);
    }

    /// <summary>A refusal of a TCP stream by the share of connections.</summary>
    private RentResult RefuseConnectionLocked()
    {
        CountHeldBackLocked();
        return RefuseLocked(_connectionShare!, DecisionReason.ConnectionOverflow, Stats.CxActive.Value, null);
    }

    /// <summary>The share has held a connection back.</summary>
    internal void CountHeldBackLocked()
    {
        Stats.CxOverflow.Add();
        Stats.MeshLimits!.ConnectionsHeldBack.Add();
    }

    // For orders and reports, not for calls.
    private IEnumerable<MeshShare> SharesLocked => new[] { _connectionShare, _requestShare }.OfType<MeshShare>();

    private int WantedLocked => (int)(Stats.RqActive.Value + Stats.RqPendingActive.Value);

    private int InUseLocked(MeshShare share) => (int)(share == _connectionShare ? Stats.CxActive : Stats.RqActive).Value;

    private RentResult RefuseLocked(MeshShare share, DecisionReason reason, long now, Endpoint? endpoint)
    {
        share.NoteRefusal();
        DecisionRecord decision = new(reason, _config.MeshLimits!.Source, share.Field, share.Share, now) { Scope = DecisionScope.Mesh };
        return new(RentStatus.Overflow, null, endpoint, decision, null, TimeSpan.Zero);
    }

    /// <summary>Closes idle connections beyond the share; those in use go when they become free.</summary>
    private void TrimLocked(ref Deferred deferred)
    {
        while (_connectionShare is { } share && Stats.CxActive.Value - Closing > share.Share && CloseIdleLocked(ref deferred))
        {
        }
    }

    /// <summary>Closes a connection of the pool that has most idle ones.</summary>
    private bool CloseIdleLocked(ref Deferred deferred)
    {
        if (Idle == 0)
        {
            return false;
        }

        ConnectionPool? most = null;
        foreach (Endpoint endpoint in _hosts.All)
        {
            most = endpoint.Pool.Idle > (most?.Idle ?? 0) ? endpoint.Pool : most;
        }

        foreach (Endpoint endpoint in _draining.Values)
        {
            most = endpoint.Pool.Idle > (most?.Idle ?? 0) ? endpoint.Pool : most;
        }

        return most?.TryCloseIdleLocked(ref deferred) == true;
    }

    private void UpdateMeshLimits(MeshLimitsConfig? limits)
    {
        _connectionShare = Updated(_connectionShare, limits, MeshLimitsConfig.ConnectionsField, limits?.MaxConnections ?? 0);
        _requestShare = Updated(_requestShare, limits, MeshLimitsConfig.RequestsField, limits?.MaxRequests ?? 0);
        Stats.MeshLimits ??= limits is null ? null : new MeshLimitStats();
        PublishSharesLocked();
    }

    private void PublishSharesLocked()
    {
        Stats.MeshLimits?.ConnectionShare.Set(_connectionShare?.Share ?? 0);
        Stats.MeshLimits?.RequestShare.Set(_requestShare?.Share ?? 0);
    }

    private MeshShare? Updated(MeshShare? share, MeshLimitsConfig? limits, string field, int total)
    {
        if (limits is null || total == 0)
        {
            return null;
        }

        if (share is null || share.Rule != limits.Rule)
        {
            return new MeshShare(limits.Rule, field, total, Services.IsAlone);
        }

        share.Limit(total, Services.IsAlone);
        return share;
    }
}
