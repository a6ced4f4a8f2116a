using Mesh.Load.Measuring;

namespace Mesh.Bench.Tests.Load;

public sealed class LatencyHistogramTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Percentile_RandomTimes_IsNeverBelowAndAtMostOneIn128Above(int seed)
    {
        Random random = new(seed);
        long[] values = [.. Enumerable.Range(0, 5000).Select(_ => (long)Math.Exp(random.NextDouble() * 22) % 3_600_000_000L)];
        LatencyHistogram histogram = new();
        foreach (long value in values)
        {
            histogram.Record(TimeSpan.FromMicroseconds(value));
        }

        Array.Sort(values);
        foreach (double percent in (double[])[0, 1, 10, 50, 90, 99, 99.9, 100])
        {
            long exact = values[Math.Max(1, (int)Math.Ceiling(values.Length * percent / 100)) - 1];
            double found = histogram.Percentile(percent).TotalMicroseconds;
            Assert.InRange(found, exact, exact + (exact / 128.0));
        }

        Assert.Equal(values[^1], histogram.Max.TotalMicroseconds);
        Assert.Equal(values[0], histogram.Min.TotalMicroseconds);
        Assert.Equal(values.Sum(), (long)histogram.Sum.TotalMicroseconds);
    }

    [Fact]
    public void Percentile_Empty_IsZero()
    {
        LatencyHistogram histogram = new();
        Assert.Equal(TimeSpan.Zero, histogram.Percentile(99));
        Assert.Equal(TimeSpan.Zero, histogram.Min);
    }

    [Fact]
    public void Record_OutOfRange_IsTakenToTheEnds()
    {
        LatencyHistogram histogram = new();
        histogram.Record(TimeSpan.FromSeconds(-1));
        histogram.Record(TimeSpan.FromHours(9));
        Assert.Equal(TimeSpan.Zero, histogram.Min);
        Assert.Equal(TimeSpan.FromHours(1), histogram.Max);
        Assert.Equal(2, histogram.Count);
    }
}
