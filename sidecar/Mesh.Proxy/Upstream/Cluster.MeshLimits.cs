using System.Collections.Immutable;
using Mesh.Proxy.Shares;
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
                ImmutableArray<ShareView> shares = [.. ((MeshShare?[])[_connectionShare, _requestShare]).OfType<MeshShare>().Select(s => new ShareView(s.Rule, s.Field, s.Share, s.Total, InUseLocked(s)))];
                return RateLimiter?.Share is { } rate ? shares.Add(rate) : shares;
            }
        }
    }

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
        bool isSmaller = RateLimiter?.Follow(order, Now) == true;
        lock (_gate)
        {
            if (((MeshShare?[])[_connectionShare, _requestShare]).FirstOrDefault(s => s?.Field == order.Limit && s.Rule == order.Rule) is { } share)
            {
                isSmaller = share.Take(order);
                PublishSharesLocked();
                TrimLocked(ref deferred);
                ServeWaitersLocked(ref deferred);
            }
        }

        deferred.Run(this);
        if (isSmaller)
        {
            Services.OnSmallerShare();
        }
    }

    /// <summary>Adds what to report of the shares; what it says of use begins anew. Any thread.</summary>
    public void ReportShares(ImmutableArray<LimitReport>.Builder reports)
    {
        if (RateLimiter?.Report(Name, Now) is { } rate)
        {
            reports.Add(rate);
        }

        lock (_gate)
        {
            foreach (MeshShare share in ((MeshShare?[])[_connectionShare, _requestShare]).OfType<MeshShare>())
            {
                LimitReport report = share.Report(Name, InUseLocked(share), WantedLocked);
                uint own = share == _connectionShare ? _config.Limits.MaxConnections : _config.Limits.MaxRequests;
                report.Wanted = (int)Math.Min(report.Wanted, own); // more would be of no use here
                reports.Add(report);
            }
        }
    }

    /// <summary>A request waits, or has begun.</summary>
    internal void NoteUseLocked()
    {
        _connectionShare?.Note((int)Stats.CxActive.Value, WantedLocked);
        _requestShare?.Note((int)Stats.RqActive.Value, WantedLocked);
    }

    /// <summary>Whether a connection that becomes free has to go: for a share that became smaller, or for a pool that has none and whose requests wait.</summary>
    internal bool MustGoLocked() => _connectionShare is { } share &&
        (Stats.CxActive.Value - Closing > share.Share || (Stats.CxActive.Value >= share.Share && Stats.RqPendingActive.Value > 0 && PoolsLocked().Count(static p => p.IsStarved) > Closing));

    /// <summary>The share is used up: the connection that is idle for longest goes, for one who waits at another endpoint. Once it is closed another is made in its place.</summary>
    internal void MakeRoomLocked(ref Deferred deferred)
    {
        if (Stats.RqPendingActive.Value > 0 && PoolsLocked().Sum(static p => p.Unserved) > Closing)
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
        while (_connectionShare is not null && HasRoomLocked && PoolsLocked().Where(static p => p.Unserved > 0).MinBy(static p => p.WaitsSince) is { } pool)
        {
            long before = Stats.CxActive.Value;
            pool.OpenLocked(ref deferred);
            if (Stats.CxActive.Value == before)
            {
                return; // a limit of the connection pool holds it back
            }
        }
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

    private int WantedLocked => (int)(Stats.RqActive.Value + Stats.RqPendingActive.Value);

    private int InUseLocked(MeshShare share) => (int)(share == _connectionShare ? Stats.CxActive : Stats.RqActive).Value;

    private IEnumerable<ConnectionPool> PoolsLocked() => _hosts.All.Concat(_draining.Values).Select(static e => e.Pool);

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

    private bool CloseIdleLocked(ref Deferred deferred) => PoolsLocked().MaxBy(static p => p.Idle) is { } pool && pool.TryCloseIdleLocked(ref deferred);

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
