using System.Globalization;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>Who is asked to try: callers that have traffic, and among them the least busy where the rule says so.</summary>
public sealed class ProberElectionTests
{
    private static readonly BreakerConfig ByLoad = CircuitBench.Config with { Probers = BreakerProbers.LowestLoad };

    public static TheoryData<BreakerProbers, int> Beginnings
    {
        get
        {
            TheoryData<BreakerProbers, int> all = [];
            foreach (BreakerProbers mode in Enum.GetValues<BreakerProbers>())
            {
                Array.ForEach((int[])[-3, 0, 1, 4], begins => all.Add(mode, begins));
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Beginnings))]
    public void OneOfAThousandHasTraffic_MayTryWithinTwoReports(BreakerProbers mode, int begins) // seconds after the trial
    {
        const string Caller = "n500";
        CircuitBench bench = new(CircuitBench.Config with { Probers = mode });
        string[] ids = [.. Enumerable.Range(0, 1000).Select(static i => string.Create(CultureInfo.InvariantCulture, $"n{i:000}"))];
        Array.ForEach(ids, id => bench.Report(id));
        bench.Wait(1);
        Array.ForEach(ids, id => bench.Report(id, 1, 1));
        bench.Wait(0.1).ReportAll();
        Assert.Equal(CircuitState.Open, bench.Circuit.State);
        for (int second = -5; second < begins; second++)
        {
            Second(bench, ids, null);
        }

        int reports = 0;
        while (bench.Order(Caller)!.Trials == 0)
        {
            reports += bench.Circuit.State == CircuitState.HalfOpen ? 1 : 0;
            Assert.True(reports <= 2, $"{reports} reports, and others are to try: {string.Join(", ", bench.Probers)}");
            Second(bench, ids, Caller);
        }

        bench.Wait(1).Try(Caller, 1);
        Assert.Equal(1, bench.Circuit.Calls.Calls);
        Assert.Equal(4, bench.Circuit.Callers.Sum(static c => c.Quota));
    }

    [Fact]
    public void ProberWithCallsUnderWay_IsNotRelieved()
    {
        CircuitBench bench = CircuitBench.With(5).HalfOpen();
        Assert.Equal(["a", "e"], bench.Probers);
        bench.Try("a", 0, underWay: 2);
        bench.Try("e", 0);
        bench.Wait(1).Try("a", 0, underWay: 2);
        bench.Try("e", 0);

        bench.Report("c", refused: 1);

        Assert.Equal(["a", "c"], bench.Probers);
        Assert.Equal((2, 0, 2), (bench.Order("a")!.Trials, bench.Order("e")!.Trials, bench.Order("c")!.Trials));
    }

    [Theory]
    [InlineData(2, 0)] // both hang
    [InlineData(0, 2)] // one does, the other has made its calls
    public void CallsHang_NoOthersAreSentForAWhile(int underWay, int ended)
    {
        CircuitBench bench = CircuitBench.With(5).HalfOpen();
        bench.Try("a", 0, underWay: 2);
        bench.Try("e", ended, underWay: underWay);
        for (int second = 1; second < 29; second++)
        {
            bench.Wait(1).ReportAll();
            bench.Report("c", refused: 1);
            Assert.Equal((2, 2, 0), (bench.Order("a")!.Trials, bench.Order("e")!.Trials, bench.Order("c")!.Trials));
        }

        bench.Wait(2).ReportAll();
        Assert.Equal(4 - ended, bench.Circuit.Callers.Sum(static c => c.Unused)); // they may hang for ever
        Assert.True(ended > 0 ? bench.Order("e")!.Trials == 4 : bench.Order("c")!.Trials > 0);
    }

    [Fact]
    public void ProberThatHasBegun_IsRelievedOfTheRestWhenItsTrafficEnds()
    {
        CircuitBench bench = CircuitBench.With(3, CircuitBench.Config with { TrialCalls = 3 }).HalfOpen(); // a has two, c one
        bench.Try("a", 1);
        bench.Try("c", 1);
        Assert.Null(bench.Wait(0.9).Report("b", refused: 1));
        Assert.Null(bench.Report("a"));
        bench.Wait(0.1).Report("a");

        Assert.Equal((1, 1), (bench.Order("a")!.Trials, bench.Order("b")!.Trials));
        Assert.Equal(CircuitState.Closed, bench.Try("b", 1)!.To);
    }

    [Fact]
    public void ProberOfRareCalls_WaitsForThem_WhereOnlyADoubtedCallerHasTraffic()
    {
        CircuitBench bench = CircuitBench.With(3).HalfOpen();
        bench.Try("a", 2, 2);
        bench.Try("c", 2);
        bench.Wait(5).ReportAll(); // a failed where c did not

        for (int second = 0; second < 9; second++)
        {
            bench.Wait(1).ReportAll();
            bench.Report("a", refused: 1);
            Assert.Equal(["b", "c"], bench.Probers);
        }

        bench.Wait(1).Report("a", refused: 1);
        Assert.Contains("a", bench.Probers); // nobody else calls
    }

    [Fact]
    public void TrafficOfLongAgo_IsNoReason()
    {
        CircuitBench bench = CircuitBench.With(4);
        foreach (string id in (string[])["a", "b", "c", "d"])
        {
            bench.Report(id, 10, 10);
        }

        bench.Wait(2).Report("b", refused: 1);
        bench.Report("c", refused: 1);
        bench.Wait(3).ReportAll();

        Assert.Equal(["a", "d"], bench.Probers);
    }

    [Fact]
    public void NewCaller_ThatWasOnlyEverRefused_MayTry()
    {
        CircuitBench bench = CircuitBench.With(2);
        bench.Report("a", 10, 10);
        bench.Report("b", 10, 10);
        bench.Report("new");
        bench.Wait(4).Report("new", refused: 1);
        bench.Wait(1).ReportAll();

        Assert.Equal(["new"], bench.Probers);
    }

    [Fact]
    public void LowestLoad_ElectsTheLeastBusy_OfEqualsTheFirst()
    {
        CircuitBench bench = Loaded(ByLoad with { ProberCount = 3 }, 20, 3, null, 3, 9);

        Assert.Equal(["b", "d", "e"], bench.HalfOpen().Probers);
        bench.Leave("d");
        Assert.Equal(["a", "b", "e"], bench.Probers); // c does not say
    }

    [Fact]
    public void LowestLoad_WhoHasNoTraffic_StandsInNobodysWay()
    {
        CircuitBench bench = Loaded(ByLoad, 50, 40, 30, 0, 0);
        bench.Report("a", 10, 10);
        bench.Report("b", 10, 10);
        bench.Report("c", 10, 10);

        bench.Wait(4).Report("a", refused: 1);
        bench.Report("b", refused: 1);
        bench.Wait(1).ReportAll();

        Assert.Equal(["a", "b"], bench.Probers);
    }

    [Theory]
    [InlineData(7, "ab")] // nobody is busy
    [InlineData(19, "ab")] // less than twice the load of others
    [InlineData(40, "bc")]
    public void LowestLoad_SmallDifference_ChangesNothing(int load, string expected)
    {
        CircuitBench bench = Loaded(ByLoad, 0, 0, 8, 8);
        bench.HalfOpen();
        bench.Try("a", 2);
        bench.Try("b", 2);
        Assert.Equal(CircuitState.Closed, bench.Circuit.State);
        for (int report = 0; report < 40; report++)
        {
            bench.Load("a", load); // the mean comes close to it
        }

        bench.Wait(1).HalfOpen();

        Assert.Equal(expected, string.Concat(bench.Probers));
    }

    [Fact]
    public void LowestLoad_IsAMean_OnePeakSaysLittle()
    {
        CircuitBench bench = Loaded(ByLoad, 8);

        bench.Load("a", 20);
        Assert.Equal(11, bench.Circuit.Callers.Single().Load);
        bench.Load("a", 7);
        Assert.Equal(10, bench.Circuit.Callers.Single().Load);
        bench.Load("a", null);
        Assert.Equal(double.PositiveInfinity, bench.Circuit.Callers.Single().Load);
    }

    private static CircuitBench Loaded(BreakerConfig config, params int?[] loads)
    {
        CircuitBench bench = CircuitBench.With(loads.Length, config);
        for (int i = 0; i < loads.Length; i++)
        {
            bench.Load(((char)('a' + i)).ToString(), loads[i]);
        }

        return bench;
    }

    // Each caller reports once in it, and the one with traffic is refused ten calls.
    private static void Second(CircuitBench bench, string[] ids, string? caller)
    {
        for (int i = 0; i < ids.Length; i++)
        {
            if (i % 100 == 0)
            {
                bench.Wait(0.1);
            }

            if (ids[i] == caller)
            {
                bench.Report(caller, refused: 10);
            }
            else
            {
                bench.Report(ids[i]);
            }
        }
    }
}
