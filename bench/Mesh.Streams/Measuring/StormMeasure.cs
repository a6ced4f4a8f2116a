using Mesh.Streams.World;

namespace Mesh.Streams.Measuring;

/// <summary>All sidecars come at once: when they start, when their connections are cut, when the control plane was killed and is back.</summary>
internal sealed class StormMeasure(Cluster cluster, ControlPlaneUnderTest control, Fleet fleet, StreamsOptions options, TimeProvider time, Report report)
{
    private static readonly TimeSpan StartEach = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(5); // longer than the grace after a restart

    /// <summary>The sidecars' first start: each needs the whole set.</summary>
    public async Task FirstStartAsync()
    {
        await HashAsync(); // it has read the cluster
        report.Figure("control plane before any sidecar", $"{Report.Memory(control.Usage.Memory)}");
        await RunAsync($"all have started, within {options.Streams * StartEach.TotalSeconds:0.#} s", () => fleet.StartAsync(options.Streams * StartEach));
        report.Equal("each got the whole set once", options.Streams, fleet.FullPushes.Value);
    }

    /// <summary>All connections end in one instant.</summary>
    public async Task CutAsync()
    {
        long pushes = fleet.Pushes.Value;
        await RunAsync("all streams cut", fleet.CutAsync);
        report.Equal("nothing is pushed to who has it", pushes, fleet.Pushes.Value);
    }

    /// <summary>The control plane is killed and started again.</summary>
    public async Task RestartAsync(string what, bool isChanged)
    {
        (long pushes, long full) = (fleet.Pushes.Value, fleet.FullPushes.Value);
        await RunAsync($"control plane {what}", async () =>
        {
            await control.KillAsync();
            if (isChanged)
            {
                cluster.ChangeRule(0);
            }

            await control.StartAsync();
        });
        report.Equal(
            isChanged ? "each got the whole set once" : "nothing is pushed to who has it",
            isChanged ? options.Streams : 0,
            isChanged ? fleet.FullPushes.Value - full : fleet.Pushes.Value - pushes);
    }

    /// <summary>Whether the status of each rule says that all sidecars run it; waits for it.</summary>
    public async Task<bool> StatusAsync()
    {
        string wanted = $"{options.Streams} of {options.Streams} sidecars";
        bool IsWritten() => Enumerable.Range(0, options.Rules).All(rule => cluster.Programmed(rule).StartsWith(wanted, StringComparison.Ordinal));
        for (int i = 0; i < 120 && !IsWritten(); i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(250), time, CancellationToken.None);
        }

        return IsWritten();
    }

    private async Task RunAsync(string what, Func<Task> begin)
    {
        (long registrations, long failures, long reports) = (fleet.Registrations.Value, fleet.Failures.Value, fleet.Reports.Value);
        (long pushes, long bytes, long wire) = (fleet.Pushes.Value, fleet.Bytes.Value, fleet.WireBytes.Value);
        fleet.Reasons.Clear();
        await begin();
        (TimeSpan read, TimeSpan taken) = (TimeSpan.Zero, TimeSpan.Zero);
        Spent storm = await control.MeasureAsync(async () =>
        {
            string hash = "";
            read = await TimedAsync(async () => hash = await HashAsync());
            taken = await TimedAsync(() => fleet.InStepAsync(hash, Patience));
        });
        Spent after = await control.MeasureAsync(() => Task.Delay(Aftermath, time, CancellationToken.None));
        report.Figure(what, $"all are in step {taken.TotalMilliseconds:0} ms after the cluster is read, which took {read.TotalMilliseconds:0} ms");
        report.Figure("    requests", $"{fleet.Registrations.Value - registrations} registrations, {fleet.Reports.Value - reports} reports, {fleet.Failures.Value - failures} failures {string.Join("; ", fleet.Reasons.OrderByDescending(static r => r.Value).Take(3).Select(static r => $"({r.Value} × {r.Key})"))}");
        report.Figure("    pushed", $"{fleet.Pushes.Value - pushes} pushes, {Report.Size(fleet.Bytes.Value - bytes)}, compressed {Report.Size(fleet.WireBytes.Value - wire)}");
        report.Figure("    control plane", $"CPU {storm.Cpu.TotalMilliseconds:0} ms, {Aftermath.TotalSeconds:0} s after that {after.Cpu.TotalMilliseconds:0} ms; at most {Report.Memory(Math.Max(storm.Peak, after.Peak))}");
    }

    private async Task<TimeSpan> TimedAsync(Func<Task> work)
    {
        long start = time.GetTimestamp();
        await work();
        return time.GetElapsedTime(start);
    }

    private async Task<string> HashAsync()
    {
        string? hash = null;
        for (int i = 0; i < 600 && (hash = await control.HashAsync()) is null; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), time, CancellationToken.None);
        }

        return hash ?? throw new TimeoutException("the control plane did not read the cluster within 30 s");
    }
}
