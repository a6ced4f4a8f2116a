using System.Collections.Immutable;
using System.Text;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.RateLimits;

/// <summary>A limit for each key over all sidecars: the part of every key, and the shares of those that want more.</summary>
public sealed class RateLimiterKeyShareTests
{
    private const string Rule = "RateLimit/default/users";
    private const long Second = 1_000_000_000;

    private static readonly RateLimitConfig TwentyASecond = new()
    {
        IsMesh = true,
        Rule = Rule,
        Tokens = 20,
        Burst = 20,
        Interval = TimeSpan.FromSeconds(1),
        KeySource = RateLimitKeySource.Header,
        KeyName = "x-user",
    };

    private readonly FakeTimeProvider _time = new();
    private readonly RateLimitStats _stats = new();
    private readonly RateLimiter _limiter;
    private long _now; // of the last call

    public RateLimiterKeyShareTests() => _limiter = new RateLimiter(TwentyASecond, Second, _stats, _time);

    [Fact]
    public void Part_IsThatOfEveryKey_AndABucketFollowsWhenItIsUsed()
    {
        Assert.Equal(1, Passes("ann", 0, 1));

        Follow("", 8, 1);

        Assert.Equal((4, 4), (Passes("ann", 2 * Second, 4), Passes("bob", 2 * Second, 4)));
        Assert.Single(Report(2 * Second)); // the half of a part is no reason to ask for more
        Follow("", 2, 2);
        Assert.Equal((2, 2), (Passes("ann", 4 * Second, 9), Passes("bob", 4 * Second, 9)));
    }

    [Fact]
    public void Report_KnowsThoseThatWantMoreThanTheirPart()
    {
        Follow("", 4, 1);
        Passes("ann", 0, 2); // half of it
        Passes("bob", 0, 5); // 3 of them more
        Passes("cyd", 0, 9);

        LimitReport[] reports = Report(Second);

        Assert.Equal((20, 4), (reports[0].Wanted, reports[0].Share)); // the limit itself wants all, as long as it is called
        Assert.Equal([(4, 0L), (4, 0L)], reports[1..].Select(static r => (r.Share, r.Epoch)));
        Assert.Equal([3, 7], reports[1..].Select(static r => r.Wanted).Order());
        Assert.Equal(2, _limiter.Share!.Value.Keys);
    }

    [Fact]
    public void Share_StandsInPlaceOfThePart_UntilThePartIsEnough()
    {
        Follow("", 4, 1);
        Passes("ann", 0, 9);
        string ann = Report(Second)[1].Key;
        Assert.False(Follow(ann, 12, 5));
        Follow("", 2, 6); // of others
        Assert.True(Follow(ann, 10, 7));
        Assert.False(Follow(ann, 20, 6)); // late
        Assert.Equal((10, 2), (Passes("ann", 9 * Second, 99), Passes("bob", 9 * Second, 99)));
        Assert.Equal((10, 7L), (Report(10 * Second)[1].Share, Report(10 * Second)[1].Epoch));

        for (long at = 11; at < 40; at++)
        {
            Report(at * Second);
        }

        Assert.Equal(0, _limiter.Share!.Value.Keys);
        Assert.Equal(2, Passes("ann", 50 * Second, 99));
        Assert.Equal((2, 7L), (Report(51 * Second)[1].Share, Report(51 * Second)[1].Epoch)); // what is older than that stays late
        Assert.False(Follow(ann, 20, 6));
        Assert.Equal(2, Passes("ann", 60 * Second, 99));
    }

    /// <summary>The control plane holds no more keys, or knows none: it says nothing of this one.</summary>
    [Fact]
    public void KeyWithoutAnOrder_GoesWithThePart_UntilItHasOne()
    {
        Follow("", 20, 1);
        Passes("ann", 0, 99);
        string ann = Report(Second)[1].Key;

        Follow("", 5, 2); // three more sidecars are called
        Assert.Equal((5, 0), (Passes("ann", 5 * Second, 99), Passes("ann", 5 * Second, 99)));
        Assert.Equal(5, Report(5 * Second)[1].Share);
        Follow("", 10, 3);
        Assert.Equal(10, Passes("ann", 9 * Second, 99));

        Follow(ann, 12, 1);
        Follow("", 5, 4);
        Assert.Equal((12, 5), (Passes("ann", 19 * Second, 99), Passes("bob", 19 * Second, 99)));
    }

    [Fact]
    public void Report_AfterTheLastCall_WantsNothingSoon()
    {
        _limiter.Update(TwentyASecond with { Interval = TimeSpan.FromMinutes(1) });
        Passes("ann", 0, 1);

        int[] wanted = [.. Enumerable.Range(1, 20).Select(at => Report(at * Second)[0].Wanted)];

        Assert.Equal((20, 20, 0, 0), (wanted[0], wanted[9], wanted[10], wanted[19]));
        Passes("ann", 21 * Second, 1);
        Assert.Equal(20, Report(22 * Second)[0].Wanted);
    }

    /// <summary>The clock begins at midnight, half a minute before the hours.</summary>
    [Fact]
    public void KeyThatIsForgotten_WhoWaitsForTheHours_HasItsTokenFromTheirBeginning()
    {
        AllowedHoursConfig hours = new(new TimeOnly(0, 0, 30), new TimeOnly(6, 0), "UTC");
        RateLimiter limiter = new(
            TwentyASecond with { Burst = 1, MaxWait = TimeSpan.FromMinutes(1), MaxQueue = 9, AllowedHours = hours }, _time.TimestampFrequency, _stats, _time);
        LinePlace[] places = [new(_time), new(_time), new(_time)];
        long begin = _time.GetTimestamp();
        Assert.All(places, p => Assert.Equal(LimitAnswer.Waits, limiter.Take("ann"u8, begin, p).Answer));
        limiter.Follow(new LimitOrder(Rule, "c", "tokens", 10, 20, 1, Report(begin, limiter)[1].Key), begin);
        Assert.Equal([30.0, 30.1, 30.2], Due());

        for (int at = 0; at < 20; at++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Report(_time.GetTimestamp(), limiter);
        }

        Assert.Equal(0, limiter.Share!.Value.Keys);
        Assert.Equal([30.0, 31.0, 32.0], Due());

        double[] Due() => [.. places.Select(p => _time.GetElapsedTime(begin, limiter.DueAt(p)).TotalSeconds)];
    }

    [Fact]
    public void Follow_AKeyThatIsNotReported_ChangesNothing()
    {
        Follow("0123", 20, 3);

        Assert.Single(Report(Second));
        Assert.Equal(1, Passes("ann", Second, 9));
    }

    [Fact]
    public void Report_HasRoomForFew_TheOthersGiveTheirShareBack()
    {
        Passes("ann", 0, 9);
        Passes("bob", 0, 15);
        string ann = Report(Second).Single(static r => r.Wanted == 8).Key;
        Follow(ann, 15, 3);

        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        _limiter.Report("c", Second, reports, mostKeys: 1);

        Assert.Equal([20, 14], reports.Select(static r => r.Wanted)); // bob wants more
        Assert.Equal(1, Passes("ann", 10 * Second, 9));
    }

    [Fact]
    public void KeyThatMakesRoom_TakesItsShareWithIt()
    {
        _limiter.Update(TwentyASecond with { MaxKeys = 2 });
        Passes("ann", 0, 9);
        Follow(Report(Second)[1].Key, 15, 3);
        Assert.Equal(15, Passes("ann", 9 * Second, 99));

        Passes("bob", 9 * Second, 1);
        Passes("cyd", 9 * Second, 1);

        Assert.Single(Report(10 * Second));
        Assert.Equal(1, Passes("ann", 20 * Second, 9));
    }

    [Fact]
    public void Waiting_ForATokenOfAShare_IsSoonerWithALargerOne()
    {
        _limiter.Update(TwentyASecond with { MaxWait = TimeSpan.FromSeconds(9), MaxQueue = 9 });
        LinePlace[] places = [new(_time), new(_time)];
        Passes("ann", 0, 1);
        Assert.All(places, p => Assert.Equal(LimitAnswer.Waits, _limiter.Take("ann"u8, 0, p).Answer));
        Assert.Equal([Second, 2 * Second], places.Select(_limiter.DueAt));

        Follow(Report(0)[1].Key, 10, 1);

        Assert.Equal([Second / 10, Second / 5], places.Select(_limiter.DueAt));
    }

    [Fact]
    public void Alone_EachKeyHasItAll()
    {
        RateLimiter alone = new(TwentyASecond, Second, _stats, _time, isAlone: true);

        Assert.Equal(20, Enumerable.Range(0, 99).Count(_ => alone.Take("ann"u8, 0, null).Answer == LimitAnswer.Passes));
        Assert.Equal(0, alone.Share!.Value.Keys);
    }

    private bool Follow(string key, int share, long epoch) => _limiter.Follow(new LimitOrder(Rule, "c", "tokens", share, 20, epoch, key), _now);

    private int Passes(string key, long now, int asked)
    {
        _now = now;
        return Enumerable.Range(0, asked).Count(_ => _limiter.Take(Encoding.ASCII.GetBytes(key), now, null).Answer == LimitAnswer.Passes);
    }

    private LimitReport[] Report(long now, RateLimiter? limiter = null)
    {
        ImmutableArray<LimitReport>.Builder reports = ImmutableArray.CreateBuilder<LimitReport>();
        (limiter ?? _limiter).Report("c", now, reports);
        return [.. reports];
    }
}
