namespace Mesh.Peers.Measuring;

/// <summary>Values of all rounds: the middle one, the lowest and the highest.</summary>
internal readonly record struct Summary(double Median, double Lowest, double Highest)
{
    /// <summary>Of at least one value; of an even number, the middle is half way between two.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static Summary Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
        {
            throw new ArgumentException("a summary needs a value", nameof(values));
        }

        int middle = sorted.Length / 2;
        double median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Summary(median, sorted[0], sorted[^1]);
    }
}
