using System.Text.Json;

namespace Mesh.Lab.Metrics;

/// <summary>A circuit that all callers share, as the control plane's page <c>/mesh/v1/breakers</c> shows it.</summary>
/// <param name="State"><c>closed</c>, <c>open</c> or <c>half_open</c>; empty while nothing is decided.</param>
/// <param name="Epoch">Number of the decision.</param>
/// <param name="Calls">Calls in the window, of all callers.</param>
/// <param name="FailureRate">Of these, failed, in percent.</param>
/// <param name="Sick">The caller that fails alone, or null.</param>
/// <param name="Left">Time until the first trial, while it is open.</param>
/// <param name="Callers">How many callers report it.</param>
/// <param name="Probers">Those that try.</param>
internal sealed record CircuitView(string State, long Epoch, long Calls, double FailureRate, string? Sick, TimeSpan Left, int Callers, IReadOnlyList<string> Probers)
{
    /// <summary>The circuit of a cluster; null when nobody reports it.</summary>
    public static CircuitView? Parse(string page, string cluster)
    {
        using JsonDocument json = JsonDocument.Parse(page);
        foreach (JsonElement circuit in json.RootElement.GetProperty("circuits").EnumerateArray())
        {
            if (circuit.GetProperty("cluster").GetString() == cluster)
            {
                return From(circuit);
            }
        }

        return null;
    }

    private static CircuitView From(JsonElement circuit)
    {
        JsonElement[] callers = [.. circuit.GetProperty("callers").EnumerateArray()];
        return new CircuitView(
            circuit.GetProperty("decided").GetBoolean() ? circuit.GetProperty("state").GetString()! : "",
            circuit.GetProperty("epoch").GetInt64(),
            circuit.GetProperty("calls").GetInt64(),
            circuit.GetProperty("failureRate").GetDouble(),
            circuit.GetProperty("sick").GetString(),
            TimeSpan.FromMilliseconds(circuit.TryGetProperty("retryAfterMilliseconds", out JsonElement left) ? left.GetInt64() : 0),
            callers.Length,
            [.. callers.Where(static c => c.TryGetProperty("prober", out JsonElement prober) && prober.GetBoolean()).Select(static c => c.GetProperty("id").GetString()!)]);
    }
}
