using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>A sidecar that has a share of one limit: what it was told, and what it may still use of what it was told before. Not thread-safe.</summary>
internal sealed class LimitHolder
{
    private const long Unheard = 1_000_000; // orders that may be on their way to it from before we heard of it, and more

    private readonly List<(long Epoch, int Share)> _told = []; // the one that it says is in force, and all that came after it
    private bool _isOurs; // the last one of them
    private int _wantedBefore;

    /// <param name="reporter">The sidecar.</param>
    /// <param name="first">Its first report: it may have a share of an earlier control plane.</param>
    public LimitHolder(Reporter reporter, LimitReport first)
    {
        Reporter = reporter;
        _told.Add((first.Epoch, Math.Max(1, first.Share)));
    }

    /// <summary>The sidecar.</summary>
    public Reporter Reporter { get; }

    /// <summary>The share it was told last.</summary>
    public int Share => _told[^1].Share;

    /// <summary>Number of that order.</summary>
    public long Epoch => _told[^1].Epoch;

    /// <summary>Most that it may be using: an order may be lost or late, and what is in use beyond a smaller share goes on until it ends.</summary>
    public int Held { get; private set; }

    /// <summary>Most that was in use, as it says.</summary>
    public int InUse { get; private set; }

    /// <summary>Most that it wanted in its last two reports: one quiet second is no reason to lose a share.</summary>
    public int Wanted { get; private set; }

    /// <summary>Takes a report; what it was told before the order that is in force does not count any more.</summary>
    public void Take(LimitReport report)
    {
        if (report.Epoch > Epoch) // of another control plane, before this one or beside it
        {
            _told.Clear();
            _told.Add((report.Epoch, Math.Max(1, report.Share)));
            _isOurs = false;
        }

        while (_told.Count > 1 && _told[1].Epoch <= report.Epoch)
        {
            _told.RemoveAt(0);
        }

        InUse = report.InUse;
        Wanted = Math.Max(report.Wanted, _wantedBefore);
        _wantedBefore = report.Wanted;
        Sum();
    }

    /// <summary>Tells it another share. The number is above all that it says it has, which is nobody else's trouble: nobody compares numbers of two holders.</summary>
    public void Order(int share, long epoch)
    {
        _told.Add((epoch > Epoch ? epoch : Epoch + (_isOurs ? 1 : Unheard), share));
        _isOurs = true;
        Sum();
    }

    private void Sum() => Held = Math.Max(InUse, _told.Max(static t => t.Share));
}
