using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Mesh.Proxy.Infrastructure;

/// <summary>
/// A wait for time to go by, on an event loop: whoever awaits it goes on there, when the time is over or a token ends it. Its timer is made once. One wait at a time,
/// awaited once.
/// </summary>
internal sealed class Pause(TimeProvider time) : IValueTaskSource
{
    private static readonly Action<object?> DeliverIt = static p => ((Pause)p!)._core.SetResult(true);

    private ManualResetValueTaskSourceCore<bool> _core;
    private CancellationTokenRegistration _stop;
    private PipeScheduler? _loop;
    private ITimer? _timer;
    private long _dueAt;
    private long _last; // number of the latest wait
    private long _waiting; // that number while the wait goes on, else 0: a timer that comes late can only end the wait it has looked at

    /// <summary>Waits.</summary>
    /// <param name="length">How long; rounded up to whole milliseconds.</param>
    /// <param name="loop">Where the caller goes on; null for any thread.</param>
    /// <param name="stop">Ends it early.</param>
    public ValueTask WaitAsync(TimeSpan length, PipeScheduler? loop, CancellationToken stop)
    {
        _core.Reset();
        _core.RunContinuationsAsynchronously = loop is null;
        _loop = loop;
        TimeSpan delay = TimeSpan.FromMilliseconds(Math.Clamp(Math.Ceiling(length.TotalMilliseconds), 1, int.MaxValue));
        Volatile.Write(ref _dueAt, time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency));
        Volatile.Write(ref _waiting, ++_last);
        _timer ??= time.CreateTimer(static p => ((Pause)p!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(delay, Timeout.InfiniteTimeSpan);
        // Gone before the next wait begins, so it is always about the wait that goes on.
        _stop = stop.UnsafeRegister(static p => ((Pause)p!).End(), this);
        return new ValueTask(this, _core.Version);
    }

    /// <summary>
    /// Moves the end of the wait that goes on; nothing happens without one. Any thread, as long as no other wait begins meanwhile: whoever moves it sees to that.
    /// </summary>
    /// <param name="dueAt">Timestamp.</param>
    public void MoveTo(long dueAt)
    {
        if (Volatile.Read(ref _waiting) != 0)
        {
            Volatile.Write(ref _dueAt, dueAt);
            double left = Math.Ceiling(time.GetElapsedTime(time.GetTimestamp(), dueAt).TotalMilliseconds);
            _timer!.Change(TimeSpan.FromMilliseconds(Math.Clamp(left, 1, int.MaxValue)), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Ends the wait that goes on, if there is one. Any thread.</summary>
    public void End() => End(Volatile.Read(ref _waiting));

    void IValueTaskSource.GetResult(short token)
    {
        _core.GetResult(token);
        _stop.Dispose();
        _timer!.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private void OnTimer()
    {
        // Timers go by a coarser clock and may come some milliseconds early; and one of an earlier wait may come late, into the next one.
        long wait;
        while ((wait = Volatile.Read(ref _waiting)) != 0)
        {
            long dueAt = Volatile.Read(ref _dueAt);
            TimeSpan left = time.GetElapsedTime(time.GetTimestamp(), dueAt);
            if (left <= TimeSpan.Zero)
            {
                End(wait);
                return;
            }

            _timer!.Change(TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)), Timeout.InfiniteTimeSpan);
            if (Volatile.Read(ref _waiting) == wait && Volatile.Read(ref _dueAt) == dueAt)
            {
                return; // else this may have moved the timer of a later wait, or back to an earlier due time: look again
            }
        }
    }

    private void End(long wait)
    {
        if (wait == 0 || Interlocked.CompareExchange(ref _waiting, 0, wait) != wait)
        {
            return;
        }

        if (_loop is null)
        {
            DeliverIt(this);
        }
        else
        {
            _loop.Schedule(DeliverIt, this);
        }
    }
}
