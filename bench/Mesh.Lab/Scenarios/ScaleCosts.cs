using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Phases;
using Mesh.Lab.Processes;
using Mesh.Lab.World;

namespace Mesh.Lab.Scenarios;

/// <summary>What the start of a sidecar cost until it was ready.</summary>
internal sealed record StartCost(Sidecar Sidecar, TimeSpan Ready, TimeSpan Cpu, long Memory)
{
    /// <summary>Starts one and measures it.</summary>
    public static async Task<StartCost> OfAsync(StandaloneWorld world, string name, string[] source, CancellationToken stop)
    {
        long start = world.Time.GetTimestamp();
        Sidecar sidecar = await world.StartSidecarAsync(name, source, "127.0.0.1:1", "127.0.0.1:0", stop);
        TimeSpan ready = world.Time.GetElapsedTime(start);
        (long memory, TimeSpan cpu) = sidecar.Process.Usage();
        return new StartCost(sidecar, ready, cpu, memory);
    }
}

/// <summary>What changes cost a running sidecar; the first ones warm it up and do not count.</summary>
/// <param name="world">What runs.</param>
/// <param name="name">The sidecar's name.</param>
/// <param name="sidecar">The sidecar.</param>
/// <param name="controlPlane">The control plane, or null.</param>
internal sealed class ChangeCost(StandaloneWorld world, string name, Sidecar sidecar, ChildProcess? controlPlane)
{
    /// <summary>Longest wait for a change to be in force.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private const int WarmUps = 5;
    private const int Changes = 10;
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(5);
    private double _idle;
    private int _number;

    /// <summary>Makes changes one after the other, each in force before the next. What the sidecar spends anyway is taken off.</summary>
    /// <param name="what">What is changed.</param>
    /// <param name="clusters">How many clusters each change must touch.</param>
    /// <param name="result">Receives the figures and a check.</param>
    /// <param name="change">Makes one change; the number differs each time.</param>
    /// <param name="stop">Ends the wait.</param>
    public async Task MeasureAsync(string what, int clusters, PhaseResult result, Func<int, Task> change, CancellationToken stop)
    {
        for (int i = 0; i < WarmUps; i++)
        {
            await MakeAsync(change, stop);
        }

        (_, TimeSpan cpu) = sidecar.Process.Usage();
        TimeSpan controlCpu = controlPlane?.Usage().Cpu ?? TimeSpan.Zero;
        int before = (await AppliedAsync(stop)).Count;
        long start = world.Time.GetTimestamp();
        TimeSpan taken = TimeSpan.Zero;
        for (int i = 0; i < Changes; i++)
        {
            taken += await MakeAsync(change, stop);
        }

        List<int> touched = (await AppliedAsync(stop))[before..];
        double each = (sidecar.Process.Usage().Cpu - cpu - (_idle * world.Time.GetElapsedTime(start))).TotalMilliseconds / touched.Count;
        string control = controlPlane is null ? "" : string.Create(
            CultureInfo.InvariantCulture, $", control plane {(controlPlane.Usage().Cpu - controlCpu).TotalMilliseconds / touched.Count:0.0} ms");
        result.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"{what + ", each",-56}CPU {each:0.0} ms{control}; in force after {taken.TotalMilliseconds / Changes:0} ms"));
        result.Checks.Add(LabCheck.Equal($"{what}: clusters that a change touches", clusters, touched.Max()));
    }

    /// <summary>What the sidecar spends while nothing changes; to be asked first.</summary>
    public async Task MeasureIdleAsync(PhaseResult result, CancellationToken stop)
    {
        (_, TimeSpan cpu) = sidecar.Process.Usage();
        await world.Waiting.PauseAsync(Idle, stop);
        _idle = (sidecar.Process.Usage().Cpu - cpu) / Idle;
        result.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"{"while nothing changes",-56}CPU {_idle * 100:0.0} % of a core"));
    }

    private async Task<TimeSpan> MakeAsync(Func<int, Task> change, CancellationToken stop)
    {
        int before = (await AppliedAsync(stop)).Count;
        long start = world.Time.GetTimestamp();
        await change(_number++);
        _ = await world.Waiting.UntilAsync(async () => (await AppliedAsync(stop)).Count > before, Patience, stop)
            ?? throw new LabException($"a change was not in force in {name} within {Patience.TotalSeconds:F0} s");
        return world.Time.GetElapsedTime(start);
    }

    private async Task<List<int>> AppliedAsync(CancellationToken stop) => ScaleChecks.TouchedClusters(await world.PrintedAsync($"{name}-sidecar", stop));
}
