using System.Text.Json;
using Mesh.Cli.Checking;
using Mesh.Rules.Validation;

namespace Mesh.Cli.Reports;

/// <summary>One JSON object: sums, findings, skipped objects. Pure.</summary>
internal static class JsonReport
{
    /// <summary>Writes <paramref name="report"/>.</summary>
    public static string Write(Report report) => JsonText.Object(json =>
    {
        json.WriteNumber("files", report.Files);
        json.WriteNumber("rules", report.Rules);
        json.WriteNumber("errors", report.Errors);
        json.WriteNumber("warnings", report.Warnings);
        json.WriteStartArray("findings");
        foreach (FileFinding finding in report.Findings)
        {
            Finding(json, finding);
        }

        json.WriteEndArray();
        json.WriteStartArray("skipped");
        foreach (SkippedObject skipped in report.Skipped)
        {
            json.WriteStartObject();
            json.WriteString("file", skipped.File);
            json.WriteNumber("line", skipped.Line);
            json.WriteString("kind", skipped.Kind);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static void Finding(Utf8JsonWriter json, FileFinding finding)
    {
        Diagnostic found = finding.Diagnostic;
        json.WriteStartObject();
        json.WriteString("file", finding.File);
        json.WriteNumber("line", found.Line);
        json.WriteNumber("column", found.Column);
        json.WriteString("severity", found.Severity == Severity.Error ? "error" : "warning");
        json.WriteString("check", finding.Check);
        if (finding.Rule is { } rule)
        {
            json.WriteString("rule", rule.ToString());
        }

        json.WriteString("path", found.Path);
        json.WriteString("message", found.Message);
        json.WriteEndObject();
    }
}
