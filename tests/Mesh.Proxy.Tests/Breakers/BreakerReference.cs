using Mesh.Proxy.Breakers;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Tests.Breakers;

/// <summary>A breaker as simple as can be: all calls of the present state in a list, counted anew each time.</summary>
internal sealed class BreakerReference(BreakerConfig config, long frequency)
{
    private readonly List<(long At, bool Failed, bool Slow)> _calls = [];
    private int _number = 1; // of the state
    private int _out; // permits of a trial that are out or used
    private int _openings;
    private long _since;

    /// <summary>Thresholds, windows and waits of every kind, all short.</summary>
    public static BreakerConfig RandomConfig(Random random) => new()
    {
        IsTimeBased = random.Next(2) == 0,
        WindowSize = random.Next(1, 12),
        MinimumCalls = random.Next(1, 15),
        FailureRate = random.Next(1, 101),
        SlowRate = random.Next(1, 101),
        SlowCall = TimeSpan.FromMilliseconds(100),
        OpenTime = TimeSpan.FromMilliseconds(random.Next(1, 4000)),
        OpenTimeGrowth = 1 + random.Next(3),
        LongestOpenTime = TimeSpan.FromSeconds(8),
        TrialCalls = random.Next(1, 6),
        LongestTrial = random.Next(2) == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(2),
    };

    public BreakerState State { get; private set; }

    /// <summary>When time alone changes it; the greatest number for never.</summary>
    public long DueAt => State == BreakerState.Open ? _since + (long)OpenTime()
        : State == BreakerState.HalfOpen && config.LongestTrial > TimeSpan.Zero ? _since + (long)(config.LongestTrial.TotalSeconds * frequency) : long.MaxValue;

    public BreakerFigures Figures(long now)
    {
        IEnumerable<(long At, bool Failed, bool Slow)> seen = State == BreakerState.HalfOpen ? _calls.TakeLast(config.TrialCalls)
            : config.IsTimeBased ? _calls.Where(c => (now / frequency) - (c.At / frequency) < config.WindowSize) : _calls.TakeLast(config.WindowSize);
        (long, bool Failed, bool Slow)[] all = [.. seen];
        return new BreakerFigures(all.Length, all.Count(static c => c.Failed), all.Count(static c => c.Slow));
    }

    /// <summary>What time alone changes.</summary>
    public void Age(long now)
    {
        if (State == BreakerState.Open && now - _since >= OpenTime())
        {
            Enter(BreakerState.HalfOpen, now);
        }
        else if (State == BreakerState.HalfOpen && config.LongestTrial > TimeSpan.Zero && now - _since >= config.LongestTrial.TotalMilliseconds * frequency / 1000)
        {
            Enter(BreakerState.Open, now);
        }
    }

    /// <summary>Whether a call would pass.</summary>
    public bool Passes => State == BreakerState.Closed || (State == BreakerState.HalfOpen && _out < config.TrialCalls);

    public bool TryEnter(long now, out int ticket)
    {
        Age(now);
        ticket = _number;
        bool passes = Passes;
        _out += passes ? 1 : 0;
        return passes;
    }

    public void Leave(int ticket, BreakerOutcome outcome, TimeSpan time, long now)
    {
        if (ticket != _number)
        {
            return;
        }

        if (outcome == BreakerOutcome.Ignored)
        {
            _out--;
            return;
        }

        _calls.Add((now, outcome == BreakerOutcome.Failure, time > config.SlowCall));
        bool onTrial = State == BreakerState.HalfOpen;
        int minimum = onTrial ? Math.Min(config.MinimumCalls, config.TrialCalls) : config.IsTimeBased ? config.MinimumCalls : Math.Min(config.MinimumCalls, config.WindowSize);
        BreakerFigures figures = Figures(now);
        if (figures.Calls >= minimum)
        {
            bool isBad = 100.0 * figures.Failures / figures.Calls >= config.FailureRate || 100.0 * figures.Slow / figures.Calls >= config.SlowRate;
            if (isBad || onTrial)
            {
                Enter(isBad ? BreakerState.Open : BreakerState.Closed, now);
            }
        }
    }

    private double OpenTime() => frequency / 1000.0 * Math.Min(
        config.OpenTime.TotalMilliseconds * Math.Pow(config.OpenTimeGrowth, _openings - 1), Math.Max(config.OpenTime.TotalMilliseconds, config.LongestOpenTime.TotalMilliseconds));

    private void Enter(BreakerState next, long now)
    {
        _openings = next == BreakerState.Open ? _openings + 1 : next == BreakerState.Closed ? 0 : _openings;
        (State, _since, _out) = (next, now, 0);
        _number++;
        _calls.Clear();
    }
}
