using System.Text.Json;
using Mesh.Cli.Checking;
using Mesh.Rules.Validation;

namespace Mesh.Cli.Reports;

/// <summary>SARIF 2.1.0, the exchange format of static analysis. Pure.</summary>
internal static class SarifReport
{
    /// <summary>Writes <paramref name="report"/>; <paramref name="version"/> is the tool's.</summary>
    public static string Write(Report report, string version)
    {
        string[] checks = [.. report.Findings.Select(static f => f.Check).Distinct().Order(StringComparer.Ordinal)];
        return JsonText.Object(json =>
        {
            json.WriteString("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
            json.WriteString("version", "2.1.0");
            json.WriteStartArray("runs");
            json.WriteStartObject();
            Tool(json, version, checks);
            json.WriteString("columnKind", "utf16CodeUnits");
            json.WriteStartArray("results");
            foreach (FileFinding finding in report.Findings)
            {
                Result(json, finding, Array.IndexOf(checks, finding.Check));
            }

            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
        });
    }

    private static void Tool(Utf8JsonWriter json, string version, string[] checks)
    {
        json.WriteStartObject("tool");
        json.WriteStartObject("driver");
        json.WriteString("name", "meshctl");
        json.WriteString("version", version);
        json.WriteStartArray("rules");
        foreach (string check in checks)
        {
            json.WriteStartObject();
            json.WriteString("id", check);
            (string what, string help) = CheckTexts.Of(check);
            Text(json, "shortDescription", what);
            Text(json, "fullDescription", what);
            Text(json, "help", help);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Result(Utf8JsonWriter json, FileFinding finding, int ruleIndex)
    {
        Diagnostic found = finding.Diagnostic;
        json.WriteStartObject();
        json.WriteString("ruleId", finding.Check);
        json.WriteNumber("ruleIndex", ruleIndex);
        json.WriteString("level", found.Severity == Severity.Error ? "error" : "warning");
        json.WriteStartObject("message");
        json.WriteString("text", found.Path.Length > 0 ? $"{found.Path}: {found.Message}" : found.Message);
        json.WriteEndObject();
        json.WriteStartArray("locations");
        json.WriteStartObject();
        json.WriteStartObject("physicalLocation");
        json.WriteStartObject("artifactLocation");
        json.WriteString("uri", UriOf(finding.File));
        json.WriteEndObject();
        if (found.Line > 0)
        {
            json.WriteStartObject("region");
            json.WriteNumber("startLine", found.Line);
            json.WriteNumber("startColumn", Math.Max(1, found.Column));
            json.WriteEndObject();
        }

        json.WriteEndObject();
        if (found.Path.Length > 0)
        {
            json.WriteStartArray("logicalLocations");
            json.WriteStartObject();
            json.WriteString("fullyQualifiedName", found.Path);
            json.WriteEndObject();
            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Text(Utf8JsonWriter json, string name, string text)
    {
        json.WriteStartObject(name);
        json.WriteString("text", text);
        json.WriteEndObject();
    }

    // Relative paths stay relative, so that a code host can match them with its files.
    private static string UriOf(string file)
    {
        string slashes = file.Replace(Path.DirectorySeparatorChar, '/');
        slashes = slashes.StartsWith("./", StringComparison.Ordinal) ? slashes[2..] : slashes;
        string escaped = string.Join('/', slashes.Split('/').Select(Uri.EscapeDataString));
        return Path.IsPathRooted(file) ? "file://" + escaped : escaped;
    }
}
