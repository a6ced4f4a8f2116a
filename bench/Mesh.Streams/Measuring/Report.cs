using System.Globalization;

namespace Mesh.Streams.Measuring;

/// <summary>Prints figures, and checks that are about counts.</summary>
/// <param name="output">Where to.</param>
internal sealed class Report(TextWriter output)
{
    /// <summary>Whether every check held.</summary>
    public bool IsGood { get; private set; } = true;

    /// <summary>A figure.</summary>
    public void Figure(string what, FormattableString value) => output.WriteLine($"     {what,-54} {value.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>A check.</summary>
    public void Check(string what, bool holds)
    {
        output.WriteLine($"{(holds ? "PASS" : "FAIL")} {what}");
        IsGood &= holds;
    }

    /// <summary>A check of two numbers.</summary>
    public void Equal(string what, long wanted, long found) => Check(wanted == found ? what : $"{what}: wanted {wanted}, found {found}", wanted == found);

    /// <summary>Bytes as people read them.</summary>
    public static string Size(long bytes) => bytes < 100_000
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes} B")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB");

    /// <summary>Resident memory as people read it.</summary>
    public static string Memory(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0} MiB");

    /// <summary>The value below which that part of the values lies.</summary>
    public static double Percentile(IReadOnlyList<double> values, double part)
    {
        double[] sorted = [.. values.Order()];
        return sorted[Math.Max(0, (int)Math.Ceiling(part * sorted.Length) - 1)];
    }
}
