using System.Text.Json.Nodes;
using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>Who gets which share, told second by second.</summary>
public sealed class SharedLimitsTests
{
    private static readonly LimitName Name = new("ResiliencePolicy/default/partner", "outbound|80||partner.test", "meshLimits.maxConnections");

    private static readonly RuleKey Rule = new("ResiliencePolicy", "default", "partner");

    private readonly FakeTimeProvider _time = new();
    private readonly Dictionary<string, (int Share, long Epoch)> _inForce = [];
    private SharedLimits _limits;
    private int? _total = 20;

    public SharedLimitsTests() => _limits = NewControlPlane();

    [Fact]
    public void FirstSeconds_NobodyGetsMoreThanItHas()
    {
        Assert.Equal("a1 b1", Round(("a", 9), ("b", 0)));
        _time.Advance(TimeSpan.FromSeconds(1.9));
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
        Assert.Equal(1, _inForce["a"].Share);
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
        _limits.Forget(Caller("a"), _time.GetTimestamp());
        Report("b", 20);
        Assert.Equal(20, _inForce["b"].Share);
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
        _total = 2;
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
            shares.Add(_inForce["a"].Share);
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

        _limits = NewControlPlane();
        Assert.Equal("a19 b1", Round(("a", 20), ("b", 20)));
        _time.Advance(TimeSpan.FromSeconds(4));
        Round(("a", 20), ("b", 20));
        Round(("a", 20), ("b", 20));
        Assert.Equal("a10 b10", Round(("a", 20), ("b", 20)));
    }

    [Fact]
    public void Replica_BeginsToDecide_RaisesNothingUntilTheOthersCallersAreKnown()
    {
        _limits = new SharedLimits(_ => _total, _time, ReplicaLink.Settling);
        _time.Advance(ReplicaLink.Settling);
        _limits.Restart(_time.GetTimestamp());
        for (int second = 0; second < 7; second++)
        {
            Assert.Equal("a1", Round(("a", 20)));
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("a20", Round(("a", 20))); // 7.9 s
    }

    [Fact]
    public void Rule_SaysLess_OrIsGone()
    {
        Settle("a", "b");
        _total = 6;
        Round(("a", 9), ("b", 9));
        Assert.Equal("a3 b3", Round(("a", 9), ("b", 9)));

        _total = null;
        Assert.Empty(Report("a", 9));
        Assert.Equal("a3 b3", Shares());
    }

    [Theory]
    [InlineData(long.MaxValue - 1)]
    [InlineData(long.MinValue)]
    [InlineData(253_402_300_799_999)] // the last one that a clock can show
    [InlineData(long.MaxValue / 2)]
    public void Epoch_ThatNobodyGave_StopsNothing(long epoch)
    {
        Settle("a", "b");
        Say("liar", new LimitReport { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, Epoch = epoch });
        _limits.Forget(Caller("liar"), _time.GetTimestamp());

        for (int i = 0; i < 3; i++)
        {
            Round(("a", 20), ("b", 0));
        }

        Assert.Equal("a19 b1", Shares());
        Assert.InRange(_inForce["a"].Epoch, 1, _time.GetUtcNow().ToUnixTimeMilliseconds() + 1000);
    }

    [Theory]
    [InlineData(253_402_300_799_999)]
    [InlineData(long.MaxValue / 4)]
    public void Epoch_OfAClockThatWasAhead_ItsHolderIsToldHigherOnes_AlsoAfterARestart(long epoch)
    {
        Settle("a", "b");
        for (int restart = 0; restart < 3; restart++)
        {
            _inForce["a"] = (_inForce["a"].Share, Math.Max(epoch, _inForce["a"].Epoch));
            _limits = NewControlPlane();
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
        JsonNode sidecar = _limits.Page()[0]!["sidecars"]![0]!;
        Assert.Equal((20, 0, 0), ((int)sidecar["held"]!, (int)sidecar["inUse"]!, (int)sidecar["wanted"]!));

        Say("liar", new LimitReport { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, InUse = int.MaxValue });
        Assert.Equal(20, (int)_limits.Page()[0]!["sidecars"]![0]!["inUse"]!);
    }

    [Fact]
    public void Limits_OfNoRuleOrTooMany_AreNotKept()
    {
        _total = null;
        Assert.Empty(Report("a", 9));
        Assert.Empty(_limits.Page());

        _total = 20;
        for (int i = 0; i < SharedLimits.Most; i += 400)
        {
            Say($"liar-{i}", [.. Enumerable.Range(i, 400).Select(static n => new LimitReport { Rule = Name.Rule, Cluster = $"made|up|{n}|", Limit = Name.Limit })]);
        }

        Assert.Empty(Report("a", 9));
        Assert.Equal(SharedLimits.Most, _limits.Page().Count);
        Assert.Contains($"that of {Name.Cluster} stays at one in each sidecar", Assert.Single(_limits.Refusals.Of(Rule)).Message, StringComparison.Ordinal);
        _time.Advance(TimeSpan.FromSeconds(3));
        _limits.Advance(_time.GetTimestamp());
        Assert.Empty(_limits.Refusals.Of(Rule));
    }

    [Fact]
    public void Keys_TakeNoLimitsPlace_AndHaveAnEndTogether()
    {
        int told = 0;
        _limits.Refusals.Changed += () => told++;
        for (int limit = 0; limit < SharedLimits.MostKeysOfAll / SharedLimits.MostKeys; limit++)
        {
            Say($"c-{limit}", [.. Enumerable.Range(0, SharedLimits.MostKeys).Select(n => Of($"many|{limit}|", $"k{n}"))]);
        }

        Assert.Equal(SharedLimits.MostKeysOfAll, _limits.Page().Count);
        Assert.Empty(_limits.Refusals.Of(Rule));
        Assert.NotEmpty(Report("a", 9));
        Say("b", Of("one|more|", "k"), Of("one|more|", "l"));
        Assert.Equal(1 + SharedLimits.MostKeysOfAll, _limits.Page().Count);
        Assert.Contains("more keys", Assert.Single(_limits.Refusals.Of(Rule)).Message, StringComparison.Ordinal);
        Assert.Equal(1, told);

        _limits.Forget(Caller("c-3"), _time.GetTimestamp());
        Say("b", Of("one|more|", "k"), Of("one|more|", "l"));
        Assert.Equal(1 + SharedLimits.MostKeysOfAll - SharedLimits.MostKeys + 2, _limits.Page().Count);

        static LimitReport Of(string cluster, string key) => new() { Rule = Name.Rule, Cluster = cluster, Limit = Name.Limit, Key = key };
    }

    [Fact]
    public void Keys_AreLimitsOfTheirOwn_AndNotTooMany()
    {
        Say("a", Of(""), Of("k0") with { Wanted = 20 });
        _time.Advance(TimeSpan.FromSeconds(4));
        Say("b", Of(""), Of("k1"));
        Say("a", Of(""), Of("k0") with { Wanted = 20 });
        Say("a", Of(""), Of("k0") with { Wanted = 20 });
        SidecarOrders orders = new();
        _limits.AddOrders(Caller("a"), orders, _time.GetTimestamp());
        Assert.Equal([("", 10), ("k0", 20)], orders.Limits.Select(static o => (o.Key, o.Share)));

        for (int i = 0; i < SharedLimits.MostKeys; i += 100)
        {
            Say($"c-{i}", [.. Enumerable.Range(i, 100).Select(static n => Of($"k{n}"))]);
        }

        Say("late", Of("one more"));
        Assert.Equal(1 + SharedLimits.MostKeys, _limits.Page().Count);
        _limits.Forget(Caller("c-200"), _time.GetTimestamp());
        Say("late", Of("one more"));
        Assert.Equal(1 + SharedLimits.MostKeys - 99, _limits.Page().Count);
        Assert.Equal("one more", (string?)_limits.Page()[^1]!["key"]);

        static LimitReport Of(string key) => new() { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, Key = key };
    }

    [Fact]
    public void Page_ShowsWhoHasWhat()
    {
        Settle("a", "b");

        JsonNode limit = Assert.Single(_limits.Page())!;

        Assert.Equal(("ResiliencePolicy/default/partner", 20, 20), ((string?)limit["rule"], (int)limit["total"]!, (int)(long)limit["held"]!));
        Assert.Equal(("b", 10), ((string?)limit["sidecars"]![1]!["id"], (int)limit["sidecars"]![1]!["share"]!));
    }

    private static Reporter Caller(string id) => new(id, "", "2030-01-01T00:00:00Z", "10.0.0.1:80");

    private void Say(string caller, params System.Collections.Immutable.ImmutableArray<LimitReport> limits) =>
        _limits.Report(Caller(caller), new SidecarReport { Limits = limits }, _time.GetTimestamp());

    private SharedLimits NewControlPlane() => new(_ => _total, _time);

    /// <summary>All are there for long enough.</summary>
    private void Settle(params string[] callers)
    {
        Round([.. callers.Select(static c => (c, 0))]);
        _time.Advance(TimeSpan.FromSeconds(4));
        Round([.. callers.Select(static c => (c, 0))]);
        Round([.. callers.Select(static c => (c, 0))]);
        Round([.. callers.Select(static c => (c, 0))]);
    }

    /// <summary>A second in which all report once; then what is in force.</summary>
    private string Round(params (string Caller, int Wanted)[] callers)
    {
        foreach ((string caller, int wanted) in callers)
        {
            Report(caller, wanted);
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        return Shares();
    }

    private System.Collections.Immutable.ImmutableArray<LimitOrder> Report(string caller, int wanted, int? inUse = null, bool isAnswerLost = false)
    {
        (int share, long epoch) = _inForce.GetValueOrDefault(caller);
        SidecarReport report = new()
        {
            Limits = [new LimitReport { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, Share = share, Epoch = epoch, InUse = inUse ?? Math.Min(Math.Max(1, share), wanted), Wanted = wanted }],
        };
        _limits.Report(Caller(caller), report, _time.GetTimestamp());
        SidecarOrders orders = new();
        _limits.AddOrders(Caller(caller), orders, _time.GetTimestamp());
        foreach (LimitOrder order in orders.Limits.Where(_ => !isAnswerLost))
        {
            _inForce[caller] = (order.Share, order.Epoch);
        }

        return orders.Limits;
    }

    private string Shares() => string.Join(' ', _inForce.OrderBy(static c => c.Key, StringComparer.Ordinal).Select(static c => FormattableString.Invariant($"{c.Key}{c.Value.Share}")));
}
