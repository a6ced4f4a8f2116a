using Mesh.Streams.World;

namespace Mesh.Streams.Measuring;

/// <summary>What circuits cost that all sidecars share: while all is well, and when all of them open at once.</summary>
internal sealed class CircuitMeasure(ControlPlaneUnderTest control, Fleet fleet, StreamsOptions options, TimeProvider time, Report report)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Measures.</summary>
    public async Task RunAsync()
    {
        fleet.Circuits = options.Circuits;
        await Task.Delay(TimeSpan.FromSeconds(12), time, CancellationToken.None); // after its start a control plane says nothing for a while, and code is compiled
        TimeSpan duration = TimeSpan.FromSeconds(options.Streams < 200 ? 3 : 15);
        (long reports, long asked, long answered) = (fleet.Reports.Value, fleet.ReportBytes.Value, fleet.OrderBytes.Value);
        Spent quiet = await control.MeasureAsync(() => Task.Delay(duration, time, CancellationToken.None));
        reports = fleet.Reports.Value - reports;
        report.Figure(
            $"reports of {options.Circuits} circuits each, all closed",
            $"{reports / duration.TotalSeconds:0} a second, CPU {100 * quiet.Cpu / duration:0.0} % of a core, {quiet.Cpu.TotalMilliseconds * 1000 / Math.Max(1, reports * options.Circuits):0.00} µs a circuit, {Report.Memory(quiet.Peak)}");
        report.Figure("bytes of a report and of its answer", $"{(fleet.ReportBytes.Value - asked) / Math.Max(1, reports)} and {(fleet.OrderBytes.Value - answered) / Math.Max(1, reports)}");
        report.Check("no circuit opens while all is well", fleet.Opened.Value == 0);

        fleet.IsFailing = true;
        long wanted = (long)options.Streams * options.Circuits;
        TimeSpan taken = default;
        Spent outage = await control.MeasureAsync(async () => taken = await fleet.OpenAsync(wanted, Patience));
        report.Figure("all calls fail, until all sidecars say all circuits are open", $"{taken.TotalMilliseconds:0} ms, CPU {outage.Cpu.TotalMilliseconds:0} ms, {Report.Memory(outage.Peak)}");
        await Task.Delay(TimeSpan.FromSeconds(2), time, CancellationToken.None);
        report.Equal("each circuit opened once for each sidecar", wanted, fleet.Opened.Value);
    }
}
