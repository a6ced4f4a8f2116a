using Mesh.Proxy.LoadBalancing;
using Xunit;

namespace Mesh.Proxy.Tests.LoadBalancing;

/// <summary>Vector 16: how traffic is divided among priorities as they lose endpoints (semantics 8.3).</summary>
public sealed class PriorityLoadsTests
{
    [Theory]
    [InlineData(100, 100, 0)]
    [InlineData(72, 100, 0)]
    [InlineData(71, 99, 1)]
    [InlineData(50, 70, 30)]
    [InlineData(25, 35, 65)]
    [InlineData(0, 0, 100)]
    public void TwoPriorities_TheSecondWhole_TakesTheRest(int healthy, int first, int second) =>
        Assert.Equal([first, second], PriorityLoads.Of([(healthy, 100), (10, 10)], 0).Percent);

    [Theory]
    [InlineData(10, 100)] // 14 % and 28 % are all there is: shared in proportion
    [InlineData(1, 10)]
    public void TogetherTooFew_SharedByHealth(int healthy, int all)
    {
        PriorityLoads loads = PriorityLoads.Of([(healthy, all), (2 * healthy, all)], 0);

        Assert.Equal([34, 66], loads.Percent); // what rounding leaves goes to the first
        Assert.Equal([false, false], loads.IsPanic);
    }

    [Fact]
    public void ThreePriorities_EachTakesWhatIsLeft() => Assert.Equal([35, 42, 23], PriorityLoads.Of([(1, 4), (3, 10), (5, 5)], 0).Percent);

    [Fact]
    public void OneOf200_StillGetsTraffic() => Assert.Equal([100], PriorityLoads.Of([(1, 200)], 0).Percent);

    [Fact]
    public void NobodyHealthy_ThresholdZero_NobodyIsChosen() => Assert.Equal([0, 0], PriorityLoads.Of([(0, 3), (0, 3)], 0).Percent);

    [Fact]
    public void NobodyHealthy_AllPanic_SharedByNumber()
    {
        PriorityLoads loads = PriorityLoads.Of([(0, 3), (0, 1)], 50);

        Assert.Equal([75, 25], loads.Percent);
        Assert.Equal([true, true], loads.IsPanic);
    }

    [Fact]
    public void EnoughTogether_NobodyPanics() => Assert.Equal([false, false], PriorityLoads.Of([(1, 10), (9, 10)], 50).IsPanic);

    [Fact]
    public void NotEnoughTogether_TheWeakPriorityPanics_TheOtherDoesNot()
    {
        PriorityLoads loads = PriorityLoads.Of([(2, 10), (5, 10)], 50); // 28 % and 70 %

        Assert.Equal([true, false], loads.IsPanic);
        Assert.Equal([29, 71], loads.Percent);
    }

    [Fact]
    public void NoEndpoints_NobodyIsChosen() => Assert.Empty(PriorityLoads.Of([], 50).Percent);
}
