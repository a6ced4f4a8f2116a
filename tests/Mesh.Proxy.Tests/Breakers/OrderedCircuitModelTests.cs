using Mesh.Proxy.Breakers;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.Proxy.Tests.Breakers;

/// <summary>A shared circuit against a reference that keeps every order and every call in lists, over random histories of orders, calls and time.</summary>
public sealed class OrderedCircuitModelTests
{
    private const long Frequency = 1000; // milliseconds
    private const string Rule = "CircuitBreaker/default/cb";

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void RandomHistory_BehavesAsTheReference(int seed)
    {
        Random random = new(seed);
        CircuitBreaker breaker = new(new BreakerConfig { IsMesh = true, Rule = Rule, MinimumCalls = 1_000_000, WindowSize = 1, IsTimeBased = true }, Frequency, 0); // by itself it never opens
        Reference reference = new();
        List<(BreakerPermit Permit, Reference.Call Call)> running = [];
        long now = 0;
        long epoch = 10;
        int trials = 0; // steps at which some had ended
        for (int step = 0; step < 1500; step++)
        {
            string where = $"seed {seed}, step {step}";
            now += random.Next(6) == 0 ? random.Next(800) : random.Next(10);
            switch (random.Next(10))
            {
                case 0:
                    epoch += random.Next(3) == 0 ? random.Next(1, 3) : 0;
                    // One epoch has one state; now and then a word of the past arrives.
                    long said = random.Next(6) == 0 ? epoch - 1 : epoch;
                    CircuitOrder order = new(Rule, "c", (CircuitState)(said % 3), said, random.Next(1, 900), random.Next(5), 0, "", 0, 0);
                    breaker.Take(order, now, out bool isStale, out _);
                    Assert.True(reference.Take(order, now) != isStale, where);
                    break;
                case < 6 when running.Count < 6:
                    bool passes = !breaker.TryEnter(now, random, out BreakerPermit permit, out _).IsSet;
                    Assert.True(reference.TryEnter(now, out Reference.Call? call) == passes, where);
                    if (call is not null)
                    {
                        running.Add((permit, call));
                    }

                    break;
                case < 9 when running.Count > 0:
                    int at = random.Next(running.Count);
                    BreakerOutcome outcome = (BreakerOutcome)random.Next(3);
                    TimeSpan time = TimeSpan.FromSeconds(random.Next(100));
                    breaker.Leave(running[at].Permit, outcome, time, now);
                    reference.Leave(running[at].Call, outcome, time > TimeSpan.FromSeconds(60), now);
                    running.RemoveAt(at);
                    break;
                default:
                    breaker.Age(now, out _);
                    reference.Notice(now);
                    break;
            }

            Assert.True(reference.IsShut(now) == breaker.IsShut(now), where);
            trials += reference.Report(now).Trials > 0 ? 1 : 0;
            Assert.Equal(reference.Report(now), breaker.Report("c", now));
        }

        Assert.True(reference.Report(now).Calls > 20 && trials > 20, $"the history has calls of every kind: {reference.Report(now).Calls}, {trials}");
    }

    /// <summary>As simple as can be.</summary>
    private sealed class Reference
    {
        private readonly List<(CircuitOrder Order, long At)> _orders = []; // all that were taken
        private readonly List<Call> _calls = [];
        private long _refusedAt = -3000; // while nothing was in force
        private long _refused; // calls
        private bool _lapsed; // the last word is over, and somebody has noticed
        private int _period; // changes whenever what is under way becomes late

        public bool Take(CircuitOrder order, long now)
        {
            if (_orders.Any(o => o.Order.Epoch > order.Epoch))
            {
                _refusedAt = _lapsed ? now : -3000;
                return false;
            }

            // A word that came in time goes on, noticed or not; after a noticed end the state begins anew, unless it is closed again.
            CircuitState before = StateOf(_lapsed ? null : Last);
            bool isSame = order.State == before && (order.State == CircuitState.Closed || (!_lapsed && Last?.Epoch == order.Epoch));
            _period += isSame ? 0 : 1;
            _lapsed = false;
            _orders.Add((order, now));
            return true;
        }

        public bool TryEnter(long now, out Call? call)
        {
            call = null;
            if (!_lapsed && StateOf(Last) != CircuitState.Closed)
            {
                Notice(now); // while it is closed, no call that goes out looks at the clock
            }

            CircuitOrder? order = _lapsed ? null : Last;
            bool isTrial = order is { State: CircuitState.HalfOpen };
            if (order is { State: CircuitState.Open } || (isTrial && Taken(order!.Epoch) >= order.Trials))
            {
                _refused++;
                return false;
            }

            call = new Call { Period = _period, Epoch = order?.Epoch ?? 0, IsTrial = isTrial };
            _calls.Add(call);
            return true;
        }

        public void Leave(Call call, BreakerOutcome outcome, bool isSlow, long now)
        {
            Notice(now);
            if (call.Period != _period)
            {
                return;
            }

            (call.HasEnded, call.IsSlow, call.IsFailure) = (true, isSlow, outcome == BreakerOutcome.Failure);
            if (outcome == BreakerOutcome.Ignored)
            {
                _calls.Remove(call);
            }
        }

        public bool IsShut(long now) =>
            !_lapsed && Last is { } order && now < End && (order.State == CircuitState.Open || (order.State == CircuitState.HalfOpen && Taken(order.Epoch) >= order.Trials));

        public CircuitReport Report(long now)
        {
            long epoch = _orders.Select(static o => o.Order.Epoch).DefaultIfEmpty().Max();
            Call[] ended = [.. _calls.Where(static c => c.HasEnded)];
            Call[] plain = [.. ended.Where(static c => !c.IsTrial)];
            Call[] trials = [.. ended.Where(c => c.IsTrial && c.Epoch == epoch)];
            return new CircuitReport
            {
                Rule = Rule,
                Cluster = "c",
                Epoch = (!_lapsed && Last is not null ? now < End : now < _refusedAt + 3000) ? epoch : 0,
                Calls = plain.Length,
                Failures = plain.Count(static c => c.IsFailure),
                Slow = plain.Count(static c => c.IsSlow),
                Trials = trials.Length,
                FailedTrials = trials.Count(static c => c.IsFailure),
                SlowTrials = trials.Count(static c => c.IsSlow),
                TrialsUnderWay = Taken(epoch) - trials.Length,
                Refused = _refused,
            };
        }

        private CircuitOrder? Last => _orders.Count == 0 ? null : _orders[^1].Order;

        private long End => _orders[^1].At + _orders[^1].Order.TtlMilliseconds;

        private static CircuitState StateOf(CircuitOrder? order) => order?.State ?? CircuitState.Closed;

        private int Taken(long epoch) => _calls.Count(c => c.IsTrial && c.Epoch == epoch && (c.HasEnded || c.Period == _period)); // the others are void

        public void Notice(long now)
        {
            if (!_lapsed && Last is not null && now >= End)
            {
                (_lapsed, _period) = (true, _period + 1);
            }
        }

        public sealed class Call
        {
            public required int Period { get; init; }

            public required long Epoch { get; init; }

            public required bool IsTrial { get; init; }

            public bool HasEnded { get; set; }

            public bool IsSlow { get; set; }

            public bool IsFailure { get; set; }
        }
    }
}
