using Mesh.Lab.Checks;
using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Bench.Tests.Lab;

/// <summary>The checks of the labs limits and pacing hold for right numbers and fail for wrong ones.</summary>
public sealed class LimitCheckTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(20, 0, "")]
    [InlineData(21, 0, "connections at once")]
    [InlineData(21, 1, "")]
    public void Bounded_OneTooMany_Fails(int connections, int newcomers, string failing) => Fails(failing, LimitChecks.Bounded(20, newcomers, connections, 20));

    [Fact]
    public void Bounded_RequestsTooMany_Fails() => Fails("requests at once", LimitChecks.Bounded(20, 0, 20, 21));

    [Theory]
    [InlineData("smallest share")]
    [InlineData("sum of the shares", 20, 1)]
    [InlineData("smallest share", 20, 0)]
    [InlineData("", 19, 1)]
    public void Given_TooMuchOrNothing_Fails(string failing, params int[] shares) => Fails(failing, LimitChecks.Given(20, shares));

    [Fact]
    public void Follows_InTimeAndUsed_Holds() => Fails("", LimitChecks.Follows(Second, 4 * Second, 16, 16, Load(200)));

    [Fact]
    public void Follows_TooLateNeverUnusedOrRefused_Fails()
    {
        Fails("the share has followed", LimitChecks.Follows(4 * Second, 4 * Second, 16, 16, Load(200)));
        Fails("the share has followed", LimitChecks.Follows(null, 4 * Second, 16, 16, Load(200)));
        Fails("connections at once that", LimitChecks.Follows(Second, 4 * Second, 16, 15, Load(200)));
        Fails("calls that failed", LimitChecks.Follows(Second, 4 * Second, 16, 16, Load(503)));
    }

    [Fact]
    public void Even_OneGetsMuchLess_Fails()
    {
        Assert.True(LimitChecks.Even([100, 110, 90], 0.8).Passed);
        Assert.False(LimitChecks.Even([100, 121, 79], 0.8).Passed);
    }

    [Fact]
    public void Slices_CountAClassFromABeginningOn()
    {
        Arrival[] arrivals = [new(99, "batch"), new(100, "batch"), new(150, ""), new(199, "batch"), new(200, "batch"), new(399, "batch"), new(400, "batch")];

        Slices slices = Slices.Of(arrivals, "batch", from: 100, slices: 3, frequency: 1000);

        Assert.Equal([2, 1, 1], slices.Counts);
        Assert.Equal((4.0 / 3, 2), (slices.Mean, slices.Within(1, 1)));
    }

    [Fact]
    public void Pacing_OneSliceOfFourMayLieBeside_OnTheWholeItIsTheRate()
    {
        Fails("", PacingChecks.Even(66.7, new Slices([67, 66, 67, 67])));
        Fails("", PacingChecks.Even(66.7, new Slices([67, 58, 67, 74])));
    }

    [Fact]
    public void Pacing_TooFewTooManyOrUneven_Fails()
    {
        Fails("calls in 4 slices", PacingChecks.Even(66.7, new Slices([66, 65, 66, 65])));
        Fails("calls in 4 slices", PacingChecks.Even(66.7, new Slices([68, 67, 68, 68])));
        Fails("slices of 59 to 74", PacingChecks.Even(66.7, new Slices([67, 67, 30, 103])));
    }

    [Fact]
    public void Unpaced_AsSlowOrRefused_Fails()
    {
        TimeSpan millisecond = TimeSpan.FromMilliseconds(1);
        Fails("", PacingChecks.Unpaced(9 * millisecond, 200 * millisecond, 0));
        Fails("an interactive call", PacingChecks.Unpaced(50 * millisecond, 200 * millisecond, 0));
        Fails("interactive calls that failed", PacingChecks.Unpaced(9 * millisecond, 200 * millisecond, 1));
    }

    private static void Fails(string name, IEnumerable<LabCheck> checks)
    {
        LabCheck[] failed = [.. checks.Where(static c => !c.Passed)];
        if (name.Length == 0)
        {
            Assert.Empty(failed);
        }
        else
        {
            Assert.StartsWith(name, Assert.Single(failed).Name, StringComparison.Ordinal);
        }
    }

    private static LoadReport Load(int code)
    {
        LoadRecorder recorder = new();
        recorder.Add(new LoadSample(code, 0, null, false, null, TimeSpan.FromMilliseconds(1)));
        return recorder.Report(Second, 0);
    }
}
