using System.Globalization;
using Mesh.Lab.World;

namespace Mesh.Lab.Checks;

/// <summary>Calls in each slice of time, as the destination counted them.</summary>
/// <param name="Counts">One number a slice.</param>
internal sealed record Slices(IReadOnlyList<int> Counts)
{
    /// <summary>A slice.</summary>
    public static TimeSpan Length { get; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Mean calls of a slice.</summary>
    public double Mean => Counts.Average();

    /// <summary>How many slices have so many calls.</summary>
    public int Within(int least, int most) => Counts.Count(c => c >= least && c <= most);

    /// <summary>Counts calls of a class in whole slices from <paramref name="from"/> on.</summary>
    public static Slices Of(IEnumerable<Arrival> arrivals, string name, long from, int slices, long frequency)
    {
        int[] counts = new int[slices];
        long length = (long)(Length.TotalSeconds * frequency);
        foreach (Arrival arrival in arrivals.Where(a => a.Class == name && a.At >= from))
        {
            long slice = (arrival.At - from) / length;
            if (slice < slices)
            {
                counts[slice]++;
            }
        }

        return new Slices(counts);
    }
}

/// <summary>What must hold of a class of calls that is paced, on a machine that has other things to do too. Pure.</summary>
internal static class PacingChecks
{
    private const double Tolerance = 0.01; // of the mean, over many slices: a machine that stands still for a moment hands the calls over a little later
    private const double MostSlices = 0.75;
    private const int Reach = 7; // a tenth of a slice's calls: ten milliseconds

    /// <summary>As many as the rate on the whole; and slice by slice, as far as one can ask it of two busy cores.</summary>
    /// <param name="perSlice">Calls that the rate makes of a slice.</param>
    /// <param name="seen">What came.</param>
    public static IEnumerable<LabCheck> Even(double perSlice, Slices seen)
    {
        int least = (int)Math.Floor(perSlice * (1 - Tolerance) * seen.Counts.Count);
        int most = (int)Math.Ceiling(perSlice * (1 + Tolerance) * seen.Counts.Count);
        yield return LabCheck.AtLeast(Line($"calls in {seen.Counts.Count} slices of 100 ms, at {perSlice:0.0} each"), least, seen.Counts.Sum());
        yield return LabCheck.AtMost(Line($"calls in {seen.Counts.Count} slices of 100 ms, at {perSlice:0.0} each"), most, seen.Counts.Sum());
        (int low, int high) = ((int)Math.Floor(perSlice) - Reach, (int)Math.Ceiling(perSlice) + Reach);
        yield return LabCheck.AtLeast(Line($"slices of {low} to {high} calls"), (int)(MostSlices * seen.Counts.Count), seen.Within(low, high));
    }

    /// <summary>Calls that are not of the class go first: none waits as long as the paced ones, and none is refused.</summary>
    public static IEnumerable<LabCheck> Unpaced(TimeSpan typical, TimeSpan typicalOfPaced, long failed)
    {
        yield return LabCheck.That(Line($"an interactive call takes less than a quarter of a paced one ({typical.TotalMilliseconds:0.0} ms, {typicalOfPaced.TotalMilliseconds:0.0} ms)"), typical < typicalOfPaced / 4);
        yield return LabCheck.Equal("interactive calls that failed", 0, failed);
    }

    private static string Line(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
