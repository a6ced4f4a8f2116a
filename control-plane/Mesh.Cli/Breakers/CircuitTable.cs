using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Reports;

namespace Mesh.Cli.Breakers;

/// <summary>Shared circuits as text. Pure.</summary>
internal static class CircuitTable
{
    private static readonly string[] Titles = ["HOST", "STATE", "SINCE", "CALLS", "FAILED", "SLOW", "CALLERS", "RULE"];

    /// <summary>All circuits, or those of hosts with <paramref name="host"/> in their name; below each what is special about it.</summary>
    public static string List(JsonObject page, string? host)
    {
        List<JsonObject> circuits = [.. Objects(page, "circuits").Where(c => host is null || Text(c, "host").Contains(host, StringComparison.OrdinalIgnoreCase))];
        return circuits.Count > 0 ? Table(circuits)
            : host is null ? "no caller reports a shared circuit; a CircuitBreaker with scope: mesh makes one, others are known to their sidecars alone (meshctl explain host NAME)\n"
            : $"no caller reports a shared circuit of {host}\n";
    }

    /// <summary>What somebody's decision has led to.</summary>
    public static string Forced(JsonObject page, string state)
    {
        string until = page["forced"] is JsonObject forced ? $" until {Text(forced, "until")} (reason: {Text(forced, "reason")}, by {Text(forced, "by")})" : "";
        string word = state == "auto" ? "decided by what happens again" : state;
        string done = Text(page, "done") is { Length: > 0 } text ? $"; {text}" : "";
        return $"{Text(page, "host")}: {word}{until}{done}\n{Table([.. Objects(page, "circuits")])}";
    }

    private static string Table(List<JsonObject> circuits) => circuits.Count == 0 ? "" : TextTable.Write(Titles, [.. circuits.Select(c => (Cells(c), Notes(c)))]);

    private static string[] Cells(JsonObject c) =>
    [
        Text(c, "host"), Text(c, "state"), Text(c, "since") is { Length: > 0 } since ? since : "-", Text(c, "calls"),
        $"{Text(c, "failureRate")}%", $"{Text(c, "slowRate")}%", Objects(c, "callers").Count().ToString(CultureInfo.InvariantCulture), Text(c, "rule"),
    ];

    private static IEnumerable<string> Notes(JsonObject c)
    {
        if (c["forced"] is JsonObject forced)
        {
            yield return $"{Text(forced, "state")} by hand until {Text(forced, "until")}: {Text(forced, "reason")} ({Text(forced, "by")})";
        }

        if (c["passed"] is JsonObject passed)
        {
            yield return $"{Text(passed, "field")} {Text(passed, "limit")} was passed: {Text(passed, "now")}";
        }

        if (Text(c, "retryAfterMilliseconds") is { Length: > 0 } left)
        {
            yield return $"calls on trial go out in {left} ms";
        }

        if (Text(c, "sick") is { Length: > 0 } sick)
        {
            yield return $"caller {sick} alone fails: it is to blame, not the host, and the circuit does not open for it";
        }

        string[] probers = [.. Objects(c, "callers").Where(static p => Text(p, "prober") == "true").Select(static p => $"{Text(p, "id")} ({Text(p, "trials")} calls)")];
        if (probers.Length > 0)
        {
            yield return $"on trial: {string.Join(", ", probers)}; all others send nothing";
        }
    }

    private static IEnumerable<JsonObject> Objects(JsonObject from, string name) => (from[name] as JsonArray)?.OfType<JsonObject>() ?? [];

    private static string Text(JsonObject from, string name) => from[name]?.ToString() ?? "";
}
