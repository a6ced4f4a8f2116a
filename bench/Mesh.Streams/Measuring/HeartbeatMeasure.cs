using Mesh.Streams.World;

namespace Mesh.Streams.Measuring;

/// <summary>What the control plane spends while nothing changes: each sidecar reports once a second.</summary>
internal static class HeartbeatMeasure
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(10);

    public static async Task RunAsync(ControlPlaneUnderTest control, Fleet fleet, StreamsOptions options, TimeProvider time, Report report)
    {
        TimeSpan duration = options.Streams < 200 ? Duration / 4 : Duration;
        await Task.Delay(TimeSpan.FromSeconds(2), time, CancellationToken.None); // the first answers and statuses are over
        (long reports, long pushes) = (fleet.Reports.Value, fleet.Pushes.Value);
        Spent spent = await control.MeasureAsync(() => Task.Delay(duration, time, CancellationToken.None));
        report.Figure("heartbeats", $"{(fleet.Reports.Value - reports) / duration.TotalSeconds:0} a second, CPU {100 * spent.Cpu / duration:0.0} % of a core, {Report.Memory(spent.Peak)}");
        report.Equal("heartbeats push nothing", pushes, fleet.Pushes.Value);
    }
}
