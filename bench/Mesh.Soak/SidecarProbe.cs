using System.Globalization;
using Mesh.Lab.Metrics;
using Mesh.Lab.Processes;

namespace Mesh.Soak;

/// <summary>One look at a sidecar.</summary>
internal sealed record SidecarSample(
    string Sidecar, double AtSeconds, long RssKiB, int Descriptors, int Threads, long DownstreamCx, long DownstreamRq, long UpstreamCx, long UpstreamRq,
    long Pending, long Unexpected, long FlaggedFailures, long PlainFailures)
{
    /// <summary>Connections and requests in progress in all.</summary>
    public long Active => DownstreamCx + DownstreamRq + UpstreamCx + UpstreamRq + Pending;
}

/// <summary>Looks at a sidecar from outside: the system's view of the process, and its metrics page.</summary>
internal sealed class SidecarProbe(string name, ChildProcess process, Uri admin, HttpClient http)
{
    public ChildProcess Process => process;

    public string Name => name;

    public async Task<SidecarSample> SampleAsync(double atSeconds, CancellationToken stop)
    {
        List<PrometheusSample> page = PrometheusPage.Parse(await http.GetStringAsync(new Uri(admin, "/stats/prometheus"), stop));
        IEnumerable<PrometheusSample> failures = page.Where(static s =>
            s.Name == "istio_requests_total" && s.Labels["response_code"].StartsWith('5'));
        return new SidecarSample(
            name, atSeconds, Status("VmRSS"), Descriptors(), (int)Status("Threads"),
            Sum(page, "_downstream_cx_active"), Sum(page, "_downstream_rq_active"), Sum(page, "_upstream_cx_active"), Sum(page, "_upstream_rq_active"),
            Sum(page, "_upstream_rq_pending_active"), Sum(page, "unexpected_exception_total"),
            (long)failures.Where(static s => s.Labels["response_flags"] != "-").Sum(static s => s.Value),
            (long)failures.Where(static s => s.Labels["response_flags"] == "-").Sum(static s => s.Value));
    }

    private static long Sum(List<PrometheusSample> page, string suffix) =>
        (long)page.Where(s => s.Name.EndsWith(suffix, StringComparison.Ordinal)).Sum(static s => s.Value);

    // Assemblies stay open once they are loaded, and the JIT loads them when first used: no leak, and not there in a native sidecar.
    private int Descriptors() => Directory.GetFileSystemEntries($"/proc/{process.Id}/fd")
        .Count(static f => new FileInfo(f).LinkTarget is { } target && !target.EndsWith(".dll", StringComparison.Ordinal));

    private long Status(string key) => long.Parse(
        File.ReadLines($"/proc/{process.Id}/status").First(l => l.StartsWith(key, StringComparison.Ordinal)).Split('\t', ' ').First(static w => w.Length > 0 && char.IsAsciiDigit(w[0])),
        CultureInfo.InvariantCulture);
}
