namespace Mesh.Proxy.Infrastructure;

/// <summary>Something that wants to be called at a time it names itself: a sweep, an idle check. Belongs to one <see cref="Ticker"/>.</summary>
internal sealed class TickEntry(Action onTick)
{
    /// <summary>Timestamp of the next call; <see cref="long.MaxValue"/> when none is wanted. Guarded by the ticker.</summary>
    internal long DueAt { get; set; } = long.MaxValue;

    internal void Call() => onTick();
}

/// <summary>
/// The one timer of the process for slow work (sweeps, idle and maximum-age checks). Armed for the earliest due entry only, so an idle
/// sidecar does not wake up. Thread-safe; entries are called outside the lock, on the timer's thread.
/// </summary>
internal sealed class Ticker : IDisposable
{
    private static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);

    private readonly TimeProvider _time;
    private readonly BackgroundWork _background;
    private readonly Lock _gate = new();
    private readonly PriorityQueue<TickEntry, long> _queue = new();
    private readonly ITimer _timer;

    public Ticker(TimeProvider time, BackgroundWork background)
    {
        _time = time;
        _background = background;
        _timer = time.CreateTimer(static s => ((Ticker)s!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Calls <paramref name="entry"/> at <paramref name="dueAt"/> or earlier if it is already due earlier. One call uses it up.</summary>
    public void ScheduleNoLaterThan(TickEntry entry, long dueAt)
    {
        lock (_gate)
        {
            if (dueAt >= entry.DueAt)
            {
                return;
            }

            entry.DueAt = dueAt;
            _queue.Enqueue(entry, dueAt); // the later place of an entry that moved forward is skipped when its turn comes
            if (_queue.Peek() == entry)
            {
                ArmLocked(dueAt);
            }
        }
    }

    /// <summary>Stops all calls.</summary>
    public void Dispose() => _timer.Dispose();

    private void OnTimer()
    {
        while (TryTakeDue() is { } entry)
        {
            _background.Guard("tick", static e => e.Call(), entry);
        }
    }

    private TickEntry? TryTakeDue()
    {
        lock (_gate)
        {
            while (_queue.TryPeek(out TickEntry? entry, out long dueAt))
            {
                if (entry.DueAt != dueAt)
                {
                    _queue.Dequeue();
                    continue;
                }

                if (dueAt > _time.GetTimestamp())
                {
                    ArmLocked(dueAt);
                    return null;
                }

                _queue.Dequeue();
                entry.DueAt = long.MaxValue;
                return entry;
            }

            return null;
        }
    }

    private void ArmLocked(long dueAt)
    {
        // Rounded up to whole milliseconds: timers cut fractions off and would fire just before the entry is due.
        double milliseconds = Math.Ceiling(_time.GetElapsedTime(_time.GetTimestamp(), dueAt).TotalMilliseconds);
        TimeSpan delay = TimeSpan.FromMilliseconds(Math.Min(milliseconds, int.MaxValue));
        _timer.Change(delay > Resolution ? delay : Resolution, Timeout.InfiniteTimeSpan);
    }
}
