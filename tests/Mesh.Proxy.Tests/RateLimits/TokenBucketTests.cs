using System.Numerics;
using Mesh.Proxy.RateLimits;
using Xunit;

namespace Mesh.Proxy.Tests.RateLimits;

public sealed class TokenBucketTests
{
    private const long Frequency = 1000; // milliseconds
    private const long Nanoseconds = 1_000_000_000;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Fact]
    public void TryTake_OneTokenASecond_GivesOneASecond()
    {
        TokenBucket bucket = Bucket(1, TimeSpan.FromSeconds(1), 1);

        Assert.True(bucket.TryTake(0, 0, out _));
        Assert.False(bucket.TryTake(999, 0, out long dueAt));
        Assert.Equal(1000, dueAt);
        Assert.True(bucket.TryTake(1000, 0, out _));
        Assert.False(bucket.TryTake(1999, 0, out _));
    }

    [Fact]
    public void TryTake_AfterALongPause_GivesNoMoreThanTheBurst()
    {
        TokenBucket bucket = Bucket(1_000_000, TimeSpan.FromDays(1), 3, Nanoseconds);
        foreach (long now in (long[])[0, Nanoseconds * 86400 * 365, long.MaxValue / 2])
        {
            Assert.Equal(3, Enumerable.Range(0, 100).Count(_ => bucket.TryTake(now, 0, out long _)));
        }
    }

    [Fact]
    public void TryTake_WhenTheClockGoesBack_GivesNothingAway()
    {
        TokenBucket bucket = Bucket(1, TimeSpan.FromSeconds(1), 1);
        Assert.True(bucket.TryTake(10_000, 0, out _));
        Assert.False(bucket.TryTake(0, 0, out long dueAt));
        Assert.Equal(11_000, dueAt);
    }

    [Fact]
    public void TryTake_RateThatDividesNoSecond_DoesNotDrift()
    {
        TokenBucket bucket = Bucket(3, TimeSpan.FromSeconds(1), 1, Nanoseconds);
        long now = 0;
        for (int i = 0; i <= 300_000; i++)
        {
            Assert.True(bucket.TryTake(now, long.MaxValue, out long dueAt));
            now = dueAt;
        }

        Assert.Equal(100_000 * Nanoseconds, now);
    }

    [Fact]
    public void GiveBack_MakesTheTokenAvailableToTheNext()
    {
        TokenBucket bucket = Bucket(1, TimeSpan.FromSeconds(1), 1);
        bucket.TryTake(0, 0, out _);
        bucket.TryTake(0, 5000, out _);
        bucket.GiveBack();
        Assert.False(bucket.TryTake(0, 0, out long dueAt));
        Assert.Equal(1000, dueAt);
    }

    [Fact]
    public void Count_TellsTheWholeTokensThatAreThere()
    {
        TokenBucket bucket = Bucket(2, TimeSpan.FromSeconds(1), 4);
        Assert.Equal(4, bucket.Count(0));
        bucket.TryTake(0, 0, out _);
        bucket.TryTake(0, 0, out _);
        bucket.TryTake(0, 0, out _);
        Assert.Equal([1, 1, 2, 4], new long[] { 0, 499, 500, 60_000 }.Select(bucket.Count));
    }

    /// <summary>Against a level that is filled up and emptied in whole numbers, over random times and waits.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void RandomHistory_BehavesAsTheReference(int seed)
    {
        Random random = new(seed);
        (int tokens, int interval, int burst) = (random.Next(1, 50), random.Next(1, 5000), random.Next(1, 20));
        TokenBucket bucket = Bucket(tokens, TimeSpan.FromMilliseconds(interval), burst);
        BigInteger level = (BigInteger)burst * interval;
        long now = 0;
        long before = 0;
        for (int i = 0; i < 2000; i++)
        {
            now += random.Next(5) == 0 ? random.Next(interval * 3) : random.Next(5);
            level = BigInteger.Min((BigInteger)burst * interval, level + ((BigInteger)(now - before) * tokens));
            before = now;
            long longest = random.Next(3) == 0 ? random.Next(interval * 2) : 0;
            BigInteger wait = level >= interval ? 0 : (interval - level + tokens - 1) / tokens;

            bool isTaken = bucket.TryTake(now, longest, out long dueAt);

            Assert.Equal((wait <= longest, now + (long)wait), (isTaken, dueAt));
            level -= isTaken ? interval : 0;
        }
    }

    /// <summary>However requests come: between any two that passed no more did than the burst and what came meanwhile.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void AnyWindow_HoldsNoMoreThanTheBurstAndWhatComes(int seed)
    {
        Random random = new(seed);
        (int tokens, int interval, int burst) = (random.Next(1, 20), random.Next(1, 2000), random.Next(1, 10));
        TokenBucket bucket = Bucket(tokens, TimeSpan.FromMilliseconds(interval), burst);
        List<long> passed = [];
        long now = 0;
        for (int i = 0; i < 3000; i++)
        {
            now += random.Next(20) == 0 ? random.Next(interval * burst * 2) : random.Next(3);
            if (bucket.TryTake(now, 0, out _))
            {
                passed.Add(now);
            }
        }

        Assert.True(passed.Count > burst);
        for (int first = 0; first < passed.Count; first++)
        {
            for (int last = first; last < passed.Count; last++)
            {
                long count = last - first + 1;
                Assert.True((count - burst) * interval <= (passed[last] - passed[first]) * tokens, $"seed {seed}: {count} from {passed[first]} to {passed[last]}");
            }
        }
    }

    private static TokenBucket Bucket(int tokens, TimeSpan interval, int burst, long frequency = Frequency) => new(new TokenRate(tokens, interval, burst, frequency));
}
