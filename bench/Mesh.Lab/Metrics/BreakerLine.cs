using System.Globalization;
using System.Text.Json;

namespace Mesh.Lab.Metrics;

/// <summary>A change of a circuit breaker, as a sidecar's event log has it.</summary>
/// <param name="At">When.</param>
/// <param name="To">The state now.</param>
/// <param name="Reason">Why.</param>
/// <param name="Epoch">Number of the control plane's decision; 0 where the sidecar decided.</param>
internal sealed record BreakerLine(DateTimeOffset At, string To, string Reason, long Epoch)
{
    private const string Start = """{"type":"CIRCUIT_BREAKER",""";

    /// <summary>The changes among the lines of a log.</summary>
    public static List<BreakerLine> Parse(string log)
    {
        List<BreakerLine> found = [];
        foreach (string line in log.Split('\n').Where(static l => l.StartsWith(Start, StringComparison.Ordinal) && l.TrimEnd().EndsWith('}')))
        {
            using JsonDocument json = JsonDocument.Parse(line);
            JsonElement root = json.RootElement;
            found.Add(new BreakerLine(
                DateTimeOffset.Parse(root.GetProperty("timestamp").GetString()!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
                root.GetProperty("to").GetString()!,
                root.GetProperty("reason").GetString()!,
                root.TryGetProperty("epoch", out JsonElement epoch) ? epoch.GetInt64() : 0));
        }

        return found;
    }
}
