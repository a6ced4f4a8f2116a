using Mesh.Lab.Checks;
using Mesh.Lab.World;

namespace Mesh.Lab.Phases;

/// <summary>Phase 1: no rule, two users, no error.</summary>
/// <param name="duration">How long.</param>
internal sealed class NoRulePhase(TimeSpan duration) : ILabPhase
{
    public string Name => "no-rule";

    public string Title => "No rule: two users order, nobody is refused";

    public async Task RunAsync(LabWorld world, PhaseResult result, CancellationToken stop)
    {
        Meter meter = new(world);
        Measurement run = result.Add("2 users", await meter.MeasureAsync(meter.Orders(2) with { Duration = duration }, stop));
        result.Checks.Add(PoolChecks.NobodyFails("user of orders", run.Load));
        result.Checks.Add(LabCheck.AtLeast("orders that went through", 10, run.Load.Ok));
        result.Checks.Add(LabCheck.Equal("refusals at any sidecar", 0, run.Overflow));
        result.Checks.Add(LabCheck.Equal("products counted 3 calls for each order", 3 * run.Load.Requests, run.Instances.Values.Sum(static i => i.Requests)));
        long lost = run.Load.Ok - run.StockFell;
        result.Notes.Add($"{run.Load.Ok} orders, but the stock fell by {run.StockFell}: {lost} updates lost, because delivery reads the stock and writes it back. No mesh cures that.");
    }
}
