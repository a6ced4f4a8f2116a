using Mesh.Lab.Checks;
using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Lab.Phases;

/// <summary>Phase 5: every limit and threshold changes while calls run; nothing is lost, dropped or forgotten.</summary>
internal sealed class RuleChangePhase : ILabPhase
{
    private const int Changes = 15;
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(250);

    public string Name => "rule-change";

    public string Title => "Rule changes under load: no call lost, no connection dropped, ejections survive";

    public async Task RunAsync(LabWorld world, PhaseResult result, CancellationToken stop)
    {
        Meter meter = new(world);
        Ejection ejection = new(world);
        ProductsInstance sick = world.Instances[^1];
        string endpoint = sick.Sidecar.Endpoint;
        await world.ApplyAsync(LabRules.Roomy(0), stop);
        await sick.FailAsync(stop);
        if (!await ejection.IsEjectedEverywhereAsync(endpoint, stop))
        {
            await ejection.OrderUntilEjectedAsync(meter, endpoint, stop);
        }

        // Connections of the rule before carried one call each; only those of this rule may be counted.
        await meter.RunAsync(meter.Orders(4) with { Duration = TimeSpan.FromSeconds(1) }, stop);
        await world.Waiting.PauseAsync(TimeSpan.FromMilliseconds(500), stop);
        bool survived = true;
        Measurement run = result.Add($"4 users, {Changes} changes of the rule", await meter.MeasureAsync(
            async token =>
            {
                using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(token);
                Task<LoadReport> users = meter.RunAsync(meter.Orders(4) with { Duration = TimeSpan.FromMinutes(1) }, done.Token);
                for (int change = 1; change <= Changes; change++)
                {
                    await world.Rules.ApplyAsync(LabRules.Roomy(change), token);
                    await world.Waiting.PauseAsync(Between, token);
                    survived &= await ejection.IsEjectedEverywhereAsync(endpoint, token);
                }

                await done.CancelAsync();
                return await users;
            },
            stop));

        TimeSpan? last = await world.Waiting.UntilAsync(
            () => world.AllCallersAsync(static state => state.MaxPendingRequests == LabRules.RoomyPending(Changes), stop), TimeSpan.FromSeconds(5), stop);
        result.Checks.Add(LabCheck.Within("the last change is in force in both callers", TimeSpan.FromSeconds(1), last));
        result.Checks.Add(PoolChecks.NobodyFails("user of orders", run.Load));
        result.Checks.Add(LabCheck.That("the ejection is there after every change", survived));
        result.Checks.Add(LabCheck.Equal("sick instance: calls it got", 0, run.Instances[sick.Name].Requests));
        foreach (LayerNumbers caller in run.Callers)
        {
            result.Checks.Add(LabCheck.Equal($"{caller.Name}: connections dropped", 0, caller.Added["upstream_cx_destroy"]));
            result.Checks.Add(LabCheck.Equal($"{caller.Name}: new ejections", 0, caller.Added["outlier_detection_ejections_enforced_total"]));
        }

        await sick.BeWellAsync(stop);
        await world.Rules.DeleteAsync(LabRules.Name, stop);
    }
}
