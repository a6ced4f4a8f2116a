using Mesh.ControlPlane.Coordination;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

public sealed class FairSharesTests
{
    [Theory]
    [InlineData(20, "0 0 0 0 0", "4 4 4 4 4")]
    [InlineData(20, "20 0 0 0 0", "16 1 1 1 1")]
    [InlineData(20, "20 20 0 0 0", "9 8 1 1 1")]
    [InlineData(20, "20 3 0 2 0", "13 3 1 2 1")]
    [InlineData(20, "6 6 6 6 6", "4 4 4 4 4")]
    [InlineData(20, "10 2 2 2 0", "11 3 3 2 1")]
    [InlineData(3, "9 9 9 9 9", "1 1 1 1 1")]
    [InlineData(1, "5", "1")]
    [InlineData(7, "9", "7")]
    public void Divide_GivesWhatIsFair(int total, string wanted, string shares)
    {
        (int Wanted, int Has)[] callers = [.. wanted.Split(' ').Select(static w => (int.Parse(w, System.Globalization.CultureInfo.InvariantCulture), 0))];

        Assert.Equal(shares, string.Join(' ', FairShares.Divide(total, callers)));
    }

    [Fact]
    public void Divide_OddOne_StaysWithWhoHasIt()
    {
        Assert.Equal([6, 7, 7], FairShares.Divide(20, [(20, 6), (19, 7), (18, 7)]));
        Assert.Equal([7, 7, 6], FairShares.Divide(20, [(18, 7), (19, 7), (20, 6)]));
    }

    [Fact]
    public void Divide_ByChance_IsMaxMinFair()
    {
        Random dice = new(1);
        for (int run = 0; run < 2000; run++)
        {
            int total = dice.Next(1, 60);
            (int Wanted, int Has)[] callers = [.. Enumerable.Range(0, dice.Next(1, 12)).Select(_ => (dice.Next(0, 30), dice.Next(1, 20)))];

            int[] shares = FairShares.Divide(total, callers);

            Assert.Equal(Math.Max(total, callers.Length), shares.Sum());
            Assert.All(shares, static s => Assert.InRange(s, 1, int.MaxValue));
            for (int i = 0; i < shares.Length; i++)
            {
                // Who has less than it wants could only have more if somebody had less who has no more than one beyond it, or who has just the one that all have.
                Assert.True(shares[i] >= callers[i].Wanted || shares.All(s => s <= shares[i] + 1 || s == 1), $"run {run}: {string.Join(' ', shares)}");
            }
        }
    }
}
