using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.RateLimits;

/// <summary>A plan under load: 500 requests in each hour, made up for at one a second. The clock begins at midnight.</summary>
public sealed class PlanWindowTests
{
    private static readonly RateLimitConfig Hourly = new() { Plan = new PlanConfig(500, TimeSpan.FromHours(1)), Tokens = 1, Interval = TimeSpan.FromSeconds(1), Burst = 3 };

    private readonly FakeTimeProvider _time = new();
    private readonly RateLimitStats _stats = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomCalls_NeverMoreThanTheTotalInAWindow_AndAllOfItWhereEnoughAreMade(int seed)
    {
        Random dice = new(seed);
        RateLimiter limiter = Limiter(Hourly);
        DateTimeOffset begin = _time.GetUtcNow();
        Dictionary<int, (int Passed, int Asked)> windows = [];
        for (int step = 0; step < 20_000; step++)
        {
            _time.Advance(TimeSpan.FromSeconds(dice.Next(300) == 0 ? dice.Next(1500) : dice.NextDouble() * 8));
            int window = (int)(_time.GetUtcNow() - begin).TotalHours;
            (int passed, int asked) = windows.GetValueOrDefault(window);
            if (limiter.Take(default, _time.GetTimestamp(), null).Answer == LimitAnswer.Passes)
            {
                passed++;
                if (dice.Next(10) == 0)
                {
                    limiter.GiveBack(default, _time.GetTimestamp());
                    passed--;
                }
            }

            windows[window] = (passed, asked + 1);
            Assert.Equal(500 - passed, limiter.PlanLeft(_time.GetTimestamp()));
        }

        Assert.All(windows.Values, static w => Assert.InRange(w.Passed, 0, 500));
        Assert.All(windows.Values.Where(static w => w.Asked > 850), static w => Assert.InRange(w.Passed, 480, 500));
    }

    [Fact]
    public void Take_BetweenTwoLooksAtTheTime_AllocatesNothing()
    {
        RateLimiter limiter = Limiter(Hourly with { Burst = 1 });
        long now = _time.GetTimestamp();
        Take();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Take();

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Take()
        {
            for (int i = 0; i < 1000; i++)
            {
                limiter.Take(default, now, null);
            }
        }
    }

    [Fact]
    public void Leave_WithoutItsToken_GivesItBackToThePlan()
    {
        RateLimiter limiter = Limiter(Hourly with { Burst = 1, MaxWait = TimeSpan.FromMinutes(1), MaxQueue = 5 });
        LinePlace place = new(_time);
        limiter.Take(default, _time.GetTimestamp(), null);
        Assert.Equal(LimitAnswer.Waits, limiter.Take(default, _time.GetTimestamp(), place).Answer);
        Assert.Equal(498, limiter.PlanLeft(_time.GetTimestamp()));

        limiter.Leave(place, hasToken: false);

        Assert.Equal(499, limiter.PlanLeft(_time.GetTimestamp()));
    }

    [Fact]
    public void Update_OfOtherFields_KeepsWhatIsDone()
    {
        RateLimiter limiter = Limiter(Hourly);
        limiter.Take(default, _time.GetTimestamp(), null);

        limiter.Update(Hourly with { Paths = ["/a"] });
        Assert.Equal(499, limiter.PlanLeft(_time.GetTimestamp()));
        limiter.Update(Hourly with { Plan = new PlanConfig(600, TimeSpan.FromHours(1)) });
        Assert.Equal(600, limiter.PlanLeft(_time.GetTimestamp()));
        limiter.Update(Hourly with { Plan = null });
        Assert.Null(limiter.PlanLeft(_time.GetTimestamp()));
    }

    [Fact]
    public void Update_OfThePaceAlone_KeepsWhatIsLeft()
    {
        RateLimiter limiter = Limiter(Hourly);
        _time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(3, Passes(limiter, 9));

        limiter.Update(Hourly with { Tokens = 4, Burst = 20 });

        Assert.Equal(497, limiter.PlanLeft(_time.GetTimestamp())); // not the half of it that a start in mid-window would leave
        Assert.Equal(20, Passes(limiter, 99));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(0, Passes(limiter, 9)); // 477 in half an hour
        limiter.Update(Hourly);
        _time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(500, limiter.PlanLeft(_time.GetTimestamp()));
    }

    [Theory]
    [InlineData(-20, 30)] // within the window, which is longer then
    [InlineData(-70, 80)] // into the one before: it is not done again either
    [InlineData(5, 5)]
    public void ClockThatIsSet_MovesTheEnd_AndGivesNothingBack(int by, int endsIn)
    {
        SettableClock clock = new(_time);
        RateLimiter limiter = new(Hourly, _time.TimestampFrequency, _stats, clock);
        Go(TimeSpan.FromMinutes(30));
        Go(TimeSpan.FromMinutes(20));
        int left = limiter.PlanLeft(clock.GetTimestamp())!.Value;
        Assert.InRange(left, 490, 499);

        clock.Shift = TimeSpan.FromMinutes(by);
        Go(TimeSpan.FromSeconds(2));
        Go(TimeSpan.FromMinutes(endsIn) - TimeSpan.FromSeconds(4));
        Assert.InRange(limiter.PlanLeft(clock.GetTimestamp())!.Value, left - 10, left);
        Go(TimeSpan.FromSeconds(4));
        Assert.Equal(499, limiter.PlanLeft(clock.GetTimestamp())); // the next window has begun

        void Go(TimeSpan time)
        {
            _time.Advance(time);
            limiter.Take(default, clock.GetTimestamp(), null);
        }
    }

    [Fact]
    public void ClockThatWasADayAhead_BeginsWithinItsWindow()
    {
        SettableClock clock = new(_time) { Shift = TimeSpan.FromDays(1) };
        RateLimiter limiter = new(Hourly, _time.TimestampFrequency, _stats, clock);
        clock.Shift = TimeSpan.Zero;
        _time.Advance(TimeSpan.FromMinutes(30));
        limiter.Take(default, clock.GetTimestamp(), null);

        Assert.Equal(249, limiter.PlanLeft(clock.GetTimestamp()));
    }

    private int Passes(RateLimiter limiter, int asked) => Enumerable.Range(0, asked).Count(_ => limiter.Take(default, _time.GetTimestamp(), null).Answer == LimitAnswer.Passes);

    /// <summary>A clock on the wall that is set, beside timestamps that go on.</summary>
    private sealed class SettableClock(FakeTimeProvider time) : TimeProvider
    {
        public TimeSpan Shift { get; set; }

        public override long TimestampFrequency => time.TimestampFrequency;

        public override long GetTimestamp() => time.GetTimestamp();

        public override DateTimeOffset GetUtcNow() => time.GetUtcNow() + Shift;
    }

    private RateLimiter Limiter(RateLimitConfig config) => new(config, _time.TimestampFrequency, _stats, _time);
}
