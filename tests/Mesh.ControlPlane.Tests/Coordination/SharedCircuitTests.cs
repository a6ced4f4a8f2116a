using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

public sealed class SharedCircuitTests
{
    [Fact]
    public void Sum_ReachesTheThreshold_OpensThoughNoCallerHasTheMinimum()
    {
        CircuitBench bench = CircuitBench.With(4);

        Assert.Null(bench.Report("a", 3, 2));
        Assert.Null(bench.Report("b", 3, 1));
        Assert.Null(bench.Report("c", 3, 2)); // nine calls are too few
        CircuitChange opened = bench.Report("d", 3, 1)!;

        Assert.Equal((CircuitState.Closed, CircuitState.Open, "failure_rate", new CallCounts(12, 6, 0)), (opened.From, opened.To, opened.Reason, opened.Calls));
        CircuitOrder order = bench.Order("a")!;
        Assert.Equal((CircuitState.Open, "failureRateThreshold", 50, 50, 0), (order.State, order.Field, order.Limit, order.Now, order.Trials));
        Assert.Equal((5000, 8000), (order.RetryAfterMilliseconds, order.TtlMilliseconds)); // the wait, and a lease more
    }

    [Fact]
    public void Slow_ReachesItsThreshold_Opens()
    {
        CircuitBench bench = CircuitBench.With(2, CircuitBench.Config with { SlowRate = 80 });

        Assert.Null(bench.Report("a", 10, 0, 7));
        CircuitChange opened = bench.Report("b", 10, 0, 9)!;

        Assert.Equal("slow_call_rate", opened.Reason);
        Assert.Equal(("slowCallRateThreshold", 80, 80), (bench.Order("b")!.Field, bench.Order("b")!.Limit, bench.Order("b")!.Now));
    }

    [Fact]
    public void OnlyOneCalls_DestinationIsDead_OpensForAllOnceTheOthersHaveReported()
    {
        CircuitBench bench = CircuitBench.With(10); // case 2

        Assert.Null(bench.Report("d", 20, 20));
        foreach (string id in (string[])["a", "b", "c", "e", "f", "g", "h", "i"])
        {
            Assert.Null(bench.Wait(0.1).Report(id));
        }

        Assert.Equal(CircuitState.Open, bench.Wait(0.1).Report("j")!.To);
        Assert.Equal(CircuitState.Open, bench.Order("a")!.State);
    }

    [Fact]
    public void ManyCallers_AreJudgedTenTimesASecond()
    {
        CircuitBench bench = CircuitBench.With(40);
        Assert.Null(bench.Report("a", 10, 10)); // it may be the only one that fails
        for (int i = 1; i < 40; i++)
        {
            Assert.Null(bench.Report(((char)('a' + i)).ToString(), 10, 10));
        }

        Assert.Null(bench.Wait(0.09).Report("a"));
        Assert.Equal(CircuitState.Open, bench.Wait(0.01).Report("a")!.To);
    }

    [Fact]
    public void OnlyOneCalls_AnotherIsSilent_IsNotWaitedForLong()
    {
        CircuitBench bench = CircuitBench.With(3);
        bench.Report("a", 20, 20);
        Assert.Null(bench.Wait(0.5).Report("b"));

        Assert.Equal(CircuitState.Open, bench.Wait(0.75).Report("b")!.To);
    }

    [Fact]
    public void OneOfTenFailsAlone_StaysClosedAndIsNamed()
    {
        CircuitBench bench = CircuitBench.With(10); // case 1: and this one calls more than all others together
        bench.Report("d", 200, 200);
        foreach (string id in (string[])["a", "b", "c", "e", "f", "g", "h", "i", "j"])
        {
            Assert.Null(bench.Wait(0.1).Report(id, 10, 1));
        }

        Assert.Null(bench.Wait(0.1).Report("d", 200, 200));

        Assert.Equal("d", bench.Circuit.Sick!.Id);
        Assert.Equal(CircuitState.Closed, bench.Order("a")!.State);
        bench.Wait(10).Report("a", 10);
        Assert.Null(bench.Circuit.Sick); // it was long ago
    }

    [Fact]
    public void OneFailsAlone_SumFarBelowTheThreshold_IsNamedToo()
    {
        CircuitBench bench = CircuitBench.With(4);
        bench.Report("a", 20);
        bench.Report("b", 20);
        bench.Report("c", 20);
        bench.Report("d", 4, 4);
        Assert.Null(bench.Circuit.Sick); // four calls say nothing

        bench.Report("d", 1, 1);

        Assert.Equal("d", bench.Circuit.Sick!.Id);
        bench.Leave("d");
        Assert.Null(bench.Circuit.Sick);
    }

    [Theory]
    [InlineData(10, 3)] // the others fail too: 30 of 100 is not below half of 50
    [InlineData(1, 0)] // the others know too little
    public void OneFailsMost_OthersDoNotContradict_Opens(int calls, int failures)
    {
        CircuitBench bench = CircuitBench.With(4);
        bench.Report("a", 100, 100);
        bench.Report("b", calls, failures);
        bench.Report("c", calls, failures);
        bench.Report("d", calls, failures);

        Assert.Equal(CircuitState.Open, bench.Circuit.State);
    }

    [Fact]
    public void TwoCallers_OneFails_OpensByTheSum()
    {
        CircuitBench bench = CircuitBench.With(2);
        bench.Report("a", 10);

        Assert.Equal(CircuitState.Open, bench.Report("b", 20, 20)!.To); // who is right cannot be known
        Assert.Null(bench.Circuit.Sick);
    }

    [Fact]
    public void FirstReport_OfAProcess_IsOnlyComparedWith()
    {
        CircuitBench bench = CircuitBench.With(1);
        Reporter late = new("z", "", "2030-01-01T00:01:00Z", "127.0.0.1:2");
        CircuitReport report = new() { Rule = CircuitBench.Config.Rule, Cluster = CircuitBench.Cluster, Calls = 1000, Failures = 1000 };

        bench.Circuit.Report(late, report, bench.Now); // we came later than it
        Assert.Null(bench.Advance());
        bench.Circuit.Report(late, report with { Calls = 5, Failures = 5 }, bench.Now); // it began anew
        Assert.Null(bench.Advance());
        bench.Circuit.Report(late, report with { Calls = 15, Failures = 15 }, bench.Now);

        Assert.Equal(new CallCounts(10, 10, 0), bench.Circuit.Calls);
    }

    [Fact]
    public void Caller_Leaves_TakesItsCallsWithIt()
    {
        CircuitBench bench = CircuitBench.With(2, CircuitBench.Config with { MinimumCalls = 100 });
        bench.Report("a", 50, 50);
        bench.Report("b", 20, 1);

        bench.Leave("a");

        Assert.Equal(new CallCounts(20, 1, 0), bench.Circuit.Calls);
        bench.Wait(10).Report("b");
        Assert.Equal(default, bench.Circuit.Calls);
    }

    [Fact]
    public void WindowByCount_HoldsTheNewestReportsButNeverLessThanARound()
    {
        CircuitBench bench = CircuitBench.With(2, CircuitBench.Config with { IsTimeBased = false, WindowSize = 20, MinimumCalls = 100, FailureRate = 90 });
        bench.Report("a", 30);
        bench.Wait(0.5).Report("b", 100, 70);
        Assert.Equal(130, bench.Circuit.Calls.Calls); // though 100 are enough: the others' words of this round

        bench.Wait(1).Report("a", 10);
        Assert.Equal(110, bench.Circuit.Calls.Calls); // the first is older than a round, and without it there are enough
        bench.Wait(60).Report("a", 5);
        Assert.Equal(115, bench.Circuit.Calls.Calls); // however old: without the hundred there would be only 15
        bench.Report("a", 5);
        Assert.Equal(20, bench.Circuit.Calls.Calls);
    }

    [Fact]
    public void Open_AfterItsWait_IsTriedByTheFirstAndTheLast()
    {
        CircuitBench bench = CircuitBench.With(5).HalfOpen();

        Assert.Equal(["a", "e"], bench.Probers);
        Assert.Equal((2, 2, 0), (bench.Order("a")!.Trials, bench.Order("e")!.Trials, bench.Order("c")!.Trials));
        Assert.Equal((CircuitState.HalfOpen, 10_000, 1000), (bench.Order("c")!.State, bench.Order("c")!.TtlMilliseconds, bench.Order("c")!.RetryAfterMilliseconds));
    }

    [Fact]
    public void Trial_Good_ClosesForAllWithAnEmptyWindow()
    {
        CircuitBench bench = CircuitBench.With(3).HalfOpen();
        Assert.Null(bench.Try("a", 2));
        Assert.Null(bench.Try("c", 1, 1));

        CircuitChange closed = bench.Try("c", 1)!;

        Assert.Equal((CircuitState.Closed, "trial_good", new CallCounts(4, 1, 0)), (closed.To, closed.Reason, closed.Calls));
        Assert.Equal((CircuitState.Closed, 0, "", 10_000), (bench.Order("b")!.State, bench.Order("a")!.Trials, bench.Order("a")!.Field, bench.Order("a")!.TtlMilliseconds));
        Assert.Equal(default, bench.Circuit.Calls);
    }

    [Fact]
    public void Trial_Bad_OpensAgainForLonger()
    {
        CircuitBench bench = CircuitBench.With(2, CircuitBench.Config with { OpenTimeGrowth = 2, LongestOpenTime = TimeSpan.FromSeconds(12) }).HalfOpen();
        bench.Try("a", 2, 2);
        Assert.Equal(CircuitState.Open, bench.Try("b", 2)!.To);
        Assert.Equal(TimeSpan.FromSeconds(10), bench.Circuit.OpenTime);

        Assert.Null(bench.Wait(9.9).Advance());
        Assert.Equal(CircuitState.HalfOpen, bench.Wait(0.1).Advance()!.To);
        Assert.Equal(CircuitState.Open, bench.Wait(1).Try("b", 4, 4)!.To); // alone, since all calls of the other failed
        Assert.Equal(TimeSpan.FromSeconds(12), bench.Circuit.OpenTime);
    }

    [Fact]
    public void Prober_WhoseCallsFailWhereAnothersDoNot_TriesNoMore_SoThatTheCircuitCloses()
    {
        CircuitBench bench = CircuitBench.With(3).HalfOpen();
        bench.Try("a", 2, 2);
        Assert.Equal(CircuitState.Open, bench.Try("c", 2)!.To);

        bench.Wait(5).ReportAll();
        Assert.Equal(["b", "c"], bench.Probers);
        bench.Wait(1).Try("b", 2);
        Assert.Equal(CircuitState.Closed, bench.Try("c", 2)!.To);

        bench.Wait(1).HalfOpen();
        Assert.Equal(["a", "c"], bench.Probers);
    }

    [Fact]
    public void TimeAlone_NeverOpens()
    {
        CircuitBench bench = CircuitBench.With(4);
        foreach (string id in (string[])["b", "c", "d"])
        {
            bench.Report(id, 10);
        }

        bench.Wait(5).Report("a", 10, 10);
        bench.Wait(6).ReportAll(); // the window has forgotten the good calls
        bench.Wait(2).ReportAll();
        Assert.Equal(CircuitState.Closed, bench.Circuit.State);
    }

    [Fact]
    public void Trial_TakesTooLong_OpensAgain()
    {
        CircuitBench bench = CircuitBench.With(2, CircuitBench.Config with { LongestTrial = TimeSpan.FromSeconds(3) }).HalfOpen();
        bench.Try("a", 1);

        CircuitChange opened = bench.Wait(2).Report("a")!;

        Assert.Equal((CircuitState.Open, "trial_timeout", "maxWaitDurationInHalfOpenState"), (opened.To, opened.Reason, bench.Order("a")!.Field));
    }

    [Fact]
    public void Trial_ResultsOfAnotherEpoch_DoNotCount()
    {
        CircuitBench bench = CircuitBench.With(2).HalfOpen();
        long epoch = bench.Circuit.Epoch;
        bench.Report("a", epoch: epoch - 1);

        bench.Circuit.Report(
            new Reporter("a", "zone-a", "2030-01-01T00:00:00Z", "127.0.0.1:1"),
            new CircuitReport { Rule = CircuitBench.Config.Rule, Cluster = CircuitBench.Cluster, Epoch = epoch - 1, Trials = 4, Calls = 10 }, bench.Now);

        Assert.Null(bench.Advance());
        Assert.Equal(default, bench.Circuit.Calls);
    }

    [Fact]
    public void Rule_Changes_StateStaysAndATrialOfAnotherSizeBeginsAnew()
    {
        CircuitBench bench = CircuitBench.With(2).HalfOpen();
        long epoch = bench.Circuit.Epoch;
        bench.Try("a", 1, 1);

        Assert.Null(bench.Circuit.Update(CircuitBench.Config with { FailureRate = 10 }, bench.Now));
        CircuitChange changed = bench.Circuit.Update(CircuitBench.Config with { TrialCalls = 8 }, bench.Now)!;

        Assert.Equal((CircuitState.HalfOpen, CircuitState.HalfOpen), (changed.From, changed.To));
        Assert.Equal(4, bench.Order("b")!.Trials);
        Assert.True(bench.Circuit.Epoch > epoch);
        Assert.Equal(default, bench.Circuit.Calls);
    }
}
