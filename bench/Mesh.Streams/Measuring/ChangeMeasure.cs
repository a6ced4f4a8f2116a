using Mesh.Streams.World;

namespace Mesh.Streams.Measuring;

/// <summary>One change after the other, each answered by all sidecars before the next.</summary>
internal sealed class ChangeMeasure(ControlPlaneUnderTest control, Fleet fleet, StreamsOptions options, Report report)
{
    private const int WarmUps = 3;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Measures changes of one kind.</summary>
    /// <param name="kind">What is changed.</param>
    /// <param name="change">Makes one change to the object of that number.</param>
    /// <param name="objects">How many there are.</param>
    public async Task RunAsync(string kind, Action<int> change, int objects)
    {
        for (int i = 0; i < WarmUps; i++)
        {
            await MakeAsync(change, i % objects);
        }

        (long pushes, long full, long bytes, long wire) = (fleet.Pushes.Value, fleet.FullPushes.Value, fleet.Bytes.Value, fleet.WireBytes.Value);
        List<double> taken = [];
        Spent spent = await control.MeasureAsync(async () =>
        {
            for (int i = 0; i < options.Changes; i++)
            {
                taken.Add((await MakeAsync(change, (WarmUps + i) % objects)).TotalMilliseconds);
            }
        });
        (pushes, full, bytes, wire) = (fleet.Pushes.Value - pushes, fleet.FullPushes.Value - full, fleet.Bytes.Value - bytes, fleet.WireBytes.Value - wire);
        double total = taken.Sum();
        report.Figure($"one {kind} changed, until the last ACK", $"p50 {Report.Percentile(taken, 0.5):0} ms, p99 {Report.Percentile(taken, 0.99):0} ms, at most {taken.Max():0} ms");
        report.Figure("    pushed", $"{bytes / pushes} B a sidecar, {wire / pushes} B compressed; {Report.Size(wire / options.Changes)} in all");
        report.Figure("    control plane", $"CPU {spent.Cpu.TotalMilliseconds / options.Changes:0} ms a change ({100 * spent.Cpu.TotalMilliseconds / total:0} % of a core meanwhile), {Report.Memory(spent.Peak)}");
        report.Equal($"each change of one {kind} is one push to each sidecar", (long)options.Changes * options.Streams, pushes);
        report.Equal($"each is a delta", 0, full);
        report.Check($"each has only that {kind}", bytes / pushes < 5_000);
    }

    private async Task<TimeSpan> MakeAsync(Action<int> change, int number)
    {
        long wanted = fleet.Answers.Value + options.Streams;
        change(number);
        return await fleet.AnsweredAsync(wanted, Patience);
    }
}
