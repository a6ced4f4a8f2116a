using System.Text;
using System.Text.Json;
using Mesh.Rules.Wire;

namespace Mesh.Proxy.Telemetry;

/// <summary>The event log: a JSON line for each ejection and return, Envoy's keys and ours, and one for each change of a circuit breaker or of an adaptive concurrency limit. Keeps the last ones. Thread-safe.</summary>
/// <param name="write">Receives each line, without line feed; called under a lock, so lines keep their order.</param>
public sealed class EjectionLog(Action<string> write)
{
    /// <summary>How many events are kept.</summary>
    public const int Kept = 100;

    private readonly Lock _gate = new();
    private readonly Queue<string> _last = new(Kept);

    /// <summary>The last events, oldest first, each a JSON object.</summary>
    public IReadOnlyList<string> Last
    {
        get
        {
            lock (_gate)
            {
                return [.. _last];
            }
        }
    }

    /// <summary>Logs one event.</summary>
    public void Add(EjectionEvent ejection) => Add(Format(ejection));

    /// <summary>Logs one change of a circuit breaker.</summary>
    public void Add(BreakerEvent change) => Add(Format(change));

    /// <summary>Logs one change of an adaptive concurrency limit. These are many, and their cluster keeps the latest: here they would push the ejections out.</summary>
    public void Add(ConcurrencyEvent change)
    {
        string line = Format(change);
        lock (_gate)
        {
            write(line);
        }
    }

    private void Add(string line)
    {
        lock (_gate)
        {
            if (_last.Count == Kept)
            {
                _last.Dequeue();
            }

            _last.Enqueue(line);
            write(line);
        }
    }

    /// <summary>The event as a JSON object on one line.</summary>
    public static string Format(EjectionEvent ejection)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            json.WriteString("type", ejection.Detector.ToUpperInvariant());
            json.WriteString("cluster_name", ejection.Cluster);
            json.WriteString("upstream_url", ejection.Upstream);
            json.WriteString("action", ejection.IsEject ? "EJECT" : "UNEJECT");
            json.WriteNumber("num_ejections", ejection.NumEjections);
            json.WriteBoolean("enforced", ejection.IsEnforced);
            if (ejection.IsShadow)
            {
                json.WriteBoolean("shadow", true);
            }

            json.WriteNumber("secs_since_last_action", ejection.SinceLastAction is { } since ? (long)since.TotalSeconds : -1);
            json.WriteString("timestamp", Time(ejection.Timestamp));
            json.WriteString("until", ejection.Until is { } until ? Time(until) : null);
            json.WriteString("reason", ejection.Reason);
            json.WriteString("rule", ejection.Rule);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length);
    }

    /// <summary>The event as a JSON object on one line.</summary>
    public static string Format(BreakerEvent change)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            json.WriteString("type", "CIRCUIT_BREAKER");
            json.WriteString("cluster_name", change.Cluster);
            if (change.Endpoint is { } endpoint)
            {
                json.WriteString("upstream_url", endpoint);
            }

            json.WriteString("from", change.From);
            json.WriteString("to", change.To);
            json.WriteString("reason", change.Reason);
            json.WriteNumber("calls", change.Calls);
            json.WriteNumber("failure_rate", Math.Round(change.FailureRate, 1));
            json.WriteNumber("slow_call_rate", Math.Round(change.SlowRate, 1));
            json.WriteString("by", change.Order is null ? "sidecar" : "mesh");
            WriteOrder(json, change.Order);
            json.WriteBoolean("enforced", change.IsEnforced);
            json.WriteString("timestamp", Time(change.Timestamp));
            json.WriteString("rule", change.Rule);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length);
    }

    /// <summary>The event as a JSON object on one line.</summary>
    public static string Format(ConcurrencyEvent change)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            json.WriteString("type", "CONCURRENCY_LIMIT");
            json.WriteString("cluster_name", change.Cluster);
            json.WriteNumber("from", change.From);
            json.WriteNumber("to", change.To);
            json.WriteString("reason", change.Reason);
            json.WriteString("why", change.Why);
            json.WriteNumber("latency_ms", Math.Round(change.Latency.TotalMilliseconds, 3));
            json.WriteNumber("usual_ms", Math.Round(change.Usual.TotalMilliseconds, 3));
            json.WriteNumber("answers", change.Answers);
            json.WriteNumber("most_active", change.Active);
            json.WriteString("timestamp", Time(change.Timestamp));
            json.WriteString("rule", change.Rule);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length);
    }

    private static void WriteOrder(Utf8JsonWriter json, CircuitOrder? order)
    {
        if (order is null)
        {
            return;
        }

        json.WriteNumber("epoch", order.Epoch);
        json.WriteNumber("trials", order.Trials);
        if (order.Field.Length > 0)
        {
            json.WriteString("field", order.Field);
            json.WriteNumber("limit", order.Limit);
            json.WriteNumber("now", order.Now);
        }
    }

    private static string Time(DateTimeOffset at) =>
        at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
