using Mesh.Proxy.Breakers;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Breakers;

/// <summary>resilience4j's vectors (semantics 11.1 and 13, vector 18), and what it leaves open.</summary>
public sealed class CircuitBreakerTests
{
    private static readonly BreakerConfig Ten = new() { WindowSize = 10, MinimumCalls = 10, TrialCalls = 3 };

    [Theory]
    [InlineData(50, BreakerState.Open)]
    [InlineData(49, BreakerState.Closed)]
    public void HundredCalls_OpenAtFiftyFailures(int failures, BreakerState expected)
    {
        Machine machine = new(new BreakerConfig());

        for (int i = 0; i < 99; i++)
        {
            machine.Call(i < failures - 1);
            Assert.Equal(BreakerState.Closed, machine.State); // one call less than the minimum decides nothing
        }

        machine.Call(true);
        Assert.Equal(expected, machine.State);
    }

    [Fact]
    public void CountWindow_ForgetsTheOldestCall()
    {
        Machine machine = new(Ten);
        machine.Calls(4, isFailure: true);
        machine.Calls(6, isFailure: false);
        Assert.Equal(new BreakerFigures(10, 4, 0), machine.Figures);

        machine.Call(false);
        Assert.Equal(new BreakerFigures(10, 3, 0), machine.Figures);
        machine.Calls(2, isFailure: true); // takes the place of two failures
        Assert.Equal((new BreakerFigures(10, 3, 0), BreakerState.Closed), (machine.Figures, machine.State));
    }

    [Fact]
    public void TimeWindow_ForgetsOldSeconds_AndTakesTheMinimumAsItIs()
    {
        Machine machine = new(Ten with { IsTimeBased = true, WindowSize = 5, MinimumCalls = 20 });
        machine.Calls(19, isFailure: true);
        Assert.Equal(BreakerState.Closed, machine.State);

        machine.Pass(4);
        Assert.Equal(19, machine.Figures.Calls);
        machine.Pass(1);
        Assert.Equal(0, machine.Figures.Calls);

        machine.Calls(20, isFailure: true);
        Assert.Equal(BreakerState.Open, machine.State);
    }

    [Fact]
    public void SlowCalls_Open_AndExactlyTheThresholdIsNotSlow()
    {
        Machine machine = new(Ten with { SlowCall = TimeSpan.FromSeconds(2), SlowRate = 50 });
        machine.Calls(5, isFailure: false, seconds: 2);
        machine.Calls(4, isFailure: false, seconds: 2.1);
        Assert.Equal(BreakerState.Closed, machine.State);

        machine.Call(false, seconds: 3); // five of ten
        Assert.Equal((BreakerState.Open, "slow_call_rate"), (machine.State, machine.Last!.Reason));
    }

    [Fact]
    public void Open_RefusesUntilTheWaitIsOver_ThenLetsExactlyTheTrialThrough()
    {
        Machine machine = new(Ten);
        machine.Calls(10, isFailure: true);
        BreakerRefusal refusal = machine.TryEnter(out _);
        Assert.Equal(("failureRateThreshold", 50, 100, TimeSpan.FromSeconds(60)), (refusal.Field!, refusal.Limit, refusal.Now, refusal.RetryAfter));
        machine.Pass(59.9);
        Assert.True(machine.TryEnter(out _).IsSet);
        Assert.Equal(BreakerState.Open, machine.State);

        machine.Pass(0.1);
        BreakerPermit[] trial = [machine.Enter(), machine.Enter(), machine.Enter()];
        Assert.Equal(BreakerState.HalfOpen, machine.State);
        Assert.Equal("permittedNumberOfCallsInHalfOpenState", machine.TryEnter(out _).Field);

        machine.Leave(trial[0], BreakerOutcome.Ignored); // gives its place to another
        trial[0] = machine.Enter();
        Assert.True(machine.TryEnter(out _).IsSet);
        machine.Leave(trial[0], BreakerOutcome.Success);
        machine.Leave(trial[1], BreakerOutcome.Success);
        Assert.Equal(BreakerState.HalfOpen, machine.State);
        machine.Leave(trial[2], BreakerOutcome.Failure);
        Assert.Equal((BreakerState.Closed, 0), (machine.State, machine.Figures.Calls)); // a third is below half, and the window is fresh
    }

    [Fact]
    public void FailedTrial_OpensAgain_ForLongerUpToTheLongest()
    {
        Machine machine = new(Ten with { OpenTimeGrowth = 2, LongestOpenTime = TimeSpan.FromSeconds(200) });
        machine.Calls(10, isFailure: true);
        foreach (int wait in (int[])[60, 120, 200, 200])
        {
            Assert.Equal(TimeSpan.FromSeconds(wait), machine.TryEnter(out _).RetryAfter);
            machine.Pass(wait);
            machine.Calls(3, isFailure: true);
            Assert.Equal(BreakerState.Open, machine.State);
        }

        machine.Pass(200);
        machine.Calls(3, isFailure: false);
        machine.Calls(10, isFailure: true);
        Assert.Equal(TimeSpan.FromSeconds(60), machine.TryEnter(out _).RetryAfter); // a good trial begins anew
    }

    [Fact]
    public void HungTrial_EndsAfterItsLongestTime()
    {
        Machine machine = new(Ten with { LongestTrial = TimeSpan.FromSeconds(5) });
        machine.Calls(10, isFailure: true);
        machine.Pass(60);
        BreakerPermit hung = machine.Enter();
        machine.Pass(5);
        Assert.Equal("maxWaitDurationInHalfOpenState", machine.TryEnter(out _).Field);
        Assert.Equal((BreakerState.Open, "trial_timeout"), (machine.State, machine.Last!.Reason));

        machine.Pass(60);
        machine.Calls(2, isFailure: false);
        machine.Leave(hung, BreakerOutcome.Failure); // of the trial before: late
        Assert.Equal((BreakerState.HalfOpen, new BreakerFigures(2, 0, 0)), (machine.State, machine.Figures));
    }

    [Fact]
    public void ResultsOfEarlierStates_CountNoMore()
    {
        Machine machine = new(Ten);
        BreakerPermit early = machine.Enter();
        machine.Calls(10, isFailure: true);
        machine.Pass(60);
        machine.Calls(2, isFailure: false);

        machine.Leave(early, BreakerOutcome.Failure);

        Assert.Equal(new BreakerFigures(2, 0, 0), machine.Figures);
    }

    [Fact]
    public void Recovery_LetsAGrowingShareThrough()
    {
        Machine machine = new(Ten with { Recovery = TimeSpan.FromSeconds(90) }, chance: 50); // each draw says 0.5
        machine.Calls(10, isFailure: true);
        machine.Pass(60);
        machine.Calls(3, isFailure: false);

        Assert.Equal((BreakerState.Closed, "recoveryDuration"), (machine.State, machine.TryEnter(out _).Field)); // a tenth passes
        machine.Pass(39);
        Assert.True(machine.TryEnter(out _).IsSet); // 0.49
        machine.Pass(2);
        Assert.False(machine.TryEnter(out _).IsSet); // 0.51
        machine.Pass(60);
        Assert.False(machine.TryEnter(out _).IsSet);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(2)]
    public void TrialOfAnotherSize_BeginsAnew(int calls)
    {
        Machine machine = new(Ten);
        machine.Calls(10, isFailure: true);
        machine.Pass(60);
        BreakerPermit early = machine.Enter();

        machine.Update(Ten with { TrialCalls = calls });
        machine.Leave(early, BreakerOutcome.Success);

        Assert.Equal((BreakerState.HalfOpen, 0), (machine.State, machine.Figures.Calls));
        machine.Calls(calls, isFailure: false);
        Assert.Equal(BreakerState.Closed, machine.State);
    }

    [Fact]
    public void ForcedStates_HoldWhateverHappens()
    {
        Machine open = new(Ten with { Mode = BreakerMode.ForcedOpen });
        open.Pass(1000);
        Assert.Equal(("state", BreakerState.ForcedOpen), (open.TryEnter(out _).Field, open.State));

        Machine disabled = new(Ten with { Mode = BreakerMode.Disabled });
        disabled.Calls(50, isFailure: true);
        Assert.Equal((BreakerState.Disabled, 0), (disabled.State, disabled.Figures.Calls));

        Machine metrics = new(Ten with { Mode = BreakerMode.MetricsOnly });
        metrics.Calls(50, isFailure: true);
        Assert.Equal((BreakerState.MetricsOnly, new BreakerFigures(10, 10, 0)), (metrics.State, metrics.Figures));
    }

    [Fact]
    public void NewRule_KeepsTheState_UnlessItForcesOne()
    {
        Machine machine = new(Ten);
        machine.Calls(10, isFailure: true);
        machine.Update(Ten with { FailureRate = 90 });
        Assert.Equal(BreakerState.Open, machine.State);

        machine.Update(Ten with { Mode = BreakerMode.Disabled });
        Assert.Equal(BreakerState.Disabled, machine.State);
        machine.Update(Ten);
        Assert.Equal((BreakerState.Closed, 0), (machine.State, machine.Figures.Calls));

        machine.Calls(3, isFailure: true);
        machine.Update(Ten with { FailureRate = 20 });
        Assert.Equal(3, machine.Figures.Calls);
        machine.Update(Ten with { WindowSize = 20 });
        Assert.Equal(0, machine.Figures.Calls);
    }

    /// <summary>A breaker with its clock.</summary>
    internal sealed class Machine(BreakerConfig config, int chance = 0)
    {
        private readonly FakeTimeProvider _time = new();
        private readonly CircuitBreaker _breaker = new(config, TimeSpan.TicksPerSecond, 0);
        private readonly Random _chance = new ScriptedRandom([.. Enumerable.Repeat(chance, 100)]);

        public BreakerState State => _breaker.State;

        public BreakerFigures Figures => _breaker.Figures(_time.GetTimestamp());

        public BreakerChange? Last { get; private set; }

        public void Pass(double seconds) => _time.Advance(TimeSpan.FromSeconds(seconds));

        public void Update(BreakerConfig next) => _breaker.Update(next, _time.GetTimestamp());

        public BreakerRefusal TryEnter(out BreakerPermit permit)
        {
            bool wasShut = _breaker.IsShut(_time.GetTimestamp());
            BreakerRefusal refusal = _breaker.TryEnter(_time.GetTimestamp(), _chance, out permit, out BreakerChange? change);
            Last = change ?? Last;
            Assert.True(!wasShut || refusal.IsSet, "what is shut refuses");
            Assert.True(!(refusal.IsSet && permit.IsHeld));
            return refusal;
        }

        public BreakerPermit Enter()
        {
            Assert.False(TryEnter(out BreakerPermit permit).IsSet);
            return permit;
        }

        public void Leave(BreakerPermit permit, BreakerOutcome outcome, double seconds = 0) =>
            Last = _breaker.Leave(permit, outcome, TimeSpan.FromSeconds(seconds), _time.GetTimestamp()) ?? Last;

        public void Call(bool isFailure, double seconds = 0)
        {
            if (!TryEnter(out BreakerPermit permit).IsSet)
            {
                Leave(permit, isFailure ? BreakerOutcome.Failure : BreakerOutcome.Success, seconds);
            }
        }

        public void Calls(int count, bool isFailure, double seconds = 0)
        {
            for (int i = 0; i < count; i++)
            {
                Call(isFailure, seconds);
            }
        }
    }
}
