using System.Globalization;
using System.Text.Json;

namespace Mesh.Lab.Metrics;

/// <summary>One line of an access log, as far as the lab reads it.</summary>
internal sealed record AccessLogEntry(DateTimeOffset Start, int Code, string Flags, string Cluster, string UpstreamHost, string? Reason);

/// <summary>Reads what a sidecar appends to its JSON access log.</summary>
/// <param name="path">The file; it may not exist yet.</param>
internal sealed class AccessLogFile(string path)
{
    /// <summary>Length now; a mark for <see cref="ReadFrom"/>.</summary>
    public long Length => File.Exists(path) ? new FileInfo(path).Length : 0;

    /// <summary>All complete lines after the mark.</summary>
    public List<AccessLogEntry> ReadFrom(long mark)
    {
        List<AccessLogEntry> entries = [];
        if (!File.Exists(path))
        {
            return entries;
        }

        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Position = mark;
        using StreamReader reader = new(file);
        string text = reader.ReadToEnd();
        foreach (string line in text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            entries.Add(Parse(line));
        }

        return entries;
    }

    /// <summary>Reads one line.</summary>
    internal static AccessLogEntry Parse(string line)
    {
        using JsonDocument json = JsonDocument.Parse(line);
        return new AccessLogEntry(
            DateTimeOffset.Parse(Text("start_time") ?? "1970-01-01Z", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
            json.RootElement.TryGetProperty("response_code", out JsonElement code) && code.TryGetInt32(out int number) ? number : 0,
            Text("response_flags") ?? "-", Text("upstream_cluster") ?? "", Text("upstream_host") ?? "", Text("mesh_reason"));

        string? Text(string key) =>
            json.RootElement.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
