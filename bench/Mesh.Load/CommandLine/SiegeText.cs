using System.Globalization;
using System.Text;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Load.CommandLine;

/// <summary>The report as siege writes it, so that existing eyes and scripts read it, and our own block below.</summary>
internal static class SiegeText
{
    private const double Megabyte = 1024 * 1024;

    /// <summary>One call of a verbose run.</summary>
    public static string Line(in LoadSample sample, LoadOptions options) => sample.Error is { } error
        ? string.Create(CultureInfo.InvariantCulture, $"[error] {error} {sample.Latency.TotalSeconds,8:F2} secs ==> {options.Method} {options.Url}")
        : string.Create(
            CultureInfo.InvariantCulture,
            $"HTTP/1.1 {sample.Code} {sample.Latency.TotalSeconds,8:F2} secs: {sample.Bytes,7} bytes ==> {options.Method,-4} {options.Url}{(sample.Reason is null ? "" : $" ({sample.Reason})")}");

    /// <summary>Siege's twelve lines.</summary>
    public static string Summary(LoadReport report)
    {
        double seconds = Math.Max(report.Elapsed.TotalSeconds, 1e-9);
        StringBuilder text = new("Lifting the server siege...\n");
        Row("Transactions", $"{report.Ok,12} hits");
        Row("Availability", $"{(report.Requests == 0 ? 0 : 100.0 * report.Ok / report.Requests),12:F2} %");
        Row("Elapsed time", $"{report.Elapsed.TotalSeconds,12:F2} secs");
        Row("Data transferred", $"{report.Bytes / Megabyte,12:F2} MB");
        Row("Response time", $"{(report.Requests == 0 ? 0 : report.Latency.Sum.TotalSeconds / report.Requests),12:F2} secs");
        Row("Transaction rate", $"{report.Ok / seconds,12:F2} trans/sec");
        Row("Throughput", $"{report.Bytes / Megabyte / seconds,12:F2} MB/sec");
        Row("Concurrency", $"{report.Latency.Sum.TotalSeconds / seconds,12:F2}");
        Row("Successful transactions", $"{report.Ok,12}");
        Row("Failed transactions", $"{report.Failed,12}");
        Row("Longest transaction", $"{report.Latency.Max.TotalSeconds,12:F2}");
        Row("Shortest transaction", $"{report.Latency.Min.TotalSeconds,12:F2}");
        return text.ToString();

        void Row(string name, FormattableString value) =>
            text.Append($"{name + ":",-25}").Append(value.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }

    /// <summary>What siege does not tell: percentiles from the intended time of sending, codes, reasons, errors.</summary>
    public static string Details(LoadReport report)
    {
        StringBuilder text = new();
        foreach (double percent in (double[])[50, 90, 99, 99.9])
        {
            text.Append(CultureInfo.InvariantCulture, $"p{percent,-24}{report.Latency.Percentile(percent).TotalMilliseconds,12:F3} ms\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"{"max",-25}{report.Latency.Max.TotalMilliseconds,12:F3} ms\n");
        foreach ((int code, long count) in report.Codes.Where(static c => c.Key != 0))
        {
            text.Append(CultureInfo.InvariantCulture, $"{"Code " + code,-25}{count,12}\n");
        }

        AppendAll("Reason ", report.Reasons);
        AppendAll("Error ", report.Errors);
        return report.NotSent == 0 ? text.ToString() : text.Append(CultureInfo.InvariantCulture, $"{"Not sent",-25}{report.NotSent,12}\n").ToString();

        void AppendAll(string what, IReadOnlyDictionary<string, long> counts)
        {
            foreach ((string name, long count) in counts)
            {
                text.Append(CultureInfo.InvariantCulture, $"{what + name,-25}{count,12}\n");
            }
        }
    }
}
