using System.Globalization;
using System.Text.Json;

namespace Mesh.Lab.Metrics;

/// <summary>One event of <c>/outlier_events</c>.</summary>
internal sealed record EjectionLine(
    DateTimeOffset Timestamp, string Cluster, string Upstream, bool IsEject, string Reason, long NumEjections, bool IsEnforced, DateTimeOffset? Until)
{
    /// <summary>Reads the page: a JSON object a line, or a JSON array of them.</summary>
    public static List<EjectionLine> Parse(string page)
    {
        List<EjectionLine> events = [];
        string text = page.Trim();
        if (text.StartsWith('['))
        {
            using JsonDocument array = JsonDocument.Parse(text);
            events.AddRange(array.RootElement.EnumerateArray().Select(From));
            return events;
        }

        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument json = JsonDocument.Parse(line);
            events.Add(From(json.RootElement));
        }

        return events;
    }

    private static EjectionLine From(JsonElement json) => new(
        Time(json, "timestamp") ?? default, Text(json, "cluster_name"), Text(json, "upstream_url"), Text(json, "action") == "EJECT",
        Text(json, "reason"), json.GetProperty("num_ejections").GetInt64(), json.GetProperty("enforced").GetBoolean(), Time(json, "until"));

    private static string Text(JsonElement json, string key) =>
        json.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static DateTimeOffset? Time(JsonElement json, string key) =>
        DateTimeOffset.TryParse(Text(json, key), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) ? time : null;
}
