namespace Mesh.Proxy.Breakers;

/// <summary>The calls that a breaker looks back on: the last so many, or those of the last so many seconds. Not thread-safe.</summary>
internal abstract class OutcomeWindow
{
    private int _calls;
    private int _failures;
    private int _slow;

    /// <summary>What is in the window, as of the last call or <see cref="Advance"/>.</summary>
    public BreakerFigures Figures => new(_calls, _failures, _slow);

    /// <summary>A window of that kind and size.</summary>
    public static OutcomeWindow Create(bool isTimeBased, int size) => isTimeBased ? new TimeWindow(size) : new CountWindow(size);

    /// <summary>Counts a call at that second.</summary>
    public abstract void Add(bool isFailure, bool isSlow, long second);

    /// <summary>Lets go of what is too old at that second.</summary>
    public virtual void Advance(long second)
    {
    }

    private void Count(int calls, int failures, int slow)
    {
        _calls += calls;
        _failures += failures;
        _slow += slow;
    }

    private sealed class CountWindow(int size) : OutcomeWindow
    {
        private const byte Failed = 1;
        private const byte Late = 2;
        private readonly byte[] _ring = new byte[size];
        private int _next;

        public override void Add(bool isFailure, bool isSlow, long second)
        {
            byte gone = _calls == _ring.Length ? _ring[_next] : (byte)0;
            int calls = _calls == _ring.Length ? 0 : 1;
            _ring[_next] = (byte)((isFailure ? Failed : 0) | (isSlow ? Late : 0));
            _next = (_next + 1) % _ring.Length;
            Count(calls, (isFailure ? 1 : 0) - (gone & Failed), (isSlow ? 1 : 0) - ((gone & Late) >> 1));
        }
    }

    private sealed class TimeWindow(int size) : OutcomeWindow
    {
        private readonly BreakerFigures[] _seconds = new BreakerFigures[size];
        private long _now = long.MinValue;

        public override void Add(bool isFailure, bool isSlow, long second)
        {
            Advance(second);
            ref BreakerFigures bucket = ref _seconds[_now % _seconds.Length];
            bucket = new BreakerFigures(bucket.Calls + 1, bucket.Failures + (isFailure ? 1 : 0), bucket.Slow + (isSlow ? 1 : 0));
            Count(1, isFailure ? 1 : 0, isSlow ? 1 : 0);
        }

        public override void Advance(long second)
        {
            if (second <= _now)
            {
                return; // a call that began later may end earlier
            }

            long steps = _now == long.MinValue ? 0 : Math.Min(second - _now, _seconds.Length);
            for (long old = second - steps + 1; old <= second; old++)
            {
                ref BreakerFigures bucket = ref _seconds[old % _seconds.Length];
                Count(-bucket.Calls, -bucket.Failures, -bucket.Slow);
                bucket = default;
            }

            _now = second;
        }
    }
}
