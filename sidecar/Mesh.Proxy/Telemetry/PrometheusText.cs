using System.Buffers;
using System.Globalization;
using System.Text;

namespace Mesh.Proxy.Telemetry;

/// <summary>
/// Writes Prometheus' text format 0.0.4. The caller writes all samples of a family together, after its head; the writer does not sort.
/// Used by one thread at a time.
/// </summary>
/// <param name="output">Receives UTF-8.</param>
public sealed class PrometheusText(IBufferWriter<byte> output)
{
    /// <summary>Content type of a page.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>The head of a family: once each, before its samples.</summary>
    /// <param name="name">Metric name.</param>
    /// <param name="type"><c>counter</c>, <c>gauge</c> or <c>histogram</c>.</param>
    /// <param name="help">One line.</param>
    public void Family(string name, string type, string help)
    {
        Write($"# HELP {name} {help.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal)}\n");
        Write($"# TYPE {name} {type}\n");
    }

    /// <summary>The head of a family of counters or gauges.</summary>
    public void Family(string name, StatType type, string help) => Family(name, type == StatType.Counter ? "counter" : "gauge", help);

    /// <summary>One sample.</summary>
    /// <param name="name">Metric name, suffix included.</param>
    /// <param name="labels">Labels as <see cref="Labels"/> makes them; empty for none.</param>
    /// <param name="value">Value.</param>
    public void Sample(string name, string labels, long value) =>
        Write(labels.Length == 0 ? $"{name} {value}\n" : $"{name}{{{labels}}} {value}\n");

    /// <summary>All samples of one histogram: buckets, sum and count, from one reading so that they agree.</summary>
    public void Histogram(string name, string labels, Histogram histogram)
    {
        HistogramSnapshot read = histogram.Read();
        string comma = labels.Length == 0 ? "" : ",";
        long cumulated = 0;
        for (int i = 0; i < read.Counts.Length; i++)
        {
            cumulated += read.Counts[i];
            string bound = i < read.Bounds.Length ? read.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            Write($"{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {cumulated}\n");
        }

        string braced = labels.Length == 0 ? "" : $"{{{labels}}}";
        Write(string.Create(CultureInfo.InvariantCulture, $"{name}_sum{braced} {read.Sum}\n{name}_count{braced} {cumulated}\n"));
    }

    /// <summary>Label text from names and values, values escaped: <c>a="x",b="y"</c>.</summary>
    public static string Labels(params ReadOnlySpan<(string Name, string Value)> labels)
    {
        StringBuilder text = new();
        foreach ((string name, string value) in labels)
        {
            text.Append(text.Length == 0 ? "" : ",").Append(name).Append("=\"");
            foreach (char c in value)
            {
                _ = c switch
                {
                    '\\' => text.Append(@"\\"),
                    '"' => text.Append("\\\""),
                    '\n' => text.Append(@"\n"),
                    _ => text.Append(c),
                };
            }

            text.Append('"');
        }

        return text.ToString();
    }

    private void Write(string text) => Encoding.UTF8.GetBytes(text, output);
}
