using System.Numerics;

namespace Mesh.Load.Measuring;

/// <summary>
/// Counts times in buckets whose width grows with the time, so that any percentile is at most 1/128 (0.8 %) above the true one, in fixed
/// memory. Resolution 1 µs. Thread-safe.
/// </summary>
public sealed class LatencyHistogram
{
    private const int SubBits = 7;
    private const int SubCount = 1 << SubBits;
    private static readonly long Largest = (long)TimeSpan.FromHours(1).TotalMicroseconds;
    private readonly long[] _counts = new long[Index(Largest) + 1];
    private long _total;
    private long _sum;
    private long _min = long.MaxValue;
    private long _max;

    /// <summary>How many times were recorded.</summary>
    public long Count => Volatile.Read(ref _total);

    /// <summary>The longest, exact; zero when empty.</summary>
    public TimeSpan Max => TimeSpan.FromMicroseconds(Volatile.Read(ref _max));

    /// <summary>The shortest, exact; zero when empty.</summary>
    public TimeSpan Min => Count == 0 ? TimeSpan.Zero : TimeSpan.FromMicroseconds(Volatile.Read(ref _min));

    /// <summary>All times together.</summary>
    public TimeSpan Sum => TimeSpan.FromMicroseconds(Volatile.Read(ref _sum));

    /// <summary>Adds one time. Negative ones count as zero, those above an hour as an hour.</summary>
    public void Record(TimeSpan time)
    {
        long value = Math.Clamp((long)time.TotalMicroseconds, 0, Largest);
        Interlocked.Increment(ref _counts[Index(value)]);
        Interlocked.Increment(ref _total);
        Interlocked.Add(ref _sum, value);
        Lower(ref _min, value);
        Raise(ref _max, value);
    }

    /// <summary>The time that <paramref name="percent"/> of all do not exceed; zero when empty.</summary>
    public TimeSpan Percentile(double percent)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(percent, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        long rank = Math.Max(1, (long)Math.Ceiling(Count * percent / 100));
        long seen = 0;
        for (int i = 0; i < _counts.Length; i++)
        {
            seen += Volatile.Read(ref _counts[i]);
            if (seen >= rank)
            {
                return TimeSpan.FromMicroseconds(Math.Min(HighestOf(i), Volatile.Read(ref _max)));
            }
        }

        return Max;
    }

    // Below 128 every value has its bucket; above, each doubling is cut into 128.
    private static int Index(long value)
    {
        if (value < SubCount)
        {
            return (int)value;
        }

        int shift = BitOperations.Log2((ulong)value) - SubBits;
        return ((shift + 1) * SubCount) + (int)(value >> shift) - SubCount;
    }

    private static long HighestOf(int index)
    {
        if (index < SubCount)
        {
            return index;
        }

        int shift = (index / SubCount) - 1;
        return ((long)((index % SubCount) + SubCount + 1) << shift) - 1;
    }

    private static void Lower(ref long target, long value)
    {
        long seen = Volatile.Read(ref target);
        while (value < seen && Interlocked.CompareExchange(ref target, value, seen) is long now && now != seen)
        {
            seen = now;
        }
    }

    private static void Raise(ref long target, long value)
    {
        long seen = Volatile.Read(ref target);
        while (value > seen && Interlocked.CompareExchange(ref target, value, seen) is long now && now != seen)
        {
            seen = now;
        }
    }
}
