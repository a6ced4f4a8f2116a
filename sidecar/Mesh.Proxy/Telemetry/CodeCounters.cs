namespace Mesh.Proxy.Telemetry;

/// <summary>One counter per status code. Thread-safe, never allocates on the request path.</summary>
public sealed class CodeCounters
{
    private readonly long[] _counts = new long[600];

    /// <summary>Responses with <paramref name="code"/>.</summary>
    public long this[int code] => Volatile.Read(ref _counts[code]);

    /// <summary>Counts one; a code outside 0..599 counts as 0.</summary>
    public void Add(int code) => Interlocked.Increment(ref _counts[(uint)code < 600 ? code : 0]);

    /// <summary>Responses with <paramref name="hundreds"/>xx.</summary>
    public long Class(int hundreds)
    {
        long sum = 0;
        for (int i = hundreds * 100; i < (hundreds * 100) + 100; i++)
        {
            sum += this[i];
        }

        return sum;
    }
}
