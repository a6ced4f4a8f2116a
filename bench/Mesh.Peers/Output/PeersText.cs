using System.Globalization;
using System.Text;
using Mesh.Peers.Measuring;
using Mesh.Peers.Peers;
using Mesh.Peers.Processes;

namespace Mesh.Peers.Output;

/// <summary>The tables. Medians, with the lowest and highest in brackets.</summary>
internal static class PeersText
{
    /// <summary>Everybody's figures in one case.</summary>
    public static string Case(LoadCase one, IReadOnlyCollection<CaseResult> results)
    {
        StringBuilder text = new();
        Line(text, $"\n{one.Title}");
        Line(text, $"{"",-10} {"CPU µs/request",-22} {"user",6} {"system",6} {"requests/s",11} {"p50 ms",8} {"p99 ms",20} {"B/request",9} {"sidecar is",19}");
        foreach (CaseResult row in results.Where(r => r.Case == one))
        {
            bool isDirect = row.Peer == "direct";
            string bytes = row.Samples.All(static s => s.BytesPerRequest is not null) ? $"{row.Of(static s => s.BytesPerRequest!.Value).Median:F1}" : "-";
            string ratio = Ratios.To(row, results) is { } times ? $"{times.Median:F2} x [{times.Lowest:F2}-{times.Highest:F2}]" : "";
            string cpu = isDirect ? $"(backend {row.Of(static s => s.BackendMicros).Median:F1})" : Spread(row.Of(static s => s.CpuMicros), "F1");
            string user = isDirect ? "" : Number(row.Of(static s => s.UserMicros).Median, "F2");
            string system = isDirect ? "" : Number(row.Of(static s => s.SystemMicros).Median, "F1");
            long errors = row.Samples.Sum(static s => s.Errors);
            Line(text, $"{row.Peer,-10} {cpu,-22} {user,6} {system,6} {row.Of(static s => s.RequestsPerSecond).Median,11:N0} "
                + $"{row.Of(static s => s.P50Ms).Median,8:F2} {Spread(row.Of(static s => s.P99Ms), "F2"),20} {bytes,9} {ratio,19}"
                + (errors > 0 ? $"  {errors} ERRORS" : ""));
        }

        return text.ToString();
    }

    /// <summary>Start, memory, calls to the kernel.</summary>
    public static string Footprints(Findings findings)
    {
        StringBuilder text = new();
        int[] counts = [.. findings.Footprints.SelectMany(static f => f.WithConnections.Keys).Distinct().Order()];
        string heads = string.Concat(counts.Select(static c => $" {$"{c:N0} idle (PSS)",20}"));
        Line(text, $"\n{"",-10} {"start ms",-18} {"MiB idle (PSS)",16}{heads} {"KiB/connection",15} {"kernel calls/request",21}");
        foreach (Footprint row in findings.Footprints)
        {
            string held = string.Concat(counts.Select(c => $" {(row.WithConnections.TryGetValue(c, out MemoryUse use) ? Mebi(use) : "-"),20}"));
            string calls = findings.Syscalls.TryGetValue(row.Peer, out double count) ? Number(count, "F2") : "-";
            Line(text, $"{row.Peer,-10} {Spread(row.StartMs, "F0"),-18} {Mebi(row.Idle),16}{held} {row.PerConnection(),15:F1} {calls,21}");
        }

        return text.ToString();
    }

    /// <summary>TCP.</summary>
    public static string Tcp(IReadOnlyCollection<TcpResult> results)
    {
        StringBuilder text = new();
        Line(text, $"\n{"TCP",-14} {"CPU ms/GiB",-22} {"GiB/s",6} {"sidecar is",11}");
        double? own = results.FirstOrDefault(static r => r.Peer == SidecarPeer.PeerName)?.CpuMsPerGiB.Median;
        foreach (TcpResult row in results)
        {
            string ratio = row.Peer != SidecarPeer.PeerName && own is { } used && row.CpuMsPerGiB.Median > 0 ? $"{used / row.CpuMsPerGiB.Median:F2} x" : "";
            Line(text, $"{row.Peer,-14} {Spread(row.CpuMsPerGiB, "F0"),-22} {row.GiBPerSecond.Median,6:F2} {ratio,11}");
        }

        return text.ToString();
    }

    /// <summary>One and two loops.</summary>
    public static string Loops(LoopResult loops) =>
        $"\nsidecar on both cores, CPU µs/request: one loop {Spread(loops.OneMicros, "F1")}, two loops {Spread(loops.TwoMicros, "F1")}, "
        + $"{loops.TwoMicros.Median / loops.OneMicros.Median:F2} x; the busiest thread has {loops.BusiestShare:P0} of it\n";

    /// <summary>The ratios that count, and how busy the machine was.</summary>
    public static string Closing(Findings findings, string loadAverage)
    {
        IReadOnlyDictionary<string, double> ratios = Ratios.Of(findings.Cases);
        string list = ratios.Count == 0 ? "none" : string.Join(", ", ratios.Select(static r => $"{r.Value:F2} x {r.Key}"));
        return $"\nCPU per request of the sidecar, 1 KiB, the worse of 16 and 64 connections: {list}\n"
            + $"errors: {findings.Errors}; load average {loadAverage}\n";
    }

    private static string Mebi(MemoryUse use) => $"{use.Rss / 1024.0:F1} ({use.Pss / 1024.0:F1})";

    private static string Spread(Summary value, string format) =>
        $"{Number(value.Median, format)} [{Number(value.Lowest, format)}-{Number(value.Highest, format)}]";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static void Line(StringBuilder text, string line) => text.Append(line.TrimEnd()).Append('\n');
}
