using Mesh.Proxy.Breakers;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Breakers;

/// <summary>The breaker against a reference that keeps every call in a list and counts anew each time, over random histories.</summary>
public sealed class CircuitBreakerModelTests
{
    private const long Frequency = 1000; // milliseconds

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void RandomHistory_BehavesAsTheReference(int seed)
    {
        Random random = new(seed);
        BreakerConfig config = RandomConfig(random);
        CircuitBreaker breaker = new(config, Frequency, 0);
        Reference reference = new(config);
        List<(BreakerPermit Real, int Reference)> running = [];
        long now = 0;
        for (int step = 0; step < 3000; step++)
        {
            string where = $"seed {seed}, step {step}, {config}";
            now += random.Next(4) == 0 ? random.Next(3000) : random.Next(5);
            if (running.Count == 0 || random.Next(5) < 3)
            {
                bool passes = !breaker.TryEnter(now, random, out BreakerPermit permit, out _).IsSet;
                Assert.True(reference.TryEnter(now, out int ticket) == passes, where);
                if (passes)
                {
                    running.Add((permit, ticket));
                }
            }
            else
            {
                int at = random.Next(running.Count);
                BreakerOutcome outcome = random.Next(8) == 0 ? BreakerOutcome.Ignored : random.NextDouble() < 0.45 ? BreakerOutcome.Failure : BreakerOutcome.Success;
                TimeSpan time = TimeSpan.FromMilliseconds(random.Next(200));
                breaker.Leave(running[at].Real, outcome, time, now);
                reference.Leave(running[at].Reference, outcome, time, now);
                running.RemoveAt(at);
            }

            Assert.True(reference.State == breaker.State, $"{reference.State} and {breaker.State}: {where}");
            if (breaker.State is BreakerState.Closed or BreakerState.HalfOpen)
            {
                Assert.Equal(reference.Figures(now), breaker.Figures(now));
            }
        }
    }

    private static BreakerConfig RandomConfig(Random random) => new()
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

    /// <summary>As simple as can be: all calls of the present state in a list.</summary>
    private sealed class Reference(BreakerConfig config)
    {
        private readonly List<(long At, bool Failed, bool Slow)> _calls = [];
        private int _number = 1; // of the state
        private int _out; // permits of a trial that are out or used
        private int _openings;
        private long _since;

        public BreakerState State { get; private set; }

        public BreakerFigures Figures(long now)
        {
            IEnumerable<(long At, bool Failed, bool Slow)> seen = State == BreakerState.HalfOpen ? _calls.TakeLast(config.TrialCalls)
                : config.IsTimeBased ? _calls.Where(c => (now / Frequency) - (c.At / Frequency) < config.WindowSize) : _calls.TakeLast(config.WindowSize);
            (long, bool Failed, bool Slow)[] all = [.. seen];
            return new BreakerFigures(all.Length, all.Count(static c => c.Failed), all.Count(static c => c.Slow));
        }

        public bool TryEnter(long now, out int ticket)
        {
            if (State == BreakerState.Open && now - _since >= OpenTime())
            {
                Enter(BreakerState.HalfOpen, now);
            }
            else if (State == BreakerState.HalfOpen && config.LongestTrial > TimeSpan.Zero && now - _since >= config.LongestTrial.TotalMilliseconds)
            {
                Enter(BreakerState.Open, now);
            }

            ticket = _number;
            bool passes = State == BreakerState.Closed || (State == BreakerState.HalfOpen && _out < config.TrialCalls);
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

        private double OpenTime() => Math.Min(
            config.OpenTime.TotalMilliseconds * Math.Pow(config.OpenTimeGrowth, _openings - 1), Math.Max(config.OpenTime.TotalMilliseconds, config.LongestOpenTime.TotalMilliseconds));

        private void Enter(BreakerState next, long now)
        {
            _openings = next == BreakerState.Open ? _openings + 1 : next == BreakerState.Closed ? 0 : _openings;
            (State, _since, _out) = (next, now, 0);
            _number++;
            _calls.Clear();
        }
    }
}
