namespace Mesh.Proxy.Telemetry;

/// <summary>Counts values by bucket, with Istio's default buckets (semantics 10.1; milliseconds and bytes alike). Lock-free, never allocates on the request path.</summary>
public sealed class Histogram
{
    private const double SumScale = 1000; // the sum is kept in thousandths: whole microseconds for durations

    private static readonly double[] DefaultBounds =
        [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000];

    private readonly long[] _counts = new long[DefaultBounds.Length + 1];
    private long _sum;

    /// <summary>Counts one value.</summary>
    public void Observe(double value)
    {
        int bucket = 0;
        while (bucket < DefaultBounds.Length && value > DefaultBounds[bucket])
        {
            bucket++;
        }

        Interlocked.Increment(ref _counts[bucket]);
        Interlocked.Add(ref _sum, (long)(value * SumScale));
    }

    /// <summary>The counts now. Values observed meanwhile may or may not be in it, but every count is one that was true.</summary>
    public HistogramSnapshot Read()
    {
        long[] counts = new long[_counts.Length];
        for (int i = 0; i < counts.Length; i++)
        {
            counts[i] = Volatile.Read(ref _counts[i]);
        }

        return new HistogramSnapshot(DefaultBounds, counts, Volatile.Read(ref _sum) / SumScale);
    }
}

/// <summary>A histogram as read.</summary>
/// <param name="Bounds">Upper bounds, inclusive, ascending.</param>
/// <param name="Counts">Counts of each bucket, not cumulated; one more than bounds, the last for all above.</param>
/// <param name="Sum">Sum of the values.</param>
public readonly record struct HistogramSnapshot(double[] Bounds, long[] Counts, double Sum);
