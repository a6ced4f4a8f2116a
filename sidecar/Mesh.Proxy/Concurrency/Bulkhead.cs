using System.IO.Pipelines;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Concurrency;

/// <summary>
/// Counts the calls under way to one upstream and lets no more in than the limit: who finds no place is refused, or waits in line, first come, first served. As long as
/// nobody waits, entering and leaving are one interlocked step each. Time is an argument. Thread-safe; nobody is called under its lock but timers.
/// </summary>
internal sealed class Bulkhead
{
    private const int WaitingBits = 32;
    private const long OneWaiting = 1L << WaitingBits;

    private readonly Lock _gate = new();
    private readonly long _frequency;
    private volatile ConcurrencyConfig _config;
    private volatile int _limit;
    private volatile AdaptiveLimit? _adaptive; // itself guarded by the lock
    private long _count; // calls under way, and above them calls that wait: one word, so that who comes or goes sees both. Those that wait change under the lock alone.
    private WaitingPlace? _first;
    private WaitingPlace? _last;

    /// <summary>An empty bulkhead.</summary>
    /// <param name="config">Its rule.</param>
    /// <param name="frequency">Timestamps a second.</param>
    /// <param name="now">Timestamp.</param>
    public Bulkhead(ConcurrencyConfig config, long frequency, long now)
    {
        (_config, _frequency, _limit) = (config, frequency, config.MaxCalls);
        Adapt(config, now);
    }

    /// <summary>Rule in force.</summary>
    public ConcurrencyConfig Config => _config;

    /// <summary>Most calls at one time, now.</summary>
    public int Limit => _limit;

    /// <summary>Calls under way.</summary>
    public int Active => (int)(uint)Volatile.Read(ref _count);

    /// <summary>Calls that wait.</summary>
    public int Waiting => (int)(Volatile.Read(ref _count) >> WaitingBits);

    /// <summary>Whether it wants to be told how long answers take.</summary>
    public bool IsAdaptive => _adaptive is not null;

    /// <summary>Whether a call without a place may wait for one.</summary>
    public bool LetsWait => _config is { MaxQueue: > 0, IsShadow: false } config && config.MaxWait > TimeSpan.Zero;

    /// <summary>The latest changes of an adaptive limit, oldest first.</summary>
    public IReadOnlyList<LimitChange> Changes
    {
        get
        {
            lock (_gate)
            {
                return _adaptive is { } adaptive ? [.. adaptive.Changes] : [];
            }
        }
    }

    /// <summary>Takes a place if one is free and nobody waits; <see cref="Leave"/> gives it back.</summary>
    public bool TryEnter()
    {
        long count = Volatile.Read(ref _count);
        while (count < _limit) // one who waits makes it greater than any limit
        {
            long seen = Interlocked.CompareExchange(ref _count, count + 1, count);
            if (seen == count)
            {
                return true;
            }

            count = seen;
        }

        return false;
    }

    /// <summary>Takes a place, or stands in line for one.</summary>
    /// <param name="place">Where the call may wait; null when it may not. After <see cref="BulkheadAnswer.Waits"/> its owner ends the wait by <see cref="EndWait"/>, once.</param>
    public BulkheadVerdict Join(WaitingPlace? place)
    {
        lock (_gate)
        {
            while (!TryEnter())
            {
                ConcurrencyConfig config = _config;
                long count = Volatile.Read(ref _count);
                if (count < _limit)
                {
                    continue; // somebody has left meanwhile
                }

                if (place is null || config.IsShadow) // who may have asked just before the rule became one in shadow mode does not wait
                {
                    return new BulkheadVerdict(BulkheadAnswer.Refused, config.LimitField, _limit, (uint)count);
                }

                if (count >> WaitingBits >= config.MaxQueue)
                {
                    return new BulkheadVerdict(BulkheadAnswer.Refused, "concurrency.maxQueue", config.MaxQueue, count >> WaitingBits);
                }

                if (Interlocked.CompareExchange(ref _count, count + OneWaiting, count) == count)
                {
                    AppendLocked(place);
                    return new BulkheadVerdict(BulkheadAnswer.Waits);
                }
            }

            return default;
        }
    }

    /// <summary>Waits in <paramref name="place"/>, on an event loop, until the call's turn comes, <paramref name="longest"/> is over, or <paramref name="stop"/> or somebody ends it.</summary>
    public ValueTask WaitAsync(WaitingPlace place, TimeSpan longest, PipeScheduler? loop, CancellationToken stop)
    {
        lock (_gate) // who calls it in must find the wait begun, or not yet
        {
            return place.IsCalled ? default : place.Pause.WaitAsync(longest, loop, stop);
        }
    }

    /// <summary>The wait is over: true when the call has a place, which <see cref="Leave"/> gives back; else it has left the line.</summary>
    public bool EndWait(WaitingPlace place)
    {
        lock (_gate)
        {
            if (place.IsCalled)
            {
                return true;
            }

            RemoveLocked(place);
            Interlocked.Add(ref _count, -OneWaiting);
            return false;
        }
    }

    /// <summary>Gives a place back, to who has waited for longest if anybody does.</summary>
    public void Leave()
    {
        long count = Volatile.Read(ref _count);
        while (count < OneWaiting)
        {
            long seen = Interlocked.CompareExchange(ref _count, count - 1, count);
            if (seen == count)
            {
                return;
            }

            count = seen;
        }

        Interlocked.Decrement(ref _count);
        CallIn();
    }

    /// <summary>An answer has begun, or was given up: an adaptive limit learns from it. Null when nothing changes.</summary>
    /// <param name="startedAt">When the upstream had its request, as a timestamp.</param>
    /// <param name="now">Timestamp.</param>
    public LimitChange? Learn(long startedAt, long now)
    {
        LimitChange? change;
        lock (_gate)
        {
            change = _adaptive?.Add(startedAt, now, Active);
            _limit = change?.To ?? _limit;
        }

        if (change is not null)
        {
            CallIn();
        }

        return change;
    }

    /// <summary>A call finds no place: an adaptive limit that was cut for a trial which nothing answers goes back. Null when nothing changes.</summary>
    /// <param name="now">Timestamp.</param>
    public LimitChange? Relieve(long now)
    {
        LimitChange? change;
        lock (_gate)
        {
            change = _adaptive?.Crowded(now, Active);
            _limit = change?.To ?? _limit;
        }

        if (change is not null)
        {
            CallIn();
        }

        return change;
    }

    /// <summary>Puts another rule in force; null lifts the limit, and one in shadow mode lets in who waits. What is counted stays, and so does a limit that has adapted, within its bounds.</summary>
    public void Update(ConcurrencyConfig? next, long now)
    {
        lock (_gate)
        {
            if (next is null)
            {
                (_limit, _adaptive) = (int.MaxValue, null);
            }
            else
            {
                _config = next;
                Adapt(next, now);
            }
        }

        CallIn(isForAll: next is { IsShadow: true });
    }

    private void Adapt(ConcurrencyConfig config, long now)
    {
        if (config.Adaptive is null || _adaptive?.Config != config.Adaptive)
        {
            int first = _adaptive is null ? config.MaxCalls : _limit;
            _adaptive = config.Adaptive is { } bounds ? new AdaptiveLimit(bounds, first, _frequency, now) : null;
            _limit = _adaptive?.Limit ?? config.MaxCalls;
        }
    }

    private void CallIn(bool isForAll = false)
    {
        while (Next(isForAll) is { } place)
        {
            place.Pause.End(); // outside the lock
        }
    }

    private WaitingPlace? Next(bool isForAll)
    {
        lock (_gate)
        {
            while (_first is { } first)
            {
                long count = Volatile.Read(ref _count);
                if (!isForAll && (uint)count >= _limit)
                {
                    return null;
                }

                if (Interlocked.CompareExchange(ref _count, count + 1 - OneWaiting, count) == count)
                {
                    RemoveLocked(first);
                    first.IsCalled = true;
                    return first;
                }
            }

            return null;
        }
    }

    private void AppendLocked(WaitingPlace place)
    {
        (place.IsCalled, place.Before, place.Behind) = (false, _last, null);
        _first ??= place;
        if (_last is not null)
        {
            _last.Behind = place;
        }

        _last = place;
    }

    private void RemoveLocked(WaitingPlace place)
    {
        (WaitingPlace? before, WaitingPlace? behind) = (place.Before, place.Behind);
        _first = before is null ? behind : _first;
        _last = behind is null ? before : _last;
        if (before is not null)
        {
            before.Behind = behind;
        }

        if (behind is not null)
        {
            behind.Before = before;
        }

        (place.Before, place.Behind) = (null, null);
    }
}
