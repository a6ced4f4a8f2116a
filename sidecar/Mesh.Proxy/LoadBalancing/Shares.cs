namespace Mesh.Proxy.LoadBalancing;

/// <summary>Parts of a whole, side by side: a point of the whole lies in one of them. Immutable.</summary>
internal sealed class Shares
{
    private readonly long[] _upTo; // running sums

    /// <param name="sizes">Size of each part, not negative.</param>
    public Shares(ReadOnlySpan<long> sizes)
    {
        _upTo = new long[sizes.Length];
        long sum = 0;
        for (int i = 0; i < sizes.Length; i++)
        {
            _upTo[i] = sum += sizes[i];
        }
    }

    /// <summary>Size of the whole.</summary>
    public long Total => _upTo.Length == 0 ? 0 : _upTo[^1];

    /// <summary>Index of the part that <paramref name="point"/> (0 to below <see cref="Total"/>) lies in.</summary>
    public int At(long point)
    {
        (int low, int high) = (0, _upTo.Length - 1);
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _upTo[middle] > point ? (low, middle) : (middle + 1, high);
        }

        return low;
    }
}
