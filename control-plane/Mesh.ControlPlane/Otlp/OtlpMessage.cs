using System.Globalization;
using System.Text.Json;
using Mesh.ControlPlane.Coordination;

namespace Mesh.ControlPlane.Otlp;

/// <summary>
/// Shared circuits as an OTLP metrics request in its JSON encoding (opentelemetry-proto, ExportMetricsServiceRequest): calls, failures and slow calls as cumulative sums for each rule, upstream and
/// caller, as the callers count them themselves, and the state as a gauge. 64-bit numbers are strings there. Pure.
/// </summary>
internal static class OtlpMessage
{
    private const int Cumulative = 2; // AGGREGATION_TEMPORALITY_CUMULATIVE

    private static readonly (string Name, string Unit, string Help, Func<CallCounts, long> Value)[] Sums =
    [
        ("mesh.circuit.calls", "{call}", "Calls that count for a shared circuit.", static c => c.Calls),
        ("mesh.circuit.failures", "{call}", "Failed ones among them.", static c => c.Failures),
        ("mesh.circuit.slow_calls", "{call}", "Slow ones among them.", static c => c.Slow),
    ];

    /// <summary>The message.</summary>
    /// <param name="circuits">What there is.</param>
    /// <param name="version">Version of this build.</param>
    /// <param name="now">Time of the figures.</param>
    public static byte[] Write(IReadOnlyList<CircuitFigures> circuits, string version, DateTimeOffset now)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            json.WriteStartArray("resourceMetrics");
            json.WriteStartObject();
            json.WriteStartObject("resource");
            Attributes(json, ("service.name", "mesh-control-plane"), ("service.version", version));
            json.WriteEndObject();
            json.WriteStartArray("scopeMetrics");
            json.WriteStartObject();
            json.WriteStartObject("scope");
            json.WriteString("name", "mesh.circuits");
            json.WriteString("version", version);
            json.WriteEndObject();
            json.WriteStartArray("metrics");
            foreach ((string name, string unit, string help, Func<CallCounts, long> value) in Sums)
            {
                WriteSum(json, (name, unit, help), circuits, value, now);
            }

            WriteState(json, circuits, now);
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    private static void WriteSum(Utf8JsonWriter json, (string Name, string Unit, string Help) metric, IReadOnlyList<CircuitFigures> circuits, Func<CallCounts, long> value, DateTimeOffset now)
    {
        json.WriteStartObject();
        Describe(json, metric);
        json.WriteStartObject("sum");
        json.WriteNumber("aggregationTemporality", Cumulative);
        json.WriteBoolean("isMonotonic", true);
        json.WriteStartArray("dataPoints");
        foreach (CircuitFigures circuit in circuits)
        {
            foreach (CallerFigures caller in circuit.Callers)
            {
                json.WriteStartObject();
                Attributes(json, ("mesh.rule", circuit.Rule), ("mesh.cluster", circuit.Cluster), ("mesh.sidecar", caller.Id));
                if (caller.StartedAt is { } since && since <= now)
                {
                    json.WriteString("startTimeUnixNano", Nanoseconds(since));
                }

                Value(json, value(caller.Total), now);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteState(Utf8JsonWriter json, IReadOnlyList<CircuitFigures> circuits, DateTimeOffset now)
    {
        json.WriteStartObject();
        Describe(json, ("mesh.circuit.state", "1", "State of a shared circuit: 0 closed, 1 open, 2 half-open."));
        json.WriteStartObject("gauge");
        json.WriteStartArray("dataPoints");
        foreach (CircuitFigures circuit in circuits)
        {
            json.WriteStartObject();
            Attributes(json, ("mesh.rule", circuit.Rule), ("mesh.cluster", circuit.Cluster));
            Value(json, (long)circuit.State, now);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Describe(Utf8JsonWriter json, (string Name, string Unit, string Help) metric)
    {
        json.WriteString("name", metric.Name);
        json.WriteString("description", metric.Help);
        json.WriteString("unit", metric.Unit);
    }

    private static void Value(Utf8JsonWriter json, long value, DateTimeOffset now)
    {
        json.WriteString("timeUnixNano", Nanoseconds(now));
        json.WriteString("asInt", value.ToString(CultureInfo.InvariantCulture));
    }

    private static void Attributes(Utf8JsonWriter json, params ReadOnlySpan<(string Key, string Value)> attributes)
    {
        json.WriteStartArray("attributes");
        foreach ((string key, string value) in attributes)
        {
            json.WriteStartObject();
            json.WriteString("key", key);
            json.WriteStartObject("value");
            json.WriteString("stringValue", value);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Nanoseconds(DateTimeOffset time) =>
        ((Int128)(time - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick).ToString(CultureInfo.InvariantCulture);
}
