namespace Mesh.Proxy.Telemetry;

/// <summary>What kind of number a statistic is.</summary>
public enum StatType
{
    /// <summary>Only grows.</summary>
    Counter,

    /// <summary>Goes up and down.</summary>
    Gauge,
}

/// <summary>One statistic: its name, what it means and how it is read. The text page, the JSON page and Prometheus all read these rows.</summary>
/// <typeparam name="T">What it is read from.</typeparam>
/// <param name="Name">Envoy's name within its scope, such as <c>upstream_rq_pending_overflow</c>; may hold dots.</param>
/// <param name="Type">Counter or gauge.</param>
/// <param name="Help">One line for the reader of a metrics page.</param>
/// <param name="Read">Reads the value; cheap and thread-safe.</param>
public sealed record StatRow<T>(string Name, StatType Type, string Help, Func<T, long> Read)
{
    /// <summary>The name as Prometheus has it: dots become underscores.</summary>
    public string PrometheusName { get; } = Name.Replace('.', '_');
}
