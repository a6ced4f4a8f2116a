using System.Globalization;
using Mesh.Peers.Peers;
using Mesh.Peers.Processes;

namespace Mesh.Peers.Load;

/// <summary>Runs the load generators on the cores of the load. Every run is bounded.</summary>
/// <param name="folder">Folder of their logs.</param>
/// <param name="time">Clock of the bounds.</param>
internal sealed class Generators(string folder, TimeProvider time)
{
    /// <summary>Core of load and backend.</summary>
    public const string LoadCore = "0";

    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(20);
    private int _runs;

    /// <summary>As much load as <paramref name="connections"/> connections can make.</summary>
    public async Task<WrkReport> WrkAsync(LoadTarget target, int size, int connections, TimeSpan length, CancellationToken stop, string cores = LoadCore)
    {
        string output = await RunAsync("wrk", length, cores,
            ["-t1", $"-c{connections}", $"-d{Seconds(length)}s", "--latency", "-H", $"Host: {SidecarPeer.Authority}", target.Url(size)], stop);
        return WrkReport.Parse(output);
    }

    /// <summary>A fixed rate over 16 connections.</summary>
    public async Task<RateLog> RateAsync(LoadTarget target, int size, int perSecond, TimeSpan length, CancellationToken stop)
    {
        const int Connections = 16;
        string log = Path.Combine(folder, $"h2load-{_runs}.tsv");
        await RunAsync("h2load", length, LoadCore,
            ["--h1", "-t1", $"-c{Connections}", $"--rps={perSecond / Connections}", "-D", Seconds(length), $"--log-file={log}",
            $"--connect-to=127.0.0.1:{target.Port}", $"http://{SidecarPeer.Authority}/{size}"], stop);
        return RateLog.Parse(await File.ReadAllTextAsync(log, stop));
    }

    private static string Seconds(TimeSpan length) => ((int)length.TotalSeconds).ToString(CultureInfo.InvariantCulture);

    private async Task<string> RunAsync(string tool, TimeSpan length, string cores, string[] args, CancellationToken stop)
    {
        string file = Tools.Find(tool) ?? throw new PeersException(Tools.Hint(tool));
        await using PinnedProcess run = PinnedProcess.Start($"{tool}-{_runs++}", cores, folder, file, args);
        int code = await run.WaitAsync(length + Slack, time, stop);
        return code == 0 ? run.Output() : throw new PeersException($"{tool} ended with exit code {code}: {run.Output()}");
    }
}
