using Mesh.Sidecar.Control;
using Xunit;

namespace Mesh.Sidecar.Tests.Control;

public sealed class ReconnectPauseTests
{
    [Fact]
    public void Next_NobodyAnswers_GrowsToASecond()
    {
        ReconnectPause pause = new(new Random(1));

        double[] waits = [.. Enumerable.Range(0, 6).Select(_ => pause.Next(wasConnected: false).TotalMilliseconds)];

        Assert.All(waits.Zip([200, 400, 800, 1000, 1000, 1000]), static w => Assert.InRange(w.First, w.Second / 2.0, w.Second));
    }

    [Fact]
    public void Next_AThousandLostIt_ComeAtDifferentTimes()
    {
        Random random = new(1);

        TimeSpan[] waits = [.. Enumerable.Range(0, 1000).Select(_ => new ReconnectPause(random).Next(wasConnected: true))];

        Assert.True(waits.Distinct().Count() > 900);
        Assert.All(waits, static w => Assert.InRange(w.TotalMilliseconds, 50, 100));
    }

    [Fact]
    public void Next_AskedToWait_WaitsAtLeastSoLongAndNotForever()
    {
        ReconnectPause pause = new(new Random(1));

        Assert.InRange(pause.Next(false, TimeSpan.FromSeconds(5)).TotalSeconds, 5.1, 5.2);
        Assert.InRange(pause.Next(false, TimeSpan.FromDays(1)).TotalSeconds, 30, 31);
    }

    [Fact]
    public void Next_OneOfTwoAskedToWait_TheOtherIsTriedFirst_AndTheShorterWishCountsOnceBothHaveRefused()
    {
        ReconnectPause pause = new(new Random(1), addresses: 2);

        Assert.InRange(pause.Next(false, TimeSpan.FromSeconds(5)).TotalSeconds, 0.1, 0.2);
        Assert.InRange(pause.Next(false, TimeSpan.FromSeconds(7)).TotalSeconds, 5.2, 5.4);
        Assert.InRange(pause.Next(false).TotalSeconds, 0.4, 0.8); // the next round; this one is not there at all
        Assert.InRange(pause.Next(false, TimeSpan.FromSeconds(7)).TotalSeconds, 7.5, 8);
        Assert.InRange(pause.Next(true).TotalSeconds, 0.05, 0.1);
        Assert.InRange(pause.Next(false, TimeSpan.FromSeconds(7)).TotalSeconds, 0.1, 0.2); // the one that has served until now has not refused
    }
}
