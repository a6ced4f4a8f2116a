using System.Text.Json;
using Mesh.Lab.Checks;
using Mesh.Lab.Phases;
using Mesh.Lab.World;

namespace Mesh.Lab.Output;

/// <summary>The results as JSON.</summary>
internal static class LabJson
{
    /// <summary>Writes them.</summary>
    /// <param name="phases">Phases that ran.</param>
    /// <param name="passed">Whether the whole lab passed.</param>
    /// <param name="elapsed">Time of the whole lab.</param>
    /// <param name="output">Receives UTF-8.</param>
    public static void Write(IReadOnlyList<PhaseResult> phases, bool passed, TimeSpan elapsed, Stream output)
    {
        using Utf8JsonWriter json = new(output, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteBoolean("passed", passed);
        json.WriteNumber("elapsedSeconds", Math.Round(elapsed.TotalSeconds, 3));
        json.WriteStartArray("phases");
        foreach (PhaseResult phase in phases)
        {
            WritePhase(json, phase);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WritePhase(Utf8JsonWriter json, PhaseResult phase)
    {
        json.WriteStartObject();
        json.WriteString("name", phase.Name);
        json.WriteBoolean("passed", phase.Passed);
        json.WriteNumber("requests", phase.Requests);
        json.WriteNumber("ok", phase.Ok);
        json.WriteNumber("overflow", phase.Overflow);
        json.WriteStartArray("runs");
        foreach (PhaseRun run in phase.Runs)
        {
            WriteRun(json, run);
        }

        json.WriteEndArray();
        json.WriteStartArray("checks");
        foreach (LabCheck check in phase.Checks)
        {
            json.WriteStartObject();
            json.WriteString("name", check.Name);
            json.WriteBoolean("passed", check.Passed);
            json.WriteString("expected", check.Expected);
            json.WriteString("actual", check.Actual);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRun(Utf8JsonWriter json, PhaseRun run)
    {
        Measurement m = run.Measured;
        json.WriteStartObject();
        json.WriteString("title", run.Title);
        json.WriteNumber("requests", m.Load.Requests);
        json.WriteNumber("ok", m.Load.Ok);
        json.WriteNumber("p50Ms", m.Load.Latency.Percentile(50).TotalMilliseconds);
        json.WriteNumber("p99Ms", m.Load.Latency.Percentile(99).TotalMilliseconds);
        json.WriteNumber("stockFell", m.StockFell);
        json.WriteStartArray("layers");
        foreach (LayerNumbers layer in m.Callers.Concat(m.Apps))
        {
            json.WriteStartObject();
            json.WriteString("name", layer.Name);
            json.WriteNumber("requests", layer.Requests);
            json.WriteNumber("ok", layer.Ok);
            json.WriteNumber("overflow", layer.Refused);
            json.WriteNumber("errors", layer.Errors);
            json.WriteNumber("mostConnections", layer.MostConnections);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
