using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>The shared circuit against a reference that keeps every report in a list and counts anew each time, over random histories.</summary>
public sealed class SharedCircuitModelTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void RandomHistory_BehavesAsTheReference(int seed)
    {
        Random random = new(seed);
        BreakerConfig config = RandomConfig(random);
        CircuitBench bench = new(config);
        Reference reference = new(config);
        int names = 0;
        long epoch = 0;
        List<string> callers = [];
        for (int step = 0; step < 2000; step++)
        {
            string where = $"seed {seed}, step {step}, {config}";
            bench.Wait(random.Next(300) / 1000.0);
            int what = callers.Count == 0 ? 0 : random.Next(40);
            string id = what == 0 ? $"n{names++}" : callers[random.Next(callers.Count)];
            if (what == 1)
            {
                callers.Remove(id);
                bench.Leave(id);
                reference.Leave(id, bench.Now);
            }
            else
            {
                if (what == 0)
                {
                    callers.Add(id);
                }

                Report(bench, reference, random, id);
            }

            Assert.True(reference.State == bench.Circuit.State, $"{reference.State} and {bench.Circuit.State}: {where}");
            Assert.True(reference.Sick == bench.Circuit.Sick?.Id, $"sick {reference.Sick} and {bench.Circuit.Sick?.Id}: {where}");
            Assert.Equal(reference.Sum(bench.Now), bench.Circuit.Calls);
            Assert.True(bench.Circuit.Epoch >= epoch, where);
            epoch = bench.Circuit.Epoch;
            if (bench.Circuit.State == CircuitState.HalfOpen && callers.Count > 0)
            {
                long granted = bench.Circuit.Callers.Sum(static c => (long)c.Quota) + reference.GoneTrials;
                Assert.True(granted <= config.TrialCalls, $"{granted} calls on trial: {where}");
                Assert.True(bench.Circuit.Callers.Any(static c => c.IsProber) || bench.Circuit.Calls.Calls == config.TrialCalls, $"nobody tries: {where}");
            }
        }
    }

    private static void Report(CircuitBench bench, Reference reference, Random random, string id)
    {
        CircuitCaller? prober = bench.Circuit.State == CircuitState.HalfOpen ? bench.Circuit.Callers.FirstOrDefault(c => c.Reporter.Id == id && c.Unused > 0) : null;
        if (prober is not null)
        {
            int trials = random.Next(prober.Unused + 1);
            int underWay = random.Next(prober.Unused - trials + 1);
            int failed = random.Next(3) == 0 ? trials : 0;
            reference.Trials(id, new CallCounts(trials, failed, 0), bench.Now);
            bench.Try(id, trials, failed, underWay: underWay);
        }
        else
        {
            int calls = random.Next(12);
            int failures = random.Next(3) == 0 ? calls : random.Next(calls + 1) / 4;
            int slow = random.Next(calls + 1) / 3;
            reference.Calls(id, new CallCounts(calls, failures, slow), bench.Now);
            bench.Loads[id] = random.Next(50);
            bench.Report(id, calls, failures, slow, refused: random.Next(3) == 0 ? 2 : 0);
        }
    }

    private static BreakerConfig RandomConfig(Random random) => CircuitBench.Config with
    {
        IsTimeBased = random.Next(2) == 0,
        WindowSize = random.Next(1, 40),
        MinimumCalls = random.Next(1, 30),
        FailureRate = random.Next(20, 101),
        SlowRate = random.Next(20, 101),
        OpenTime = TimeSpan.FromMilliseconds(random.Next(100, 4000)),
        OpenTimeGrowth = 1 + random.Next(3),
        LongestOpenTime = TimeSpan.FromSeconds(8),
        TrialCalls = random.Next(1, 6),
        Probers = (BreakerProbers)random.Next(Enum.GetValues<BreakerProbers>().Length),
        LongestTrial = random.Next(2) == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(2),
    };

    /// <summary>As simple as can be: all reports of the present state in a list, each caller's last one in a dictionary.</summary>
    private sealed class Reference(BreakerConfig config)
    {
        private readonly List<(string Id, CallCounts Counts, DateTimeOffset At)> _reports = [];
        private readonly Dictionary<string, DateTimeOffset> _heard = [];
        private readonly Dictionary<string, CallCounts> _trials = [];
        private CallCounts _gone;
        private DateTimeOffset _since = DateTimeOffset.MinValue;
        private DateTimeOffset? _suspected;
        private int _openings;
        private bool _hasNews;

        public CircuitState State { get; private set; }

        public string? Sick { get; private set; }

        public long GoneTrials => _gone.Calls;

        public CallCounts Sum(DateTimeOffset now)
        {
            return State == CircuitState.HalfOpen ? Total(_trials.Values) + _gone : Total(Window(now).Select(static r => r.Counts));
        }

        public void Calls(string id, CallCounts counts, DateTimeOffset now)
        {
            bool isFirst = !_heard.ContainsKey(id);
            _heard[id] = now;
            if (State == CircuitState.Closed && !isFirst && counts.Calls > 0)
            {
                _reports.Add((id, counts, now));
                _hasNews = true;
            }

            Judge(now);
        }

        public void Trials(string id, CallCounts counts, DateTimeOffset now)
        {
            _heard[id] = now;
            _trials[id] = _trials.GetValueOrDefault(id) + counts;
            Judge(now);
        }

        public void Leave(string id, DateTimeOffset now)
        {
            Window(now); // what has left the window by now
            _heard.Remove(id);
            _reports.RemoveAll(r => r.Id == id);
            Sick = Sick == id ? null : Sick;
            if (_trials.Remove(id, out CallCounts trials))
            {
                _gone += trials;
            }
        }

        // By count, what is out stays out, though a caller that leaves makes room.
        private List<(string Id, CallCounts Counts, DateTimeOffset At)> Window(DateTimeOffset now)
        {
            if (config.IsTimeBased)
            {
                return [.. _reports.Where(r => now - r.At < TimeSpan.FromSeconds(config.WindowSize))];
            }

            while (_reports.Count > 0 && now - _reports[0].At >= SharedWindow.Round && _reports.Skip(1).Sum(static r => r.Counts.Calls) >= config.WindowSize)
            {
                _reports.RemoveAt(0);
            }

            return _reports;
        }

        private void Judge(DateTimeOffset now)
        {
            if (_since == DateTimeOffset.MinValue)
            {
                _since = now;
            }

            Window(now);
            if (now - _since < TimeSpan.FromSeconds(1))
            {
                return;
            }

            switch (State)
            {
                case CircuitState.Closed:
                    JudgeCalls(now);
                    break;
                case CircuitState.Open when (now - _since).TotalSeconds >= Math.Min(
                    config.OpenTime.TotalSeconds * Math.Pow(config.OpenTimeGrowth, _openings - 1), Math.Max(config.OpenTime.TotalSeconds, config.LongestOpenTime.TotalSeconds)):
                    Enter(CircuitState.HalfOpen, now);
                    break;
                case CircuitState.HalfOpen:
                    CallCounts trials = Sum(now);
                    if (trials.Calls >= Math.Min(config.MinimumCalls, config.TrialCalls))
                    {
                        Enter(trials.FailureRate >= config.FailureRate || trials.SlowRate >= config.SlowRate ? CircuitState.Open : CircuitState.Closed, now);
                    }
                    else if (config.LongestTrial > TimeSpan.Zero && now - _since >= config.LongestTrial)
                    {
                        Enter(CircuitState.Open, now);
                    }

                    break;
            }
        }

        private void JudgeCalls(DateTimeOffset now)
        {
            bool hasNews = _hasNews;
            _hasNews = false;
            (bool Passes, bool Hinges, string? Sick) failures = Blame(now, static c => c.Failures, config.FailureRate);
            (bool Passes, bool Hinges, string? Sick) slow = Blame(now, static c => c.Slow, config.SlowRate);
            (bool Passes, bool Hinges, string? Sick)? opens = failures is { Passes: true, Sick: null } ? failures : slow is { Passes: true, Sick: null } ? slow : null;
            if (opens is null)
            {
                (Sick, _suspected) = (failures.Sick ?? slow.Sick, null);
                return;
            }

            Sick = null;
            if (!hasNews && _suspected is null)
            {
                return;
            }

            _suspected ??= now;
            if (!opens.Value.Hinges || now - _suspected >= SharedCircuit.Confirmation || _heard.Values.All(at => at >= _suspected))
            {
                Enter(CircuitState.Open, now);
            }
        }

        private (bool Passes, bool Hinges, string? Sick) Blame(DateTimeOffset now, Func<CallCounts, long> bad, double limit)
        {
            int minimum = config.IsTimeBased ? config.MinimumCalls : Math.Min(config.MinimumCalls, config.WindowSize);
            List<(string Id, CallCounts Counts, DateTimeOffset At)> window = Window(now);
            Dictionary<string, CallCounts> by = window.GroupBy(static r => r.Id).ToDictionary(static g => g.Key, static g => Total(g.Select(static r => r.Counts)));
            CallCounts all = Total(by.Values);
            bool Reaches(CallCounts c) => c.Calls >= minimum && bad(c) > 0 && 100.0 * bad(c) / c.Calls >= limit;
            if (bad(all) == 0 || _heard.Count < 3)
            {
                return (bad(all) > 0 && Reaches(all), false, null);
            }

            string worst = _heard.Keys.OrderByDescending(id => bad(by.GetValueOrDefault(id))).ThenBy(static id => id, StringComparer.Ordinal).First();
            CallCounts own = by.GetValueOrDefault(worst);
            CallCounts others = all - own;
            bool areWell = others.Calls >= minimum && (others.Calls == 0 ? 0 : 100.0 * bad(others) / others.Calls) < limit / 2 && by.Count(b => b.Key != worst) >= 2;
            bool isIll = Reaches(all) || (own.Calls >= Math.Max(5, minimum / _heard.Count) && 100.0 * bad(own) / own.Calls >= limit);
            return (Reaches(all), Reaches(all) && !Reaches(others), areWell && isIll ? worst : null);
        }

        private static CallCounts Total(IEnumerable<CallCounts> counts) => counts.Aggregate(default(CallCounts), static (sum, c) => sum + c);

        private void Enter(CircuitState next, DateTimeOffset now)
        {
            _openings = next == CircuitState.Open ? _openings + 1 : next == CircuitState.Closed ? 0 : _openings;
            (State, _since, _suspected, Sick, _gone) = (next, now, null, null, default);
            _reports.Clear();
            _trials.Clear();
        }
    }
}
