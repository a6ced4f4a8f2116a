using System.Collections.Immutable;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.RateLimits;

/// <summary>A limit of all sidecars together: this one's share of tokens and burst.</summary>
public sealed class RateLimiterShareTests
{
    private const string Rule = "RateLimit/default/a";
    private const long Second = 1_000_000_000;

    private static readonly RateLimitConfig TwentyASecond = new() { IsMesh = true, Rule = Rule, Tokens = 20, Burst = 10, Interval = TimeSpan.FromSeconds(1) };

    private readonly FakeTimeProvider _time = new();
    private readonly RateLimitStats _stats = new();

    [Fact]
    public void Take_BeforeTheFirstOrder_OneAnInterval()
    {
        RateLimiter limiter = Limiter(TwentyASecond);

        Assert.Equal(1, Passes(limiter, 0, 9));
        Assert.Equal(0, Passes(limiter, Second - 1, 9));
        Assert.Equal(1, Passes(limiter, Second, 9));
        Assert.Equal(1, limiter.Share!.Value.Share);
        LimitVerdict refused = limiter.Take(default, Second, null);
        Assert.Equal(("tokens", 1, true), (refused.Field, refused.Limit, refused.IsMesh));
    }

    [Fact]
    public void Follow_LargerShare_IsFasterFromNowOn_AndGivesNothingAway()
    {
        RateLimiter limiter = Limiter(TwentyASecond);
        Assert.Equal(1, Passes(limiter, 0, 9));

        Assert.False(limiter.Follow(Order(10, 1), Second / 2)); // half a token is there

        Assert.Equal(0, Passes(limiter, Second / 2, 9));
        Assert.Equal(1, Passes(limiter, Second * 55 / 100, 9)); // the other half comes ten times faster
        Assert.Equal(5, Passes(limiter, 9 * Second, 9)); // half of the burst
        Assert.Equal(10, limiter.Share!.Value.Share);
    }

    [Fact]
    public void Follow_SmallerShare_KeepsNoMoreThanItsBurst()
    {
        RateLimiter limiter = Limiter(TwentyASecond);
        limiter.Follow(Order(20, 1), 0);
        Assert.Equal(10, Passes(limiter, 9 * Second, 99));

        Assert.True(limiter.Follow(Order(4, 2), 18 * Second));

        Assert.Equal(2, Passes(limiter, 18 * Second, 9));
        Assert.Equal(0, Passes(limiter, (18 * Second) + (Second / 4) - 1, 9));
        Assert.Equal(1, Passes(limiter, (18 * Second) + (Second / 4), 9));
    }

    [Fact]
    public void Follow_OthersOrders_ChangeNothing()
    {
        RateLimiter limiter = Limiter(TwentyASecond);

        limiter.Follow(Order(20, 5), 0);
        limiter.Follow(Order(2, 4), 0);
        limiter.Follow(Order(3, 9) with { Rule = "RateLimit/default/b" }, 0);
        limiter.Follow(Order(3, 9) with { Limit = "burst" }, 0);

        Assert.Equal(20, limiter.Share!.Value.Share);
        Assert.False(Limiter(TwentyASecond with { IsMesh = false }).Follow(Order(3, 9), 0));
    }

    [Fact]
    public void Follow_WhoWaits_MovesInItsOrder()
    {
        RateLimiter limiter = Limiter(TwentyASecond with { Burst = 1, MaxWait = TimeSpan.FromSeconds(10), MaxQueue = 9 });
        limiter.Follow(Order(2, 1), 0);
        LinePlace[] places = [new(_time), new(_time), new(_time)];
        Assert.Equal(1, Passes(limiter, 0, 1));
        foreach (LinePlace place in places)
        {
            Assert.Equal(LimitAnswer.Waits, limiter.Take(default, 0, place).Answer);
        }

        Assert.Equal([500, 1000, 1500], Milliseconds(limiter, places));
        limiter.Follow(Order(20, 2), Second / 4); // half a token is there

        Assert.Equal([275, 325, 375], Milliseconds(limiter, places));
        limiter.Follow(Order(1, 3), Second * 275 / 1000);
        Assert.Equal([275, 1275, 2275], Milliseconds(limiter, places));
    }

    /// <summary>The clock begins at midnight, half a minute before the hours.</summary>
    [Fact]
    public void Follow_WhoWaitsForTheHours_HasItsTokenOneAfterTheOtherFromTheirBeginning()
    {
        AllowedHoursConfig hours = new(new TimeOnly(0, 0, 30), new TimeOnly(6, 0), "UTC");
        RateLimiter limiter = new(TwentyASecond with { MaxWait = TimeSpan.FromMinutes(1), MaxQueue = 9, AllowedHours = hours }, _time.TimestampFrequency, _stats, _time);
        long now = _time.GetTimestamp();
        LinePlace[] places = [new(_time), new(_time), new(_time)];
        Assert.All(places, p => Assert.Equal(LimitAnswer.Waits, limiter.Take(default, now, p).Answer));
        Assert.Equal([30.0, 31.0, 32.0], places.Select(p => _time.GetElapsedTime(now, limiter.DueAt(p)).TotalSeconds));

        limiter.Follow(Order(10, 1), now);

        Assert.Equal([30.0, 30.1, 30.2], places.Select(p => _time.GetElapsedTime(now, limiter.DueAt(p)).TotalSeconds));
    }

    [Fact]
    public void Update_AnotherRuleOfTheSameNumbers_HasAShareOfItsOwn()
    {
        RateLimiter limiter = Limiter(TwentyASecond);
        limiter.Follow(Order(12, 1), 0);

        limiter.Update(TwentyASecond with { Rule = "RateLimit/default/b" });
        Assert.Equal(1, limiter.Share!.Value.Share);
        limiter.Follow(Order(7, 1) with { Rule = "RateLimit/default/b" }, 0);

        Assert.Equal(("RateLimit/default/b", 7), (Report(limiter, 0)!.Rule, limiter.Share!.Value.Share));
    }

    [Fact]
    public void Report_AsksForWhatWasAskedOfIt()
    {
        RateLimiter limiter = Limiter(TwentyASecond);
        limiter.Follow(Order(4, 7), 0);
        for (int i = 0; i < 12; i++)
        {
            limiter.Take(default, i, null);
        }

        LimitReport report = Report(limiter, Second)!;
        Assert.Equal((Rule, "c", "tokens", 4, 7, 4, 12), (report.Rule, report.Cluster, report.Limit, report.Share, report.Epoch, report.InUse, report.Wanted));
        Assert.Equal(12, Report(limiter, Second * 11 / 10)!.Wanted); // too soon to tell
        Assert.Equal((0, 0), (Report(limiter, 3 * Second)!.Wanted, Report(limiter, 3 * Second)!.InUse));
        Assert.Null(Report(Limiter(TwentyASecond with { IsMesh = false }), 0));
    }

    [Fact]
    public void Report_FewTokensAnHour_AreNotWantedOneSecondAndForgottenTheNext()
    {
        RateLimiter limiter = Limiter(TwentyASecond with { Interval = TimeSpan.FromHours(1), Tokens = 60 });
        limiter.Take(default, 0, null);

        int first = Report(limiter, Second)!.Wanted;
        int second = Report(limiter, 2 * Second)!.Wanted;

        Assert.Equal(60, first); // one in a second would be far too many, if it went on
        Assert.Equal(60, second);
    }

    [Fact]
    public void Alone_HasItAll()
    {
        RateLimiter limiter = new(TwentyASecond, Second, _stats, _time, isAlone: true);

        Assert.Equal(10, Passes(limiter, 0, 99));
        limiter.Update(TwentyASecond with { Tokens = 30, Burst = 15 });
        Assert.Equal(15, Passes(limiter, Second, 99));
    }

    [Fact]
    public void Update_RulesTokensChange_TheShareStaysAsFarAsItMay()
    {
        RateLimiter limiter = Limiter(TwentyASecond);
        limiter.Follow(Order(12, 1), 0);

        limiter.Update(TwentyASecond with { Tokens = 40 });
        Assert.Equal((12, 40), (limiter.Share!.Value.Share, limiter.Share!.Value.Total));
        limiter.Update(TwentyASecond with { Tokens = 6 });
        Assert.Equal(6, limiter.Share!.Value.Share);
        limiter.Update(TwentyASecond with { IsMesh = false });
        Assert.Null(limiter.Share);
    }

    [Fact]
    public void Update_ToAPlan_HasNoShareAnyMore()
    {
        RateLimiter limiter = Limiter(TwentyASecond);
        limiter.Follow(Order(12, 1), 0);

        limiter.Update(new RateLimitConfig { Plan = new PlanConfig(3600, TimeSpan.FromHours(1)), Tokens = 3600, Interval = TimeSpan.FromHours(1) });
        limiter.Follow(Order(20, 2), 0);

        Assert.Null(limiter.Share);
        Assert.Null(Report(limiter, Second));
        Assert.Equal((1, 0), (Passes(limiter, 0, 9), Passes(limiter, Second / 2, 9))); // one a second, as planned
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void SharesThatMove_NeverMoreThanBurstAndRateOfAll(int seed)
    {
        Random dice = new(seed);
        RateLimiter[] limiters = [Limiter(TwentyASecond), Limiter(TwentyASecond), Limiter(TwentyASecond)];
        int[] shares = [1, 1, 1];
        List<long> passed = [];
        long now = 0;
        for (int epoch = 1; epoch < 4000; epoch++)
        {
            now += dice.NextInt64(Second / 20);
            int who = dice.Next(3);
            shares[who] = dice.Next(1, 19 - shares.Sum() + shares[who]);
            limiters[who].Follow(Order(shares[who], epoch), now);
            foreach (RateLimiter limiter in limiters)
            {
                passed.AddRange(Enumerable.Repeat(now, Passes(limiter, now, dice.Next(4))));
            }
        }

        Assert.True(passed.Count > now / Second * 5);
        for (int first = 0; first < passed.Count; first++)
        {
            // 20 a second and the bursts of three shares; a share's burst is one at least.
            int last = Math.Min(first + 200, passed.Count - 1);
            Assert.InRange(last - first + 1, 0, 10 + 3 + (20.0 * (passed[last] - passed[first]) / Second));
        }
    }

    private static LimitReport? Report(RateLimiter limiter, long now)
    {
        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        limiter.Report("c", now, reports);
        return reports.SingleOrDefault();
    }

    private static LimitOrder Order(int share, long epoch) => new(Rule, "c", "tokens", share, 20, epoch);

    private static int Passes(RateLimiter limiter, long now, int asked) => Enumerable.Range(0, asked).Count(_ => limiter.Take(default, now, null).Answer == LimitAnswer.Passes);

    private static long[] Milliseconds(RateLimiter limiter, LinePlace[] places) => [.. places.Select(p => limiter.DueAt(p) * 1000 / Second)];

    private RateLimiter Limiter(RateLimitConfig config) => new(config, Second, _stats, _time);
}
