using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Rules;

/// <summary>Rules from files, without a control plane: looks twice a second and puts what changed in force.</summary>
/// <param name="files">The files.</param>
/// <param name="pipeline">Puts views in force.</param>
/// <param name="time">Clock.</param>
/// <param name="print">Told of what compiling and binding found, one line each.</param>
internal sealed class RulesFolder(RuleFiles files, SnapshotPipeline pipeline, TimeProvider time, Action<string> print)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);
    private HashSet<SidecarFinding> _told = [];

    /// <summary>Scans once and puts in force what changed.</summary>
    public async Task ScanAsync()
    {
        if (!files.Scan())
        {
            return;
        }

        PipelineResult result = await pipeline.ApplyAsync(files.View, files.Version);
        foreach (SidecarFinding finding in result.Findings.Where(f => !_told.Contains(f)))
        {
            print($"{finding.Severity}: {finding.Rule}{(finding.Path.Length == 0 ? "" : $"#{finding.Path}")}: {finding.Message}");
        }

        _told = [.. result.Findings];
    }

    /// <summary>Scans until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using PeriodicTimer timer = new(Interval, time);
        while (await timer.WaitForNextTickAsync(stop))
        {
            await ScanAsync();
        }
    }
}
