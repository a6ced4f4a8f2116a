using System.Text.Json.Nodes;
using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>What sidecars may say, and how much of it is kept.</summary>
public sealed class SharedLimitsBoundsTests : SharedLimitsScene
{
    private static readonly RuleKey Rule = new("ResiliencePolicy", "default", "partner");

    [Theory]
    [InlineData(long.MaxValue - 1)]
    [InlineData(long.MinValue)]
    [InlineData(253_402_300_799_999)] // the last one that a clock can show
    [InlineData(long.MaxValue / 2)]
    public void Epoch_ThatNobodyGave_StopsNothing(long epoch)
    {
        Settle("a", "b");
        Say("liar", new LimitReport { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, Epoch = epoch });
        Limits.Forget(Caller("liar"), Time.GetTimestamp());

        for (int i = 0; i < 3; i++)
        {
            Round(("a", 20), ("b", 0));
        }

        Assert.Equal("a19 b1", Shares());
        Assert.InRange(InForce["a"].Epoch, 1, Time.GetUtcNow().ToUnixTimeMilliseconds() + 1000);
    }

    [Theory]
    [InlineData(253_402_300_799_999)]
    [InlineData(long.MaxValue / 4)]
    public void Epoch_OfAClockThatWasAhead_ItsHolderIsToldHigherOnes_AlsoAfterARestart(long epoch)
    {
        Settle("a", "b");
        for (int restart = 0; restart < 3; restart++)
        {
            InForce["a"] = (InForce["a"].Share, Math.Max(epoch, InForce["a"].Epoch));
            Limits = NewControlPlane();
            Settle("a", "b");
            Round(("a", 0), ("b", 20));
            Round(("a", 0), ("b", 20));
            Assert.Equal("a1 b19", Round(("a", 0), ("b", 20)));
            Round(("a", 20), ("b", 0));
            Round(("a", 20), ("b", 0));
            Round(("a", 20), ("b", 0));
            Assert.Equal("a19 b1", Round(("a", 20), ("b", 0)));
        }
    }

    [Fact]
    public void Report_OfWhatCannotBe_IsCutToWhatCan()
    {
        Say("liar", new LimitReport { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, Epoch = 1, Share = int.MaxValue, InUse = -7, Wanted = -7 });
        JsonNode sidecar = Limits.Page()[0]!["sidecars"]![0]!;
        Assert.Equal((20, 0, 0), ((int)sidecar["held"]!, (int)sidecar["inUse"]!, (int)sidecar["wanted"]!));

        Say("liar", new LimitReport { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, InUse = int.MaxValue });
        Assert.Equal(20, (int)Limits.Page()[0]!["sidecars"]![0]!["inUse"]!);
    }

    [Fact]
    public void Limits_OfNoRuleOrTooMany_AreNotKept()
    {
        Total = null;
        Assert.Empty(Report("a", 9));
        Assert.Empty(Limits.Page());

        Total = 20;
        for (int i = 0; i < SharedLimits.Most; i += 400)
        {
            Say($"liar-{i}", [.. Enumerable.Range(i, 400).Select(static n => new LimitReport { Rule = Name.Rule, Cluster = $"made|up|{n}|", Limit = Name.Limit })]);
        }

        Assert.Empty(Report("a", 9));
        Assert.Equal(SharedLimits.Most, Limits.Page().Count);
        Assert.Contains($"that of {Name.Cluster} stays at one in each sidecar", Assert.Single(Limits.Refusals.Of(Rule)).Message, StringComparison.Ordinal);
        Time.Advance(TimeSpan.FromSeconds(3));
        Limits.Advance(Time.GetTimestamp());
        Assert.Empty(Limits.Refusals.Of(Rule));
    }

    [Fact]
    public void Keys_TakeNoLimitsPlace_AndHaveAnEndTogether()
    {
        int told = 0;
        Limits.Refusals.Changed += () => told++;
        for (int limit = 0; limit < SharedLimits.MostKeysOfAll / SharedLimits.MostKeys; limit++)
        {
            Say($"c-{limit}", [.. Enumerable.Range(0, SharedLimits.MostKeys).Select(n => Of($"many|{limit}|", $"k{n}"))]);
        }

        Assert.Equal(SharedLimits.MostKeysOfAll, Limits.Page().Count);
        Assert.Empty(Limits.Refusals.Of(Rule));
        Assert.NotEmpty(Report("a", 9));
        Say("b", Of("one|more|", "k"), Of("one|more|", "l"));
        Assert.Equal(1 + SharedLimits.MostKeysOfAll, Limits.Page().Count);
        Assert.Contains("more keys", Assert.Single(Limits.Refusals.Of(Rule)).Message, StringComparison.Ordinal);
        Assert.Equal(1, told);

        Limits.Forget(Caller("c-3"), Time.GetTimestamp());
        Say("b", Of("one|more|", "k"), Of("one|more|", "l"));
        Assert.Equal(1 + SharedLimits.MostKeysOfAll - SharedLimits.MostKeys + 2, Limits.Page().Count);

        static LimitReport Of(string cluster, string key) => new() { Rule = Name.Rule, Cluster = cluster, Limit = Name.Limit, Key = key };
    }

    [Fact]
    public void Keys_AreLimitsOfTheirOwn_AndNotTooMany()
    {
        Say("a", Of(""), Of("k0") with { Wanted = 20 });
        Time.Advance(TimeSpan.FromSeconds(4));
        Say("b", Of(""), Of("k1"));
        Say("a", Of(""), Of("k0") with { Wanted = 20 });
        Say("a", Of(""), Of("k0") with { Wanted = 20 });
        SidecarOrders orders = new();
        Limits.AddOrders(Caller("a"), orders, Time.GetTimestamp());
        Assert.Equal([("", 10), ("k0", 20)], orders.Limits.Select(static o => (o.Key, o.Share)));

        for (int i = 0; i < SharedLimits.MostKeys; i += 100)
        {
            Say($"c-{i}", [.. Enumerable.Range(i, 100).Select(static n => Of($"k{n}"))]);
        }

        Say("late", Of("one more"));
        Assert.Equal(1 + SharedLimits.MostKeys, Limits.Page().Count);
        Limits.Forget(Caller("c-200"), Time.GetTimestamp());
        Say("late", Of("one more"));
        Assert.Equal(1 + SharedLimits.MostKeys - 99, Limits.Page().Count);
        Assert.Equal("one more", (string?)Limits.Page()[^1]!["key"]);

        static LimitReport Of(string key) => new() { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, Key = key };
    }
}
