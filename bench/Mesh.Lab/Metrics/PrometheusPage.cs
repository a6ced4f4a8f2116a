using System.Globalization;

namespace Mesh.Lab.Metrics;

/// <summary>One sample of a page in Prometheus' text format.</summary>
internal readonly record struct PrometheusSample(string Name, IReadOnlyDictionary<string, string> Labels, double Value);

/// <summary>Reads Prometheus' text format. A line that is none is an error, so that a broken page cannot pass for an empty one.</summary>
internal static class PrometheusPage
{
    /// <summary>All samples of a page.</summary>
    /// <exception cref="FormatException">A line is neither a sample nor a comment.</exception>
    public static List<PrometheusSample> Parse(string page)
    {
        List<PrometheusSample> samples = [];
        foreach (string line in page.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!line.StartsWith('#'))
            {
                samples.Add(ParseSample(line));
            }
        }

        return samples;
    }

    private static PrometheusSample ParseSample(string line)
    {
        int end = line.AsSpan().IndexOfAny('{', ' ');
        if (end <= 0)
        {
            throw new FormatException($"no sample: {line}");
        }

        Dictionary<string, string> labels = new(StringComparer.Ordinal);
        int rest = line[end] == '{' ? ParseLabels(line, end + 1, labels) : end;
        string[] fields = line[rest..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length is 1 or 2 && TryNumber(fields[0], out double value)
            ? new PrometheusSample(line[..end], labels, value)
            : throw new FormatException($"no sample: {line}");
    }

    // Returns the place after the closing brace.
    private static int ParseLabels(string line, int at, Dictionary<string, string> labels)
    {
        while (at < line.Length && line[at] != '}')
        {
            int equals = line.IndexOf("=\"", at, StringComparison.Ordinal);
            if (equals < 0)
            {
                throw new FormatException($"label without value: {line}");
            }

            string name = line[at..equals].Trim();
            at = equals + 2;
            System.Text.StringBuilder value = new();
            for (; at < line.Length && line[at] != '"'; at++)
            {
                char c = line[at];
                if (c == '\\' && at + 1 < line.Length)
                {
                    c = line[++at] == 'n' ? '\n' : line[at];
                }

                value.Append(c);
            }

            labels[name] = value.ToString();
            at++;
            at += at < line.Length && line[at] == ',' ? 1 : 0;
        }

        return at < line.Length ? at + 1 : throw new FormatException($"labels without end: {line}");
    }

    private static bool TryNumber(string text, out double value)
    {
        value = text switch { "+Inf" => double.PositiveInfinity, "-Inf" => double.NegativeInfinity, _ => double.NaN };
        return !double.IsNaN(value) || text == "NaN" || double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
    }
}
