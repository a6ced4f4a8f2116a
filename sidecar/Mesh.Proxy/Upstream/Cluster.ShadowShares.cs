using System.Collections.Immutable;
using Mesh.Proxy.MeshShares;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.Proxy.Upstream;

// meshLimits in shadow mode (sidecar/adr/0049): the control plane gives out shares as for limits in force, and what goes beyond this one's is counted. What it would have held
// back or refused takes no place of it. Guarded by the lock; null unless a rule asks for one.
public sealed partial class Cluster
{
    private MeshShare? _shadowConnectionShare;
    private MeshShare? _shadowRequestShare;
    private int _shadowConnections; // that fit into the share
    private int _shadowRequests;

    /// <summary>Parts of limits in shadow mode; empty without any.</summary>
    public ImmutableArray<ShareView> SharesInShadow
    {
        get
        {
            lock (_gate)
            {
                return [.. ShadowSharesLocked.Select(s => new ShareView(s.Rule, s.Field, s.Share, s.Total, InUseInShadowLocked(s)))];
            }
        }
    }

    private IEnumerable<MeshShare> ShadowSharesLocked => new[] { _shadowConnectionShare, _shadowRequestShare }.OfType<MeshShare>();

    /// <summary>A connection is being made.</summary>
    internal void OpenInShadowLocked(UpstreamConnection connection)
    {
        if (_shadowConnectionShare is { } share)
        {
            connection.IsInShadowShare = Enters(share, ref _shadowConnections, Stats.NeededShadow.MeshConnectionOverflow);
        }
    }

    /// <summary>A connection is gone.</summary>
    internal void CloseInShadowLocked(UpstreamConnection connection)
    {
        if (connection.IsInShadowShare)
        {
            connection.IsInShadowShare = false;
            _shadowConnections--;
        }
    }

    /// <summary>A call has got <paramref name="connection"/>.</summary>
    internal void BeginInShadowLocked(UpstreamConnection connection)
    {
        if (_shadowRequestShare is { } share)
        {
            connection.HasCallInShadowShare = Enters(share, ref _shadowRequests, Stats.NeededShadow.MeshRequestOverflow);
        }
    }

    /// <summary>The call of <paramref name="connection"/> has ended.</summary>
    internal void EndInShadowLocked(UpstreamConnection connection)
    {
        if (connection.HasCallInShadowShare)
        {
            connection.HasCallInShadowShare = false;
            _shadowRequests--;
        }
    }

    private bool Enters(MeshShare share, ref int inUse, ShadowCount overflow)
    {
        Stats.NeededShadow.See(Stats);
        bool fits = inUse < share.Share;
        if (fits)
        {
            inUse++;
        }
        else
        {
            share.NoteRefusal();
            overflow.Add(Services.Runtime.Time.GetUtcNow());
        }

        share.Note(inUse, WantedLocked);
        return fits;
    }

    private void FollowInShadowLocked(LimitOrder order) => ShadowSharesLocked.FirstOrDefault(s => s.Field == order.Limit && s.Rule == order.Rule)?.Take(order);

    // Never more than the share: what it would have held back is not in use, or others would get less than they would have got.
    private void ReportShadowSharesLocked(ImmutableArray<LimitReport>.Builder reports) =>
        reports.AddRange(ShadowSharesLocked.Select(s => s.Report(Name, InUseInShadowLocked(s), WantedLocked)));

    private int InUseInShadowLocked(MeshShare share) => share == _shadowConnectionShare ? _shadowConnections : _shadowRequests;

    private void UpdateShadowSharesLocked(MeshLimitsConfig? limits)
    {
        _shadowConnectionShare = Updated(_shadowConnectionShare, limits, MeshLimitsConfig.ConnectionsField, limits?.MaxConnections ?? 0);
        _shadowRequestShare = Updated(_shadowRequestShare, limits, MeshLimitsConfig.RequestsField, limits?.MaxRequests ?? 0);
    }
}
