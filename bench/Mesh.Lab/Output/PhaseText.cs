using System.Globalization;
using System.Text;
using Mesh.Lab.Checks;
using Mesh.Lab.Phases;
using Mesh.Lab.World;

namespace Mesh.Lab.Output;

/// <summary>A phase as a person reads it: every layer's view of each run side by side, then the checks.</summary>
internal static class PhaseText
{
    private const int NameWidth = 38;

    /// <summary>The whole phase.</summary>
    public static string Of(PhaseResult phase, int number)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"\n== Phase {number}: {phase.Title}\n");
        foreach (PhaseRun run in phase.Runs)
        {
            AppendRun(text, run);
        }

        text.Append(phase.Notes.Count > 0 ? "\n" : "");
        foreach (string note in phase.Notes)
        {
            text.Append("  ").Append(note).Append('\n');
        }

        text.Append('\n');
        foreach (LabCheck check in phase.Checks)
        {
            text.Append(check.Passed ? "  ok    " : "  FAIL  ").Append(check.Name);
            text.Append(check.Passed ? $" ({check.Actual})\n" : $"\n          expected {check.Expected}, found {check.Actual}\n");
        }

        return text.ToString();
    }

    private static void AppendRun(StringBuilder text, PhaseRun run)
    {
        Measurement m = run.Measured;
        string title = string.Create(CultureInfo.InvariantCulture, $"{run.Title} ({m.Load.Elapsed.TotalSeconds:F1} s)");
        text.Append(CultureInfo.InvariantCulture, $"\n  {title}\n");
        text.Append(CultureInfo.InvariantCulture, $"  {"",-NameWidth}{"calls",8}{"ok",8}{"refused",9}{"errors",8}{"most conns",12}{"p50 ms",9}{"p99 ms",9}\n");
        long refused = m.Load.Reasons.Values.Sum();
        string user = m.Callers.Count > 0 && run.Measured.Load.WithCode(201) + run.Measured.Load.WithCode(500) > 0 ? "user of orders sees" : "caller sees";
        text.Append(
            CultureInfo.InvariantCulture,
            $"  {user,-NameWidth}{m.Load.Requests,8}{m.Load.Ok,8}{refused,9}{m.Load.Failed - refused,8}{"",12}{m.Load.Latency.Percentile(50).TotalMilliseconds,9:F1}{m.Load.Latency.Percentile(99).TotalMilliseconds,9:F1}\n");
        foreach (LayerNumbers layer in m.Callers.Concat(m.Apps))
        {
            text.Append(CultureInfo.InvariantCulture, $"  {layer.Name,-NameWidth}{layer.Requests,8}{layer.Ok,8}{layer.Refused,9}{layer.Errors,8}{layer.MostConnections,12}\n");
        }

        foreach ((string name, InstanceCounts own) in m.Instances)
        {
            long ok = own.Answers.Where(static a => a.Key < 400).Sum(static a => a.Value);
            text.Append(CultureInfo.InvariantCulture, $"  {name + ": its own count",-NameWidth}{own.Requests,8}{ok,8}{"",9}{own.Requests - ok,8}{own.MaxConcurrency,12}\n");
        }
    }
}
