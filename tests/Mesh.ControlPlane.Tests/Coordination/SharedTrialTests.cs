using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>Who tries while a shared circuit is half-open.</summary>
public sealed class SharedTrialTests
{
    [Fact]
    public void RollingReplacement_OfAll_AlwaysLeavesAProber()
    {
        CircuitBench bench = CircuitBench.With(10).HalfOpen();
        for (int i = 0; i < 10; i++)
        {
            bench.Report($"new-{i}"); // comes, and then an old one goes
            bench.Leave(((char)('a' + i)).ToString());
            Assert.NotEmpty(bench.Probers);
            Assert.Equal(4, bench.Circuit.Callers.Sum(static c => c.Quota));
        }

        Assert.Equal(CircuitState.HalfOpen, bench.Circuit.State);
        string prober = bench.Probers.First();
        Assert.Equal(CircuitState.Closed, bench.Try(prober, bench.Order(prober)!.Trials) is null && bench.Probers.Skip(1).FirstOrDefault() is { } other
            ? bench.Try(other, bench.Order(other)!.Trials)!.To
            : bench.Circuit.State);
    }

    [Fact]
    public void Prober_Leaves_WhatItUsedStaysUsed()
    {
        CircuitBench bench = CircuitBench.With(4).HalfOpen();
        bench.Try("a", 1, 1);

        Assert.Equal("probers", bench.Leave("a")!.Reason);

        Assert.Equal(["b", "d"], bench.Probers);
        Assert.Equal((1, 2), (bench.Order("b")!.Trials, bench.Order("d")!.Trials));
        bench.Try("b", 1);
        Assert.Equal(CircuitState.Closed, bench.Try("d", 2)!.To); // one of four failed
    }

    [Fact]
    public void Prober_ComesBackAfterALease_WhatItUsedCountsOnce()
    {
        CircuitBench bench = CircuitBench.With(1).HalfOpen();
        bench.Try("a", 2);
        bench.Silence("a");
        bench.Try("a", 0);
        bench.Try("a", 0);

        Assert.Equal((CircuitState.HalfOpen, 2), (bench.Circuit.State, bench.Circuit.Calls.Calls));
        Assert.Equal(4, bench.Order("a")!.Trials); // all in all, as it counts them
        Assert.Null(bench.Try("a", 1));
        Assert.Equal(new CallCounts(4, 0, 0), bench.Try("a", 1)!.Calls);
        Assert.Equal(CircuitState.Closed, bench.Circuit.State);
    }

    [Fact]
    public void Trials_BeyondWhatWasGranted_SayNothing()
    {
        CircuitBench bench = CircuitBench.With(4).HalfOpen();
        Assert.Equal((2, 0), (bench.Order("a")!.Trials, bench.Order("b")!.Trials));

        Assert.Null(bench.Try("b", 400, 400)); // was not asked to try
        Assert.Null(bench.Try("a", 400, 400, 300));

        Assert.Equal(new CallCounts(2, 2, 2), bench.Circuit.Calls);
        Assert.Equal(CircuitState.Open, bench.Try("d", 2)!.To); // two of four: the threshold
    }

    [Fact]
    public void Prober_LeavesAsTheLastCaller_NextToComeTries()
    {
        CircuitBench bench = CircuitBench.With(1).HalfOpen();
        bench.Try("a", 1);
        bench.Leave("a");

        bench.Report("z");

        Assert.Equal(3, bench.Order("z")!.Trials);
    }

    [Fact]
    public void OnlyOneCalls_ItIsTheOneThatTries()
    {
        CircuitBench bench = CircuitBench.With(5);
        bench.Report("c", 20, 20);
        bench.ReportAll();
        bench.Wait(5).ReportAll();

        Assert.Equal(["c"], bench.Probers);
        Assert.Equal(4, bench.Order("c")!.Trials);
    }

    [Fact]
    public void ProbersDoNotCall_OthersGetTheirTurnGroupByGroup()
    {
        CircuitBench bench = CircuitBench.With(6, CircuitBench.Config with { TrialCalls = 2 }).HalfOpen();
        Assert.Equal(["a", "f"], bench.Probers);

        Assert.Null(bench.Wait(8.9).Report("c"));
        List<string> seen = [];
        for (int round = 0; round < 4; round++)
        {
            bench.Wait(round == 0 ? 0.1 : 10).ReportAll();
            seen.Add(string.Concat(bench.Probers));
            Assert.Equal(2, bench.Circuit.Callers.Sum(static c => c.Quota));
        }

        Assert.Equal(["ab", "cd", "ef", "ab"], seen);
    }

    [Fact]
    public void OneProberCallsTheOtherDoesNot_TheRestIsTheOnes()
    {
        CircuitBench bench = CircuitBench.With(5).HalfOpen();
        bench.Try("e", 2);
        Assert.Null(bench.Wait(2.9).Report("e"));

        Assert.Equal("probers", bench.Wait(0.1).Report("e")!.Reason);

        Assert.Equal((4, 0), (bench.Order("e")!.Trials, bench.Order("a")!.Trials));
        Assert.Equal(CircuitState.Closed, bench.Try("e", 2)!.To);
    }

    [Theory]
    [InlineData(BreakerProbers.PerZone, 4, "abcd")]
    [InlineData(BreakerProbers.PerZone, 3, "abc")] // never more than there are calls
    [InlineData(BreakerProbers.FirstAndLast, 1, "a")]
    public void Mode_SaysWhoTries(BreakerProbers mode, int trials, string expected)
    {
        CircuitBench bench = CircuitBench.With(4, CircuitBench.Config with { Probers = mode, TrialCalls = trials }); // zones a, b, c, d
        bench.Report("b-2");
        bench.HalfOpen();

        Assert.Equal(expected, string.Concat(bench.Probers));
        Assert.Equal(trials, bench.Circuit.Callers.Sum(static c => c.Quota));
    }

    [Fact]
    public void Mode_Random_TriesSoMany()
    {
        CircuitBench bench = CircuitBench.With(10, CircuitBench.Config with { Probers = BreakerProbers.Random, ProberCount = 3 }).HalfOpen();
        string[] first = [.. bench.Probers];
        Assert.Equal(3, first.Length);

        bench.Leave(first[1]);

        Assert.Equal(3, bench.Probers.Count());
        Assert.Equal([first[0], first[2]], bench.Probers.Intersect(first));
    }
}
