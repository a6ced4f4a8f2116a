using Mesh.Proxy.Retry;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Retry;

/// <summary>Pauses: semantics 4.5, vector 11, and strategies of our own.</summary>
public sealed class BackoffTests
{
    private const int Samples = 4000;

    [Fact]
    public void Default_DrawsFromZeroUpToTheDoubledBase()
    {
        int[] ranges = [25, 50, 100, 200, 250, 250];
        double[] sums = new double[ranges.Length];
        Random random = new(11);
        for (int sample = 0; sample < Samples; sample++)
        {
            Backoff backoff = new(new BackoffConfig());
            for (int i = 0; i < ranges.Length; i++)
            {
                double pause = backoff.Next(random).TotalMilliseconds;
                Assert.InRange(pause, 0, ranges[i] - 1);
                sums[i] += pause;
            }
        }

        Assert.All(ranges.Zip(sums), static pair => Assert.InRange(pair.Second / Samples, pair.First * 0.45, pair.First * 0.55));
    }

    [Theory]
    [InlineData(BackoffStrategy.Exponential, new[] { 1000, 2000, 4000, 8000, 10_000, 10_000 })]
    [InlineData(BackoffStrategy.Fixed, new[] { 1000, 1000, 1000 })]
    [InlineData(BackoffStrategy.Linear, new[] { 1000, 2000, 3000, 4000 })]
    public void Strategy_WithoutJitter_GrowsAsItsNameSays(BackoffStrategy strategy, int[] expected) =>
        Assert.Equal(expected, Draw(Config(strategy, BackoffJitter.None), new ScriptedRandom(7), expected.Length));

    [Fact]
    public void Maximum_HoldsLinearBackToo() => Assert.Equal(
        [1000, 1500, 1500], Draw(Config(BackoffStrategy.Linear, BackoffJitter.None) with { Max = TimeSpan.FromMilliseconds(1500) }, new ScriptedRandom(), 3));

    [Theory] // the script is the draw; a ratio reads it as hundredths
    [InlineData(BackoffJitter.Full, 0, 0)]
    [InlineData(BackoffJitter.Full, 999, 999)]
    [InlineData(BackoffJitter.Equal, 0, 500)]
    [InlineData(BackoffJitter.Equal, 500, 1000)]
    [InlineData(BackoffJitter.Ratio, 0, 900)]
    [InlineData(BackoffJitter.Ratio, 50, 1000)]
    [InlineData(BackoffJitter.Ratio, 100, 1100)]
    public void Jitter_ChangesThePause(BackoffJitter jitter, int draw, int expected) =>
        Assert.Equal([expected], Draw(Config(BackoffStrategy.Fixed, jitter), new ScriptedRandom(draw), 1));

    [Theory]
    [InlineData(0, 2000)]
    [InlineData(1000, 3000)]
    public void RetryAfter_IsNeverCutShort(int draw, int expected) =>
        Assert.Equal(expected, Backoff.After(TimeSpan.FromSeconds(2), new ScriptedRandom(draw)).TotalMilliseconds);

    private static BackoffConfig Config(BackoffStrategy strategy, BackoffJitter jitter) =>
        new() { Strategy = strategy, Jitter = jitter, Base = TimeSpan.FromSeconds(1), Max = TimeSpan.FromSeconds(10) };

    private static int[] Draw(BackoffConfig config, Random random, int count)
    {
        Backoff backoff = new(config);
        int[] pauses = new int[count];
        for (int i = 0; i < count; i++)
        {
            pauses[i] = (int)Math.Round(backoff.Next(random).TotalMilliseconds);
        }

        return pauses;
    }
}
