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
    private bool _isWaiting;

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
        Volatile.Write(ref _isWaiting, true);
        _timer ??= time.CreateTimer(static p => ((Pause)p!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(delay, Timeout.InfiniteTimeSpan);
        _stop = stop.UnsafeRegister(static p => ((Pause)p!).End(), this);
        return new ValueTask(this, _core.Version);
    }

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
        // A callback of an earlier wait may come late, into the next one: that one still lies ahead.
        if (time.GetTimestamp() + (time.TimestampFrequency / 1000) >= Volatile.Read(ref _dueAt))
        {
            End();
        }
    }

    private void End()
    {
        if (!Interlocked.Exchange(ref _isWaiting, false))
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
