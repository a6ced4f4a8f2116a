using System.Globalization;
using System.Text.Json;
using Mesh.Load.Measuring;

namespace Mesh.Load.CommandLine;

/// <summary>The report as JSON; times in milliseconds.</summary>
internal static class JsonReport
{
    /// <summary>Writes it.</summary>
    public static void Write(LoadReport report, Stream output)
    {
        using Utf8JsonWriter json = new(output, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteNumber("requests", report.Requests);
        json.WriteNumber("ok", report.Ok);
        json.WriteNumber("failed", report.Failed);
        json.WriteNumber("notSent", report.NotSent);
        json.WriteNumber("elapsedMs", report.Elapsed.TotalMilliseconds);
        json.WriteNumber("bytes", report.Bytes);
        json.WriteStartObject("latencyMs");
        json.WriteNumber("min", report.Latency.Min.TotalMilliseconds);
        foreach (double percent in (double[])[50, 90, 99, 99.9])
        {
            json.WriteNumber(string.Create(CultureInfo.InvariantCulture, $"p{percent}"), report.Latency.Percentile(percent).TotalMilliseconds);
        }

        json.WriteNumber("max", report.Latency.Max.TotalMilliseconds);
        json.WriteEndObject();
        WriteCounts(json, "codes", report.Codes.Select(static c => (c.Key.ToString(CultureInfo.InvariantCulture), c.Value)));
        WriteCounts(json, "reasons", report.Reasons.Select(static r => (r.Key, r.Value)));
        WriteCounts(json, "errors", report.Errors.Select(static e => (e.Key, e.Value)));
        json.WriteEndObject();
    }

    private static void WriteCounts(Utf8JsonWriter json, string name, IEnumerable<(string Key, long Count)> counts)
    {
        json.WriteStartObject(name);
        foreach ((string key, long count) in counts)
        {
            json.WriteNumber(key, count);
        }

        json.WriteEndObject();
    }
}
