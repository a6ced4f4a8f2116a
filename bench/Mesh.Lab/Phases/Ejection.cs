using Mesh.Lab.Processes;
using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Lab.Phases;

/// <summary>Steps around a sick instance that several phases share.</summary>
/// <param name="world">What runs.</param>
internal sealed class Ejection(LabWorld world)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Whether both callers have ejected this endpoint, and only it.</summary>
    public Task<bool> IsEjectedEverywhereAsync(string endpoint, CancellationToken stop) =>
        world.AllCallersAsync(state => state.Endpoints.Where(static e => e.IsEjected).Select(static e => e.Address).SequenceEqual([endpoint]), stop);

    /// <summary>Orders one after the other until both callers have ejected the sick instance.</summary>
    public async Task<LoadReport> OrderUntilEjectedAsync(Meter meter, string endpoint, CancellationToken stop)
    {
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task<LoadReport> load = meter.RunAsync(meter.Orders(1) with { Duration = Patience + Patience }, done.Token);
        TimeSpan? taken = await world.Waiting.UntilAsync(() => IsEjectedEverywhereAsync(endpoint, stop), Patience, stop);
        await done.CancelAsync();
        LoadReport report = await load;
        return taken is null
            ? throw new LabException($"the sick instance {endpoint} was not ejected by both callers within {Patience.TotalSeconds:F0} s ({report.Requests} orders, {report.Failed} failed)")
            : report;
    }

    /// <summary>Waits until no caller has an ejected endpoint.</summary>
    public async Task WaitForNoneAsync(TimeSpan limit, CancellationToken stop) =>
        _ = await world.Waiting.UntilAsync(() => world.AllCallersAsync(static state => !state.Endpoints.Any(static e => e.IsEjected), stop), limit, stop)
            ?? throw new LabException($"an ejected instance did not return within {limit.TotalSeconds:F0} s");
}
