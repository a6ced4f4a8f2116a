using System.Globalization;
using System.Text.Json;

namespace Mesh.Soak;

/// <summary>One thing that had to be so.</summary>
internal sealed record SoakCheck(string Name, bool Passed, string Found);

/// <summary>Judges the samples.</summary>
internal static class SoakChecks
{
    /// <summary>A sidecar may open this many descriptors for good: its log, a TCP listener, an admin connection.</summary>
    public const int SpareDescriptors = 10;

    public static IEnumerable<SoakCheck> Of(string sidecar, SidecarSample baseline, IReadOnlyList<SidecarSample> samples, SidecarSample end)
    {
        (double growth, double bound) = Growth(samples);
        yield return new SoakCheck($"{sidecar}: no connection or request is left", end.Active == 0,
            $"downstream {end.DownstreamCx} connections {end.DownstreamRq} requests, upstream {end.UpstreamCx} and {end.UpstreamRq}, pending {end.Pending}");
        yield return new SoakCheck($"{sidecar}: descriptors are back", end.Descriptors <= baseline.Descriptors + SpareDescriptors,
            $"{baseline.Descriptors} at first, {samples.Max(static s => s.Descriptors)} at most, {end.Descriptors} at the end");
        yield return new SoakCheck($"{sidecar}: memory is flat over the second half", growth <= bound,
            string.Create(CultureInfo.InvariantCulture, $"fitted growth {growth / 1024:F1} MiB, allowed {bound / 1024:F1} MiB"));
        yield return new SoakCheck($"{sidecar}: unexpected_exception_total is 0", end.Unexpected == 0, $"{end.Unexpected}");
    }

    /// <summary>The growth that a straight line through the second half's resident memory shows, in KiB, and what is allowed: a tenth, at least 8 MiB,
    /// or 16 MiB while compiling and the heap's first growth are still under way.</summary>
    public static (double Growth, double Bound) Growth(IReadOnlyList<SidecarSample> samples)
    {
        SidecarSample[] half = [.. samples.Skip(samples.Count / 2)];
        double x = half.Average(static s => s.AtSeconds);
        double y = half.Average(static s => (double)s.RssKiB);
        double spread = half.Sum(s => (s.AtSeconds - x) * (s.AtSeconds - x));
        double slope = spread == 0 ? 0 : half.Sum(s => (s.AtSeconds - x) * (s.RssKiB - y)) / spread;
        double least = half[^1].AtSeconds < 300 ? 16 * 1024 : 8 * 1024;
        return (slope * (half[^1].AtSeconds - half[0].AtSeconds), Math.Max(least, y / 10));
    }

    public static string Row(SidecarSample s) => string.Create(CultureInfo.InvariantCulture,
        $"{s.AtSeconds,6:F0} {s.Sidecar,-7} {s.RssKiB / 1024.0,7:F1} {s.Descriptors,5} {s.Threads,4} {s.DownstreamCx,6} {s.DownstreamRq,6} {s.UpstreamCx,6} {s.UpstreamRq,6} {s.Pending,5} {s.Unexpected,4}");

    public static void WriteJson(string path, SoakOptions options, double rate, Tally tally, IEnumerable<SidecarSample> samples, IEnumerable<SoakCheck> checks)
    {
        using FileStream file = File.Create(path);
        using Utf8JsonWriter json = new(file, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteNumber("seconds", options.Duration.TotalSeconds);
        json.WriteNumber("seed", options.Seed);
        json.WriteNumber("rate", Math.Round(rate));
        json.WriteStartObject("outcomes");
        foreach ((string outcome, long count) in tally.Counts.OrderBy(static c => c.Key, StringComparer.Ordinal))
        {
            json.WriteNumber(outcome, count);
        }

        json.WriteEndObject();
        json.WritePropertyName("samples");
        JsonSerializer.Serialize(json, samples);
        json.WritePropertyName("checks");
        JsonSerializer.Serialize(json, checks);
        json.WriteEndObject();
    }
}
