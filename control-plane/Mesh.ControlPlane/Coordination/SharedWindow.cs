namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// The calls that all callers together made lately, as their reports told: over seconds, the reports of so many seconds; by count, the newest reports that hold so many calls, and
/// never less than a round of reports, or the window would be the view of the one who reported last. So it is exact to one report. A caller that left takes its calls with it.
/// Not thread-safe.
/// </summary>
/// <param name="isTimeBased">Over seconds, else by count.</param>
/// <param name="size">Seconds or calls.</param>
internal sealed class SharedWindow(bool isTimeBased, int size)
{
    /// <summary>In so much time each caller reports at least once.</summary>
    public static readonly TimeSpan Round = TimeSpan.FromSeconds(1.5);

    private Queue<(CircuitCaller Caller, CallCounts Counts, DateTimeOffset At)> _reports = [];
    private int _gone; // reports among them of callers that left

    /// <summary>All calls in it.</summary>
    public CallCounts Sum { get; private set; }

    /// <summary>Reports that are kept.</summary>
    public int Length => _reports.Count;

    /// <summary>Whether it is of that kind and size.</summary>
    public bool Is(bool timeBased, int ofSize) => timeBased == isTimeBased && ofSize == size;

    /// <summary>Adds what a caller reported.</summary>
    public void Add(CircuitCaller caller, CallCounts counts, DateTimeOffset now)
    {
        if (counts.Calls > 0)
        {
            _reports.Enqueue((caller, counts, now));
            caller.InWindow += counts;
            caller.ReportsInWindow++;
            Sum += counts;
        }
    }

    /// <summary>Takes out what is too old.</summary>
    public void Advance(DateTimeOffset now)
    {
        while (_reports.TryPeek(out var oldest) && (oldest.Caller.IsGone || IsTooOld(oldest.Counts, now - oldest.At)))
        {
            _reports.Dequeue();
            if (oldest.Caller.IsGone)
            {
                _gone--;
                continue;
            }

            oldest.Caller.InWindow -= oldest.Counts;
            oldest.Caller.ReportsInWindow--;
            Sum -= oldest.Counts;
        }
    }

    /// <summary>Takes a caller out, for good.</summary>
    public void Remove(CircuitCaller caller)
    {
        Sum -= caller.InWindow;
        (caller.InWindow, caller.IsGone, _gone) = (default, true, _gone + caller.ReportsInWindow);
        if (_gone > _reports.Count / 2) // behind one that is young enough to stay they would wait for ever
        {
            _reports = new(_reports.Where(static r => !r.Caller.IsGone));
            _gone = 0;
        }
    }

    /// <summary>Takes everything out.</summary>
    public void Clear()
    {
        foreach (var report in _reports)
        {
            (report.Caller.InWindow, report.Caller.ReportsInWindow) = (default, 0);
        }

        _reports.Clear();
        (Sum, _gone) = (default, 0);
    }

    private bool IsTooOld(CallCounts counts, TimeSpan age) =>
        isTimeBased ? age >= TimeSpan.FromSeconds(size) : age >= Round && Sum.Calls - counts.Calls >= size;
}
