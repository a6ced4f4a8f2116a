using Mesh.Rules.Wire;

namespace Mesh.Proxy.MeshShares;

/// <summary>This sidecar's part of one limit that all share: what it is, what is used of it and what is wanted. Guarded by the cluster's lock.</summary>
internal sealed class MeshShare
{
    private int _mostInUse;
    private int _mostWanted;
    private int _refused;
    private long _epoch;

    /// <param name="rule">The rule.</param>
    /// <param name="field">Its field.</param>
    /// <param name="total">The limit for all.</param>
    /// <param name="isAlone">There is no control plane, so nobody to share with.</param>
    public MeshShare(string rule, string field, int total, bool isAlone)
    {
        (Rule, Field, Total, Share) = (rule, field, total, isAlone ? total : 1);
    }

    /// <summary>One that begins with more than one.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="field">Its field.</param>
    /// <param name="total">The limit for all.</param>
    /// <param name="first">Share before the first order.</param>
    /// <param name="epoch">Orders with a lower number are late.</param>
    public MeshShare(string rule, string field, int total, int first, long epoch)
    {
        (Rule, Field, Total, Share, _epoch) = (rule, field, total, first, epoch);
    }

    /// <summary>The rule.</summary>
    public string Rule { get; }

    /// <summary>Its field.</summary>
    public string Field { get; }

    /// <summary>Number of the order in force; 0 before the first.</summary>
    public long Epoch => _epoch;

    /// <summary>An order was followed. Before that the share is what it began with, whatever the number.</summary>
    public bool IsOrdered { get; private set; }

    /// <summary>The limit for all.</summary>
    public int Total { get; private set; }

    /// <summary>The part; one before the first order, and never more than the limit.</summary>
    public int Share { get; private set; }

    /// <summary>The rule says another limit. The share waits for the next order, unless it is too much already.</summary>
    public void Limit(int total, bool isAlone)
    {
        Total = total;
        Share = isAlone ? total : Math.Min(Share, total);
    }

    /// <summary>Another share to begin with.</summary>
    public void Begin(int first) => Share = Math.Clamp(first, 1, Total);

    /// <summary>Puts an order in force; what was in use before a smaller share came is not reported any more, but what is left of it is.</summary>
    /// <returns>True when it made the share smaller.</returns>
    public bool Take(LimitOrder order)
    {
        if (order.Epoch < _epoch)
        {
            return false; // it was overtaken by a later one
        }

        int next = Math.Clamp(order.Share, 1, Total);
        bool isSmaller = next < Share;
        if (isSmaller)
        {
            _mostInUse = 0;
        }

        (Share, _epoch, IsOrdered) = (next, order.Epoch, true);
        return isSmaller;
    }

    /// <summary>Notes how much is in use and wanted at this moment.</summary>
    public void Note(int inUse, int wanted)
    {
        _mostInUse = Math.Max(_mostInUse, inUse);
        _mostWanted = Math.Max(_mostWanted, wanted);
    }

    /// <summary>Somebody was refused for want of a larger share.</summary>
    public void NoteRefusal() => _refused++;

    /// <summary>
    /// What to report since the last time. Nobody knows how many of those who were refused would have been there at once: each is taken for one more, up to twice what was there.
    /// </summary>
    public LimitReport Report(string cluster, int inUse, int wanted)
    {
        Note(inUse, wanted);
        LimitReport report = ReportOf(cluster, _mostInUse, (long)_mostWanted + Math.Min(_refused, _mostWanted + 1));
        (_mostInUse, _mostWanted, _refused) = (inUse, wanted, 0);
        return report;
    }

    /// <summary>A report of these figures.</summary>
    public LimitReport ReportOf(string cluster, int inUse, long wanted) => new()
    {
        Rule = Rule,
        Cluster = cluster,
        Limit = Field,
        Epoch = _epoch,
        Share = _epoch > 0 ? Share : 0,
        InUse = inUse,
        Wanted = (int)Math.Min(wanted, Total),
    };
}
