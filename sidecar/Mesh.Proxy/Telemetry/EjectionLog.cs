using System.Text;
using System.Text.Json;

namespace Mesh.Proxy.Telemetry;

/// <summary>The outlier event log: a JSON line for each ejection and return, Envoy's keys and ours. Keeps the last ones. Thread-safe.</summary>
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
    public void Add(EjectionEvent ejection)
    {
        string line = Format(ejection);
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
            json.WriteNumber("secs_since_last_action", ejection.SinceLastAction is { } since ? (long)since.TotalSeconds : -1);
            json.WriteString("timestamp", Time(ejection.Timestamp));
            json.WriteString("until", ejection.Until is { } until ? Time(until) : null);
            json.WriteString("reason", ejection.Reason);
            json.WriteString("rule", ejection.Rule);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length);
    }

    private static string Time(DateTimeOffset at) =>
        at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
