using System.Text.Json.Nodes;
using Mesh.ControlPlane.Coordination;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>Who gets which share, told second by second.</summary>
public sealed class SharedLimitsTests : SharedLimitsScene
{
    [Fact]
    public void FirstSeconds_NobodyGetsMoreThanItHas()
    {
        Assert.Equal("a1 b1", Round(("a", 9), ("b", 0)));
        Time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.Equal("a1 b1", Round(("a", 9), ("b", 0)));
    }

    [Fact]
    public void Idle_EachHasTheSame()
    {
        Settle("a", "b", "c", "d", "e");

        Assert.Equal("a4 b4 c4 d4 e4", Shares());
    }

    [Fact]
    public void LoadMoves_TheSharesFollowWithinTwoReports()
    {
        Settle("a", "b", "c", "d", "e");
        Round(("a", 30), ("b", 0), ("c", 0), ("d", 0), ("e", 0));
        Round(("a", 30), ("b", 0), ("c", 0), ("d", 0), ("e", 0));
        Assert.Equal("a16 b1 c1 d1 e1", Round(("a", 30), ("b", 0), ("c", 0), ("d", 0), ("e", 0)));

        Round(("a", 0), ("b", 30), ("c", 0), ("d", 0), ("e", 0)); // what a wanted a moment ago still counts
        Round(("a", 0), ("b", 30), ("c", 0), ("d", 0), ("e", 0));
        Assert.Equal("a1 b16 c1 d1 e1", Round(("a", 0), ("b", 30), ("c", 0), ("d", 0), ("e", 0)));
    }

    [Fact]
    public void Share_IsGivenOnOnlyWhenItsHolderUsesNoMoreThanTheSmallerOne()
    {
        Settle("a", "b");
        Round(("a", 20), ("b", 0));
        Round(("a", 20), ("b", 0));
        Assert.Equal("a19 b1", Round(("a", 20), ("b", 0)));

        Round(("a", 0), ("b", 20));
        Round(("a", 0), ("b", 20));
        Assert.Equal(1, InForce["a"].Share);
        Report("a", 0, inUse: 12); // twelve calls go on
        Report("b", 20);
        Assert.Equal("a1 b8", Shares());

        Report("a", 0, inUse: 1);
        Report("b", 20);
        Assert.Equal("a1 b19", Shares());
    }

    [Fact]
    public void Order_ThatNeverArrives_FreesNothing()
    {
        Settle("a", "b");
        Round(("a", 20), ("b", 0));
        Round(("a", 20), ("b", 0));
        Round(("a", 20), ("b", 0));

        for (int i = 0; i < 5; i++)
        {
            Report("a", 0, isAnswerLost: true);
            Report("b", 20);
        }

        Assert.Equal("a19 b1", Shares());
        Limits.Forget(Caller("a"), Time.GetTimestamp());
        Report("b", 20);
        Assert.Equal(20, InForce["b"].Share);
    }

    [Fact]
    public void Joiner_GetsItsOneFromWhoHasMost()
    {
        Settle("a", "b", "c", "d");
        Assert.Equal("a5 b5 c5 d5", Shares());

        Round(("a", 5), ("b", 5), ("c", 5), ("d", 5), ("e", 0));
        Assert.Equal("a5 b5 c5 d4 e1", Round(("a", 5), ("b", 5), ("c", 5), ("d", 5), ("e", 0)));
    }

    [Fact]
    public void MoreCallersThanPlaces_OneEach()
    {
        Total = 2;
        Settle("a", "b", "c");

        Assert.Equal("a1 b1 c1", Round(("a", 9), ("b", 9), ("c", 9)));
    }

    [Fact]
    public void Equals_DoNotTakeFromEachOther()
    {
        Settle("a", "b", "c");
        string before = "";
        for (int i = 0; i < 4; i++)
        {
            before = Round(("a", 30), ("b", 30), ("c", 30));
        }

        Assert.Equal("a7 b7 c6", before);
        Assert.Equal(before, Round(("a", 18), ("b", 25), ("c", 30)));
        Assert.Equal(before, Round(("a", 30), ("b", 12), ("c", 16)));
    }

    [Fact]
    public void Idle_AfterLoad_TheShareGoesBackBitByBit()
    {
        Settle("a", "b");
        Round(("a", 20), ("b", 0));
        Round(("a", 20), ("b", 0));
        Assert.Equal("a19 b1", Round(("a", 20), ("b", 0)));

        Assert.Equal("a19 b1", Round(("a", 0), ("b", 0)));
        List<int> shares = [];
        for (int i = 0; i < 30; i++)
        {
            Round(("a", 0), ("b", 0));
            shares.Add(InForce["a"].Share);
        }

        Assert.InRange(shares[1], 14, 18);
        Assert.Equal("a10 b10", Shares());
    }

    [Fact]
    public void ControlPlane_Restarted_LetsAllKeepWhatTheyHave()
    {
        Settle("a", "b");
        Round(("a", 20), ("b", 0));
        Round(("a", 20), ("b", 0));
        Round(("a", 20), ("b", 0));

        Limits = NewControlPlane();
        Assert.Equal("a19 b1", Round(("a", 20), ("b", 20)));
        Time.Advance(TimeSpan.FromSeconds(4));
        Round(("a", 20), ("b", 20));
        Round(("a", 20), ("b", 20));
        Assert.Equal("a10 b10", Round(("a", 20), ("b", 20)));
    }

    [Fact]
    public void Replica_BeginsToDecide_RaisesNothingUntilTheOthersCallersAreKnown()
    {
        Limits = new SharedLimits(_ => Total, Time, ReplicaLink.Settling);
        Time.Advance(ReplicaLink.Settling);
        Limits.Restart(Time.GetTimestamp());
        for (int second = 0; second < 7; second++)
        {
            Assert.Equal("a1", Round(("a", 20)));
        }

        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("a20", Round(("a", 20))); // 7.9 s
    }

    [Fact]
    public void Rule_SaysLess_OrIsGone()
    {
        Settle("a", "b");
        Total = 6;
        Round(("a", 9), ("b", 9));
        Assert.Equal("a3 b3", Round(("a", 9), ("b", 9)));

        Total = null;
        Assert.Empty(Report("a", 9));
        Assert.Equal("a3 b3", Shares());
    }

    [Fact]
    public void Page_ShowsWhoHasWhat()
    {
        Settle("a", "b");

        JsonNode limit = Assert.Single(Limits.Page())!;

        Assert.Equal(("ResiliencePolicy/default/partner", 20, 20), ((string?)limit["rule"], (int)limit["total"]!, (int)(long)limit["held"]!));
        Assert.Equal(("b", 10), ((string?)limit["sidecars"]![1]!["id"], (int)limit["sidecars"]![1]!["share"]!));
    }
}
