using System.Text.Json.Nodes;
using Mesh.Cli.Asking;
using Mesh.Cli.Explaining;
using Mesh.Cli.Reports;

namespace Mesh.Cli.Shadows;

/// <summary>Runs <c>shadow</c>: what rules in shadow mode would have done, as a table.</summary>
internal static class ShadowCommand
{
    private static readonly string[] Heading = ["SIDECAR", "CLUSTER", "RULE", "FIELD", "WOULD", "COUNT", "EVALUATED", "SEEN/LIMIT", "LAST"];

    /// <summary>Does it; gives the exit code.</summary>
    public static int Run(ShadowOptions options, TextWriter output, TextWriter error, HttpMessageHandler http)
    {
        using JsonSource source = new(http);
        IReadOnlyList<SidecarAnswer> answers = SidecarAnswers.Ask(source, options.Admins, "/shadow");
        if (!SidecarAnswers.Note(answers, error))
        {
            return Application.Refused;
        }

        if (options.Format == OutputFormat.Json)
        {
            output.Write(Json(answers));
            return Application.Good;
        }

        List<string[]> rows = [.. answers.SelectMany(static a => a.List("shadows").Select(l => Row(a.Name, l)))];
        if (rows.Count == 0)
        {
            output.WriteLine("no rule is in shadow mode (annotation mesh.dev/mode: shadow of a DestinationRule, mode: shadow of a ResiliencePolicy, CircuitBreaker, RateLimit or Fallback)");
            return Application.Good;
        }

        int[] widths = [.. Heading.Select((h, i) => rows.Max(r => Math.Max(r[i].Length, h.Length)))];
        foreach (string[] row in rows.Prepend(Heading))
        {
            output.WriteLine(string.Join("  ", row.Select((text, i) => text.PadRight(widths[i]))).TrimEnd());
        }

        return Application.Good;
    }

    private static string Json(IReadOnlyList<SidecarAnswer> answers) => JsonText.Object(json =>
    {
        json.WriteStartArray("sidecars");
        foreach (JsonObject page in answers.Select(static a => a.Page).OfType<JsonObject>())
        {
            page.WriteTo(json);
        }

        json.WriteEndArray();
    });

    private static string[] Row(string sidecar, JsonObject line)
    {
        string rule = Text(line, "rule");
        int path = rule.IndexOf('#', StringComparison.Ordinal);
        string seen = (Text(line, "max_seen"), Text(line, "limit")) switch
        {
            ("", "") => "",
            (var most, "") => most,
            ("", var limit) => $"-/{limit}",
            (var most, var limit) => $"{most}/{limit}",
        };
        string field = path < 0 ? Text(line, "field") : string.Join('.', ((string[])[rule[(rule.LastIndexOfAny(['.', '#']) + 1)..], Text(line, "field")]).Where(static p => p.Length > 0 && p != "spec"));
        return [sidecar, Text(line, "cluster"), path < 0 ? rule : rule[..path], field, Text(line, "would").Replace('_', ' '), Text(line, "count"), Text(line, "evaluated"), seen, Text(line, "last")];
    }

    private static string Text(JsonObject from, string name) => from[name]?.ToString() ?? "";
}
