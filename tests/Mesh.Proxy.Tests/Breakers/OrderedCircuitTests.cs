using Mesh.Proxy.Breakers;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Breakers;

/// <summary>A breaker whose circuit all callers share: what it does with orders, and without them (semantics 11.5).</summary>
public sealed class OrderedCircuitTests
{
    private static readonly BreakerConfig Shared = new() { WindowSize = 10, MinimumCalls = 10, TrialCalls = 3, IsMesh = true, Rule = "CircuitBreaker/default/cb" };
    private readonly FakeTimeProvider _time = new();
    private readonly CircuitBreaker _breaker = new(Shared, TimeSpan.TicksPerSecond, 0);

    [Fact]
    public void Closed_PassesWhateverFailsHere_AndCounts()
    {
        Take(CircuitState.Closed, 1);

        Calls(30, BreakerOutcome.Failure, seconds: 61);
        Calls(5, BreakerOutcome.Success);

        Assert.Equal((BreakerState.Closed, 35, 30, 30), (_breaker.State, Report.Calls, Report.Failures, Report.Slow));
        Assert.Equal((1, 0), (Report.Epoch, Report.Trials));
    }

    [Fact]
    public void NoOrderYet_ThisSidecarDecides()
    {
        Calls(10, BreakerOutcome.Failure);

        Assert.Equal((BreakerState.Open, 10, 0), (_breaker.State, Report.Calls, Report.Epoch));
        BreakerChange change = Take(CircuitState.Closed, 1)!;
        Assert.Equal((BreakerState.Open, BreakerState.Closed, "mesh", 1), (change.From, change.To, change.Reason, change.Order!.Epoch));
    }

    [Fact]
    public void Open_RefusesWithWhatTheMeshHasSeen()
    {
        BreakerChange change = Take(CircuitState.Open, 7)!;
        Assert.Equal((BreakerState.Closed, BreakerState.Open, "mesh"), (change.From, change.To, change.Reason));

        BreakerRefusal refusal = TryEnter(out BreakerPermit permit);
        Pass(3);

        Assert.False(permit.IsHeld);
        Assert.Equal((BreakerState.Open, "failureRateThreshold", 50, 80, true), (refusal.State, refusal.Field!, refusal.Limit, refusal.Now, refusal.IsMesh));
        Assert.Equal((TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2)), (refusal.RetryAfter, TryEnter(out _).RetryAfter));
        Pass(6);
        Assert.Equal(TimeSpan.Zero, TryEnter(out _).RetryAfter); // and it is open for as long as the order holds, whatever the rule's wait is
    }

    [Fact]
    public void OpenByHand_NamesNoField()
    {
        Take(Order(CircuitState.Open, 7) with { Field = "" });

        BreakerRefusal refusal = TryEnter(out _);

        Assert.True(refusal.IsSet);
        Assert.Equal(("", -1, -1), (refusal.Field!, refusal.Limit, refusal.Now));
    }

    [Fact]
    public void HalfOpen_LetsTheTrialsOfTheEpochPass_AndNoMore()
    {
        Take(CircuitState.Open, 1);
        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 2 });
        BreakerPermit first = Enter();
        BreakerPermit second = Enter();
        Assert.Equal(("permittedNumberOfCallsInHalfOpenState", 2, 2), (TryEnter(out _).Field!, TryEnter(out _).Limit, TryEnter(out _).Now));

        Leave(first, BreakerOutcome.Ignored); // gives its place to another
        first = Enter();
        Leave(first, BreakerOutcome.Failure);
        Leave(second, BreakerOutcome.Success, seconds: 61);
        Assert.Null(Take(Order(CircuitState.HalfOpen, 2) with { Trials = 2 })); // said again each second

        Assert.True(TryEnter(out _).IsSet);
        Assert.Equal((2, 2, 1, 1, 0), (Report.Epoch, Report.Trials, Report.FailedTrials, Report.SlowTrials, Report.Calls));
        Assert.Equal(BreakerState.HalfOpen, _breaker.State); // the control plane decides on them
    }

    [Fact]
    public void HalfOpen_QuotaThatIsHandedOn_CountsWhatWasUsed()
    {
        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 0 });
        Assert.Equal(("probers", -1, -1), (TryEnter(out _).Field!, TryEnter(out _).Limit, TryEnter(out _).Now)); // others try
        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 1 });
        Leave(Enter(), BreakerOutcome.Success);
        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 3 });
        Enter();
        Enter();

        Assert.True(TryEnter(out _).IsSet);
        Take(Order(CircuitState.HalfOpen, 3) with { Trials = 1 });
        Assert.Equal((3, 0), (Report.Epoch, Report.Trials));
        Enter();
        Assert.True(TryEnter(out _).IsSet);
    }

    [Fact]
    public void HalfOpen_OrderThatLapsedAndCameBack_DoesNotWaitForTrialsThatHang()
    {
        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 3 });
        Leave(Enter(), BreakerOutcome.Failure);
        Enter();
        BreakerPermit hung = Enter();
        Pass(10);
        Assert.NotNull(_breaker.Age(_time.GetTimestamp(), out _));

        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 3 });
        Leave(hung, BreakerOutcome.Success); // late
        Enter();
        Enter();

        Assert.True(TryEnter(out _).IsSet);
        Assert.Equal((1, 1, 0), (Report.Trials, Report.FailedTrials, Report.Calls));
    }

    [Fact]
    public void OwnTrial_WithoutAnOrder_IsNoneOfTheEpoch()
    {
        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 3 });
        Leave(Enter(), BreakerOutcome.Success);
        Pass(10);
        Calls(10, BreakerOutcome.Failure);
        Assert.Equal(BreakerState.Open, _breaker.State);
        Pass(60);
        Calls(3, BreakerOutcome.Success);
        Assert.Equal(BreakerState.Closed, _breaker.State);

        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 3 });

        Assert.Equal((1, 0, 13, 10), (Report.Trials, Report.FailedTrials, Report.Calls, Report.Failures));
        Enter();
        Enter();
        Assert.True(TryEnter(out _).IsSet);
    }

    [Fact]
    public void ResultsOfAnEarlierState_AreLate()
    {
        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 1 });
        BreakerPermit trial = Enter();
        Take(Order(CircuitState.HalfOpen, 3) with { Trials = 1 });

        Leave(trial, BreakerOutcome.Failure);

        Assert.Equal((0, 0), (Report.Trials, Report.Calls));
    }

    [Fact]
    public void StayingClosed_CallsUnderWayCountOn()
    {
        BreakerPermit early = Enter();
        Take(CircuitState.Closed, 1);
        BreakerPermit next = Enter();
        Take(CircuitState.Closed, 2);

        Leave(early, BreakerOutcome.Success);
        Leave(next, BreakerOutcome.Failure);

        Assert.Equal((2, 1), (Report.Calls, Report.Failures));
    }

    [Fact]
    public void StaleEpoch_ChangesNothing_AlsoAfterTheLastHasExpired()
    {
        Take(CircuitState.Closed, 5);
        Assert.Null(Take(CircuitState.Open, 4, isStale: true));
        Assert.Equal(BreakerState.Closed, _breaker.State);

        Pass(10);
        Assert.NotNull(_breaker.Age(_time.GetTimestamp(), out long next));
        Assert.Equal((long.MaxValue, 0), (next, Report.Epoch)); // nothing is in force
        Assert.Null(Take(CircuitState.Open, 4, isStale: true));
        Assert.Equal(5, Report.Epoch); // so that a control plane whose clock went back counts on from there
        Pass(3);
        Assert.Equal(0, Report.Epoch); // and one that has just started hears that it may speak
        Assert.NotNull(Take(CircuitState.Open, 5));
        Assert.Equal(5, Report.Epoch);
    }

    [Theory]
    [InlineData("age")]
    [InlineData("call")]
    [InlineData("answer")]
    public void Expiry_LetsThisSidecarDecide_FromAClosedStateWithAnEmptyWindow(string by)
    {
        Calls(9, BreakerOutcome.Failure);
        Take(CircuitState.Closed, 1);
        BreakerPermit early = Enter();
        Take(CircuitState.Open, 2);
        Pass(9.9);
        Assert.True(TryEnter(out _).IsSet);
        Assert.Null(_breaker.Age(_time.GetTimestamp(), out _));

        Pass(0.1);
        Assert.False(_breaker.IsShut(_time.GetTimestamp()));
        Assert.Null(_breaker.Order(_time.GetTimestamp()));
        BreakerChange? change = by switch
        {
            "age" => _breaker.Age(_time.GetTimestamp(), out _),
            "call" => EnterAfterExpiry(),
            _ => Leave(early, BreakerOutcome.Failure),
        };

        Assert.Equal((BreakerState.Open, BreakerState.Closed, "order_expired"), (change!.From, change.To, change.Reason));
        Calls(9, BreakerOutcome.Failure);
        Assert.Equal(BreakerState.Closed, _breaker.State);
        Calls(1, BreakerOutcome.Failure);
        Assert.Equal(BreakerState.Open, _breaker.State);
    }

    [Fact]
    public void Renewal_HoldsFromItsArrivalOn()
    {
        Take(CircuitState.Open, 1);
        Pass(8);
        Take(CircuitState.Open, 1);
        Pass(8);

        Assert.Null(_breaker.Age(_time.GetTimestamp(), out long next));
        Assert.Equal(TimeSpan.FromSeconds(2), _time.GetElapsedTime(_time.GetTimestamp(), next));
        Assert.Equal(TimeSpan.FromSeconds(2), _breaker.Order(_time.GetTimestamp())!.Value.Left);
        Assert.True(TryEnter(out _).IsSet);
    }

    [Fact]
    public void ClosingByTheMesh_ReturnsGently_ExpiryDoesNot()
    {
        _breaker.Update(Shared with { Recovery = TimeSpan.FromSeconds(90) }, 0);
        Take(CircuitState.Open, 1);
        Take(CircuitState.Closed, 2);
        Assert.Equal("recoveryDuration", TryEnter(out _).Field); // one of two draws; a tenth passes at first
        Take(CircuitState.Closed, 2);
        Assert.Equal("recoveryDuration", TryEnter(out _).Field);

        Take(CircuitState.Open, 3);
        Pass(10);
        Assert.False(TryEnter(out _).IsSet);
    }

    [Theory]
    [InlineData(BreakerMode.ForcedOpen, BreakerState.ForcedOpen)]
    [InlineData(BreakerMode.Disabled, BreakerState.Disabled)]
    [InlineData(BreakerMode.MetricsOnly, BreakerState.MetricsOnly)]
    public void StateThatTheRuleForces_IsStrongerThanAnOrder(BreakerMode mode, BreakerState expected)
    {
        Take(CircuitState.Open, 1);
        _breaker.Update(Shared with { Mode = mode }, 0);
        Take(CircuitState.Open, 2);
        Assert.Equal((expected, null), (_breaker.State, _breaker.Order(0)));

        _breaker.Update(Shared, 0);
        Assert.Equal(BreakerState.Closed, _breaker.State);
        Take(CircuitState.Open, 2);
        Assert.Equal(BreakerState.Open, _breaker.State);
    }

    [Fact]
    public void RuleOfAnotherNameOrScope_EndsTheOrder()
    {
        Take(CircuitState.Open, 9);
        BreakerChange? change = _breaker.Update(Shared with { Rule = "CircuitBreaker/default/other" }, 0);
        Assert.Equal((BreakerState.Closed, "rule"), (change!.To, change.Reason));
        Take(CircuitState.Open, 10);
        Assert.Equal((BreakerState.Closed, 0), (_breaker.State, Report.Epoch)); // an order for the former rule
        Take(Order(CircuitState.Open, 2) with { Rule = "CircuitBreaker/default/other" });
        Assert.Equal(BreakerState.Open, _breaker.State);

        _breaker.Update(Shared with { IsMesh = false }, 0);
        Assert.Equal(BreakerState.Closed, _breaker.State);
        Assert.Null(_breaker.Report("c", 0));
    }

    [Fact]
    public void OtherNumbersInTheRule_LeaveTheOrder()
    {
        Take(Order(CircuitState.HalfOpen, 2) with { Trials = 2 });
        BreakerPermit trial = Enter();
        Assert.Null(_breaker.Update(Shared with { TrialCalls = 7, FailureRate = 10 }, 0));

        Leave(trial, BreakerOutcome.Success);

        Assert.Equal(1, Report.Trials);
    }

    private CircuitReport Report => _breaker.Report("c", _time.GetTimestamp())!;

    private static CircuitOrder Order(CircuitState state, long epoch) => new(Shared.Rule, "c", state, epoch, 10_000, 0, 5_000, "failureRateThreshold", 50, 80);

    private void Pass(double seconds) => _time.Advance(TimeSpan.FromSeconds(seconds));

    private BreakerChange? Take(CircuitState state, long epoch, bool isStale = false) => Take(Order(state, epoch), isStale);

    private BreakerChange? Take(CircuitOrder order, bool isStale = false)
    {
        _breaker.Take(order, _time.GetTimestamp(), out bool wasStale, out BreakerChange? change);
        Assert.Equal(isStale, wasStale);
        return change;
    }

    private BreakerRefusal TryEnter(out BreakerPermit permit)
    {
        bool wasShut = _breaker.IsShut(_time.GetTimestamp());
        BreakerRefusal refusal = _breaker.TryEnter(_time.GetTimestamp(), new ScriptedRandom(50), out permit, out _);
        Assert.True(wasShut == refusal.IsSet || refusal.Field == "recoveryDuration");
        return refusal;
    }

    private BreakerChange? EnterAfterExpiry()
    {
        Assert.False(_breaker.TryEnter(_time.GetTimestamp(), null, out _, out BreakerChange? change).IsSet);
        return change;
    }

    private BreakerPermit Enter()
    {
        Assert.False(TryEnter(out BreakerPermit permit).IsSet);
        return permit;
    }

    private BreakerChange? Leave(BreakerPermit permit, BreakerOutcome outcome, double seconds = 0) =>
        _breaker.Leave(permit, outcome, TimeSpan.FromSeconds(seconds), _time.GetTimestamp());

    private void Calls(int count, BreakerOutcome outcome, double seconds = 0)
    {
        for (int i = 0; i < count; i++)
        {
            Leave(Enter(), outcome, seconds);
        }
    }
}
