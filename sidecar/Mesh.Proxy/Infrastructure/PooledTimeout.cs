using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Mesh.Proxy.Infrastructure;

/// <summary>Hands out <see cref="PooledTimeout"/>s on one clock and takes them back. Thread-safe.</summary>
internal sealed class TimeoutPool(TimeProvider time)
{
    private const int MaxIdle = 256;
    private readonly ConcurrentQueue<PooledTimeout> _idle = new();

    /// <summary>A timeout that is not armed; disposing it gives it back.</summary>
    public PooledTimeout Rent() => _idle.TryDequeue(out PooledTimeout? timeout) ? timeout : new PooledTimeout(this, time);

    internal bool TryKeep(PooledTimeout timeout)
    {
        if (_idle.Count >= MaxIdle)
        {
            return false;
        }

        _idle.Enqueue(timeout);
        return true;
    }
}

/// <summary>
/// A deadline as a cancellation token, for one operation at a time: rent, <see cref="Arm"/>, run, dispose. Costs no allocation when it
/// comes from the pool and did not fire. Registrations on <see cref="Token"/> must be gone before it is disposed. Used by one renter.
/// </summary>
internal sealed class PooledTimeout : IDisposable
{
    // The state and, above it, the number of the Arm it belongs to: a callback that comes late can only expire the Arm it has looked at.
    private const long Idle = 0;
    private const long Armed = 1;
    private const long Expired = 2;
    private const long StateMask = 3;
    private const long NextArm = 4;

    private readonly TimeoutPool _pool;
    private readonly TimeProvider _time;

    [SuppressMessage("Usage", "CA2213", Justification = "Has no timer of its own; disposing it could race with a callback that cancels it.")]
    private readonly CancellationTokenSource _source = new();

    private readonly ITimer _timer;
    private long _deadline;
    private long _state;

    internal PooledTimeout(TimeoutPool pool, TimeProvider time)
    {
        _pool = pool;
        _time = time;
        _timer = time.CreateTimer(static s => ((PooledTimeout)s!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Cancelled when the deadline passes or <see cref="Cancel"/> is called.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>True when the deadline passed, which tells it from <see cref="Cancel"/>.</summary>
    public bool HasExpired => (Volatile.Read(ref _state) & StateMask) == Expired;

    /// <summary>Sets the deadline to <paramref name="after"/> from now; replaces an earlier one.</summary>
    public void Arm(TimeSpan after)
    {
        TimeSpan delay = TimeSpan.FromMilliseconds(Math.Clamp(Math.Ceiling(after.TotalMilliseconds), 1, int.MaxValue));
        Volatile.Write(ref _deadline, _time.GetTimestamp() + (long)(delay.TotalSeconds * _time.TimestampFrequency));
        if (TryMove(Armed, NextArm))
        {
            _timer.Change(delay, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Takes the deadline away; false when it has already passed.</summary>
    public bool Disarm()
    {
        _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        return TryMove(Idle, 0);
    }

    /// <summary>Cancels <see cref="Token"/> for another reason than time.</summary>
    public void Cancel() => _source.Cancel();

    /// <summary>Gives it back to the pool, or drops it if it was used up.</summary>
    public void Dispose()
    {
        if (Disarm() && !_source.IsCancellationRequested && _pool.TryKeep(this))
        {
            return;
        }

        _timer.Dispose();
    }

    /// <summary>Goes from idle or armed to <paramref name="next"/>; false when the deadline has passed.</summary>
    private bool TryMove(long next, long step)
    {
        long state = Volatile.Read(ref _state);
        while ((state & StateMask) != Expired)
        {
            long found = Interlocked.CompareExchange(ref _state, ((state & ~StateMask) + step) | next, state);
            if (found == state)
            {
                return true;
            }

            state = found;
        }

        return false;
    }

    private void OnTimer()
    {
        // A callback of an earlier use may arrive late, when somebody else has armed it again; and timers go by a coarser clock and may come some
        // milliseconds early. In both cases the deadline lies ahead.
        long state;
        while (((state = Volatile.Read(ref _state)) & StateMask) == Armed)
        {
            TimeSpan left = _time.GetElapsedTime(_time.GetTimestamp(), Volatile.Read(ref _deadline));
            if (left <= TimeSpan.Zero)
            {
                if (Interlocked.CompareExchange(ref _state, (state & ~StateMask) | Expired, state) == state)
                {
                    _source.Cancel();
                    return;
                }
            }
            else
            {
                _timer.Change(TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)), Timeout.InfiniteTimeSpan);
                if (Volatile.Read(ref _state) == state)
                {
                    return; // else this may have moved the timer of a later Arm: look again
                }
            }
        }
    }
}
