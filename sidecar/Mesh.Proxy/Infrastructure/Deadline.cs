namespace Mesh.Proxy.Infrastructure;

/// <summary>
/// A deadline that moves often and passes rarely, such as the idle timeout of a connection: moving it costs a clock read and a field write. Its one timer is
/// armed for the earliest time that may be meant, looks at the field when it fires, and is armed anew if the deadline has moved on. It passes once, for ever:
/// whoever is told that it has not passed can rely on it that the callback will not run for that wait. One owner moves it; the timer runs on any thread.
/// </summary>
internal sealed class Deadline : IDisposable
{
    private const long Never = long.MaxValue;
    private const long Passed = long.MinValue;
    private static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);

    private readonly TimeProvider _time;
    private readonly Action<object> _onPassed;
    private readonly object _state;
    private readonly Lock _arming = new();
    private ITimer? _timer;
    private TimeSpan _length;
    private long _dueAt = Never;
    private long _armedFor = Never;
    private bool _isDisposed;

    /// <summary>A deadline that is not set.</summary>
    /// <param name="time">Clock.</param>
    /// <param name="onPassed">Called once, on the timer's thread, with <paramref name="state"/>. Must not block or throw.</param>
    /// <param name="state">For <paramref name="onPassed"/>.</param>
    public Deadline(TimeProvider time, Action<object> onPassed, object state)
    {
        _time = time;
        _onPassed = onPassed;
        _state = state;
    }

    /// <summary>True from the moment in which it was too late to move it.</summary>
    public bool HasPassed => Volatile.Read(ref _dueAt) == Passed;

    /// <summary>Sets it to <paramref name="after"/> from now, zero takes it away; false when it has passed already.</summary>
    public bool Set(TimeSpan after) => Set(after, _time.GetTimestamp());

    /// <summary>The same for one who has just looked at the clock.</summary>
    public bool Set(TimeSpan after, long now)
    {
        _length = after;
        return Move(after > TimeSpan.Zero ? Later(now, after) : Never);
    }

    /// <summary>Sets it to a timestamp, <see cref="long.MaxValue"/> takes it away; false when it has passed already.</summary>
    public bool SetAt(long dueAt)
    {
        _length = TimeSpan.Zero;
        return Move(dueAt);
    }

    /// <summary>Something went on: the last Set counts from now. False when it has passed already.</summary>
    public bool Touch() => Touch(_time.GetTimestamp());

    /// <summary>The same for one who has just looked at the clock.</summary>
    public bool Touch(long now) => _length > TimeSpan.Zero ? Move(Later(now, _length)) : !HasPassed;

    /// <summary>Takes it away; false when it has passed already.</summary>
    public bool Clear()
    {
        _length = TimeSpan.Zero;
        return Move(Never);
    }

    /// <summary>Stops the timer; a callback under way may still run.</summary>
    public void Dispose()
    {
        lock (_arming)
        {
            _isDisposed = true;
            _timer?.Dispose();
        }
    }

    private long Later(long now, TimeSpan delay)
    {
        double ticks = delay.TotalSeconds * _time.TimestampFrequency;
        return ticks < Never / 4 ? now + (long)ticks : Never;
    }

    private bool Move(long dueAt)
    {
        long old = Volatile.Read(ref _dueAt);
        if (old == Passed || Interlocked.CompareExchange(ref _dueAt, dueAt, old) != old)
        {
            return false; // only the timer can have come between, and it writes nothing but Passed
        }

        if (dueAt < Volatile.Read(ref _armedFor))
        {
            Arm();
        }

        return true;
    }

    // Under the lock the two fields are read again, so that of the owner and the timer the last one to come arms for what is true.
    private void Arm()
    {
        lock (_arming)
        {
            long dueAt = Volatile.Read(ref _dueAt);
            if (_isDisposed || dueAt >= _armedFor || dueAt == Passed)
            {
                return;
            }

            Volatile.Write(ref _armedFor, dueAt);
            // Rounded up to whole milliseconds: timers cut fractions off and would fire just before it is due.
            double left = Math.Ceiling(_time.GetElapsedTime(_time.GetTimestamp(), dueAt).TotalMilliseconds);
            TimeSpan delay = TimeSpan.FromMilliseconds(Math.Clamp(left, Resolution.TotalMilliseconds, int.MaxValue));
            _timer ??= _time.CreateTimer(static d => ((Deadline)d!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(delay, Timeout.InfiniteTimeSpan);
        }
    }

    private void OnTimer()
    {
        Interlocked.Exchange(ref _armedFor, Never); // before the look at the deadline: whoever moves it from here on arms again
        long dueAt = Volatile.Read(ref _dueAt);
        if (dueAt is Passed or Never)
        {
            return;
        }

        if (dueAt > _time.GetTimestamp())
        {
            Arm();
        }
        else if (Interlocked.CompareExchange(ref _dueAt, Passed, dueAt) == dueAt)
        {
            _onPassed(_state);
        }
        else
        {
            Arm(); // moved at this very moment
        }
    }
}
