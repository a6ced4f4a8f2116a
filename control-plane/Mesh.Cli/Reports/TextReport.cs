using System.Globalization;
using System.Text;
using Mesh.Cli.Checking;
using Mesh.Rules.Validation;

namespace Mesh.Cli.Reports;

/// <summary>A line for each finding, <c>file:line:column: severity: path: message [check]</c>, which editors can jump to; then the sums. Pure.</summary>
internal static class TextReport
{
    /// <summary>Writes <paramref name="report"/>.</summary>
    public static string Write(Report report)
    {
        StringBuilder text = new();
        foreach (FileFinding finding in report.Findings)
        {
            Diagnostic found = finding.Diagnostic;
            string severity = found.Severity == Severity.Error ? "error" : "warning";
            string path = found.Path.Length > 0 ? found.Path + ": " : "";
            text.Append(CultureInfo.InvariantCulture, $"{finding.File}:{found.Line}:{found.Column}: {severity}: {path}{found.Message} [{finding.Check}]\n");
        }

        foreach (SkippedObject skipped in report.Skipped)
        {
            text.Append(CultureInfo.InvariantCulture, $"{skipped.File}:{skipped.Line}: note: {skipped.Kind} is no kind of the mesh; skipped\n");
        }

        string sums = $"{Count(report.Files, "file")}, {Count(report.Rules, "rule")}: {Count(report.Errors, "error")}, {Count(report.Warnings, "warning")}";
        return text.Append(sums).Append('\n').ToString();
    }

    private static string Count(int number, string what) => string.Create(CultureInfo.InvariantCulture, $"{number} {what}{(number == 1 ? "" : "s")}");
}
