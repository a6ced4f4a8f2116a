using System.Globalization;

namespace Mesh.Peers.Load;

/// <summary>What h2load's log says of one run; it prints no percentiles itself.</summary>
/// <param name="Requests">Answers.</param>
/// <param name="Errors">Answers other than 2xx, and requests without one.</param>
/// <param name="P50Ms">Median latency.</param>
/// <param name="P99Ms">99th percentile.</param>
internal sealed record RateLog(long Requests, long Errors, double P50Ms, double P99Ms)
{
    /// <summary>Reads its log: start in microseconds, status, latency in microseconds, one request a line.</summary>
    /// <exception cref="FormatException">A line is something else, or there is none.</exception>
    public static RateLog Parse(string text)
    {
        List<double> latencies = [];
        long errors = 0;
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] fields = line.Split('\t');
            if (fields.Length != 3 || !int.TryParse(fields[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int status)
                || !long.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out long micros))
            {
                throw new FormatException($"not a line of h2load's log: {line}");
            }

            errors += status is >= 200 and < 300 ? 0 : 1;
            latencies.Add(micros / 1000.0);
        }

        if (latencies.Count == 0)
        {
            throw new FormatException("h2load's log is empty");
        }

        latencies.Sort();
        return new RateLog(latencies.Count, errors, At(latencies, 50), At(latencies, 99));
    }

    private static double At(List<double> sorted, int percent) => sorted[(int)Math.Min(sorted.Count - 1L, sorted.Count * (long)percent / 100)];
}
