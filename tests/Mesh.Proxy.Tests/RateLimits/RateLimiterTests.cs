using System.Text;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.RateLimits;

public sealed class RateLimiterTests
{
    private static readonly RateLimitConfig OneASecond = new() { Tokens = 1, Interval = TimeSpan.FromSeconds(1), Burst = 1 };
    private static readonly RateLimitConfig Waiting = OneASecond with { MaxWait = TimeSpan.FromSeconds(10), MaxQueue = 3 };
    private readonly FakeTimeProvider _time = new();
    private readonly RateLimitStats _stats = new();

    [Fact]
    public void Take_ManyThreadsAtOneTime_PassAsManyAsTheBurst()
    {
        RateLimiter limiter = Limiter(OneASecond with { Burst = 1000 });
        int passed = 0;
        Parallel.For(0, 8000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            if (limiter.Take(default, 0, null).Answer == LimitAnswer.Passes)
            {
                Interlocked.Increment(ref passed);
            }
        });

        Assert.Equal((1000, 1000, 7000), (passed, _stats.Ok.Value, _stats.Limited.Value));
    }

    [Fact]
    public void Take_KeysOfTheirOwn_HaveBucketsOfTheirOwn()
    {
        RateLimiter limiter = Limiter(OneASecond with { KeySource = RateLimitKeySource.Header });
        string longKey = new('a', 500);

        Assert.Equal("p p r p p r p", Takes(limiter, "ann", "bob", "ann", "", longKey + "1", longKey + "1", longKey + "2"));
        Assert.Equal(5, _stats.Keys.Value);
    }

    [Fact]
    public void Take_MoreKeysThanMaxKeys_LetsTheLeastRecentlyUsedGo()
    {
        RateLimiter limiter = Limiter(OneASecond with { Burst = 2, KeySource = RateLimitKeySource.Header, MaxKeys = 2 });

        Assert.Equal("p p p", Takes(limiter, "ann", "bob", "ann"));
        Assert.Equal("p r", Takes(limiter, "cyd", "ann")); // bob went, ann had just been used
        Assert.Equal((2, 1), (_stats.Keys.Value, _stats.Evicted.Value));
        Assert.Equal("p p r", Takes(limiter, "bob", "bob", "bob")); // back with a full burst, and no more
    }

    [Fact]
    public void Take_WithAPlace_GivesTimesOneAfterTheOther_UntilTheLineIsFull()
    {
        RateLimiter limiter = Limiter(Waiting);
        limiter.Take(default, 0, Place());
        LinePlace[] places = [Place(), Place(), Place()];

        Assert.All(places, p => Assert.Equal(LimitAnswer.Waits, limiter.Take(default, 0, p).Answer));
        LimitVerdict fourth = limiter.Take(default, 0, Place());

        Assert.Equal([1, 2, 3], places.Select(p => limiter.DueAt(p) / _time.TimestampFrequency));
        Assert.Equal(new LimitVerdict(LimitAnswer.Refused, "whenExceeded.wait.maxQueue", 3, 3, TimeSpan.FromSeconds(4)), fourth);
        Assert.Equal((3, 3, 1), (_stats.Waited.Value, _stats.Waiting.Value, _stats.Limited.Value));
    }

    [Fact]
    public void Take_WhoWouldWaitTooLong_IsRefusedAtOnce()
    {
        RateLimiter limiter = Limiter(Waiting with { MaxWait = TimeSpan.FromMilliseconds(1500) });
        limiter.Take(default, 0, Place());
        limiter.Take(default, 0, Place());

        Assert.Equal(new LimitVerdict(LimitAnswer.Refused, "whenExceeded.wait.maxWait", 1500, 2000, TimeSpan.FromSeconds(2)), limiter.Take(default, 0, Place()));
    }

    [Fact]
    public async Task Leave_WithoutItsToken_MovesThoseBehindUp()
    {
        RateLimiter limiter = Limiter(Waiting);
        limiter.Take(default, 0, Place());
        LinePlace[] places = [Place(), Place(), Place()];
        Array.ForEach(places, p => limiter.Take(default, 0, p));
        Task last = limiter.WaitAsync(places[2], 0, null, default).AsTask();

        limiter.Leave(places[0], hasToken: false);

        Assert.Equal([1, 2], places.Skip(1).Select(p => limiter.DueAt(p) / _time.TimestampFrequency));
        _time.Advance(TimeSpan.FromMilliseconds(1999));
        Assert.False(last.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await last.WaitAsync(TimeSpan.FromSeconds(10));
        limiter.Leave(places[1], hasToken: true);
        limiter.Leave(places[2], hasToken: true);
        Assert.Equal((3, 0), (_stats.Ok.Value, _stats.Waiting.Value));
        LinePlace next = Place();
        Assert.Equal(LimitAnswer.Waits, limiter.Take(default, _time.GetTimestamp(), next).Answer);
        Assert.Equal(3, limiter.DueAt(next) / _time.TimestampFrequency); // as if the first had never come
    }

    [Fact]
    public void Leave_InAnyOrder_KeepsTheLineWhole()
    {
        RateLimiter limiter = Limiter(Waiting with { MaxQueue = 50, MaxWait = TimeSpan.FromMinutes(2) });
        Random random = new(1);
        List<LinePlace> waiting = [];
        limiter.Take(default, 0, null);
        for (int step = 0; step < 2000; step++)
        {
            if (waiting.Count < 40 && random.Next(2) == 0)
            {
                LinePlace place = Place();
                Assert.Equal(LimitAnswer.Waits, limiter.Take(default, 0, place).Answer);
                waiting.Add(place);
            }
            else if (waiting.Count > 0)
            {
                LinePlace leaving = waiting[random.Next(waiting.Count)];
                waiting.Remove(leaving);
                limiter.Leave(leaving, hasToken: false);
            }

            Assert.Equal(Enumerable.Range(1, waiting.Count).Select(static s => (long)s), waiting.Select(p => limiter.DueAt(p) / _time.TimestampFrequency));
        }
    }

    /// <summary>A producer brings 667 calls each second for a minute; each slice of 100 ms gets its share of the 40,000.</summary>
    [Fact]
    public void Pacing_FortyThousandAMinute_IsSixtySevenASlice()
    {
        RateLimiter limiter = Limiter(new() { Tokens = 40_000, Interval = TimeSpan.FromMinutes(1), Burst = 1, MaxWait = TimeSpan.FromSeconds(5), MaxQueue = 2000 });
        List<(long DueAt, LinePlace Place)> waiting = [];
        int[] slices = new int[600];
        for (int second = 0; second < 60; second++)
        {
            long now = second * _time.TimestampFrequency;
            foreach ((long dueAt, LinePlace place) in waiting.Where(w => w.DueAt <= now))
            {
                limiter.Leave(place, hasToken: true);
            }

            waiting.RemoveAll(w => w.DueAt <= now);
            for (int i = 0; i < 667; i++)
            {
                LinePlace place = Place();
                LimitAnswer answer = limiter.Take(default, now, place).Answer;
                long dueAt = answer == LimitAnswer.Waits ? limiter.DueAt(place) : now;
                Assert.NotEqual(LimitAnswer.Refused, answer);
                if (answer == LimitAnswer.Waits)
                {
                    waiting.Add((dueAt, place));
                }

                if (dueAt / (_time.TimestampFrequency / 10) is < 600 and long slice)
                {
                    slices[slice]++;
                }
            }
        }

        Assert.All(slices, static s => Assert.InRange(s, 66, 68));
        Assert.InRange(slices.Max() / slices.Average(), 1, 1.1);
    }

    [Fact]
    public void Update_KeepsBucketsUnlessTheyWouldBeOthers()
    {
        RateLimiter limiter = Limiter(OneASecond);
        limiter.Take(default, 0, null);
        limiter.Update(OneASecond with { Source = "default/rl#spec", Paths = ["/a"] });
        Assert.Equal(LimitAnswer.Refused, limiter.Take(default, 0, null).Answer);
        limiter.Update(OneASecond with { Tokens = 2 });
        Assert.Equal(LimitAnswer.Passes, limiter.Take(default, 0, null).Answer);
    }

    private RateLimiter Limiter(RateLimitConfig config) => new(config, _time.TimestampFrequency, _stats, _time);

    private LinePlace Place() => new(_time);

    private static string Takes(RateLimiter limiter, params string[] keys) =>
        string.Join(' ', keys.Select(k => limiter.Take(Encoding.ASCII.GetBytes(k), 0, null).Answer == LimitAnswer.Passes ? "p" : "r"));
}
