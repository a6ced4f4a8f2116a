using Mesh.Lab.Checks;
using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Lab.Phases;

/// <summary>Phase 4: the control plane is killed; traffic, limits and ejection go on, and it finds everything again when it returns.</summary>
/// <param name="ruleFile">The rule, or null for the lab's own.</param>
internal sealed class ControlPlaneGonePhase(string? ruleFile) : ILabPhase
{
    private const int ChangedPending = 7;

    public string Name => "control-plane-gone";

    public string Title => "Control plane killed: traffic, limits and ejection go on";

    public async Task RunAsync(LabWorld world, PhaseResult result, CancellationToken stop)
    {
        byte[] rule = LabRules.FromFile(ruleFile);
        string name = RuleApi.NameOf(System.Text.Encoding.UTF8.GetString(rule));
        await world.ApplyAsync(rule, stop);
        Meter meter = new(world);
        Ejection ejection = new(world);
        ProductsInstance sick = world.Instances[^1];
        await world.KillControlPlaneAsync();

        Measurement traffic = result.Add("control plane dead, 1 user", await meter.MeasureAsync(meter.Orders(1) with { Duration = TimeSpan.FromSeconds(4) }, stop));
        result.Checks.Add(PoolChecks.NobodyFails("traffic goes on: user of orders", traffic.Load));

        await SlowAsync(world, true, stop);
        Measurement limited = result.Add("control plane dead, 6 callers, products 20 ms slower", await meter.MeasureAsync(meter.Direct(6, 60), stop));
        await SlowAsync(world, false, stop);
        result.Checks.Add(LabCheck.AtLeast("limits go on: answers 503", 1, limited.Load.WithCode(503)));
        result.Checks.Add(LabCheck.AtLeast("limits go on: answers 200", 1, limited.Load.WithCode(200)));
        result.Checks.Add(PoolChecks.RefusedCallersAreTold(limited.Load));

        await sick.FailAsync(stop);
        Measurement ejected = result.Add("control plane dead, products-2 sick", await meter.MeasureAsync(
            token => ejection.OrderUntilEjectedAsync(meter, sick.Sidecar.Endpoint, token), stop));
        foreach (LayerNumbers caller in ejected.Callers)
        {
            result.Checks.Add(LabCheck.Equal($"ejection goes on: {caller.Name}: ejections", 1, caller.Added["outlier_detection_ejections_enforced_total"]));
        }

        await RestartAsync(world, result, name, stop);
        result.Checks.Add(LabCheck.That("the ejection outlived the restart", await ejection.IsEjectedEverywhereAsync(sick.Sidecar.Endpoint, stop)));
    }

    private static async Task RestartAsync(LabWorld world, PhaseResult result, string name, CancellationToken stop)
    {
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Meter meter = new(world);
        Task<LoadReport> user = meter.RunAsync(meter.Orders(1) with { Duration = TimeSpan.FromMinutes(1) }, done.Token);
        await world.StartControlPlaneAsync(stop);
        TimeSpan? back = await world.Waiting.UntilAsync(() => world.Rules.IsProgrammedAsync(name, stop), TimeSpan.FromSeconds(15), stop);
        result.Checks.Add(LabCheck.Within("restarted: it has the rule and the sidecars have registered again", TimeSpan.FromSeconds(15), back));

        // Longer than a lease: whatever the new registry does not know would be taken away now.
        await world.Waiting.PauseAsync(TimeSpan.FromSeconds(5), stop);
        result.Checks.Add(LabCheck.That("restarted: both callers still have both endpoints", await world.AllCallersAsync(static state => state.Endpoints.Count == 2, stop)));

        await world.Rules.ApplyAsync(LabRules.WithPending(ChangedPending), stop);
        TimeSpan? changed = await world.Waiting.UntilAsync(
            () => world.AllCallersAsync(static state => state.MaxPendingRequests == ChangedPending, stop), TimeSpan.FromSeconds(5), stop);
        result.Checks.Add(LabCheck.Within("restarted: a changed rule is in force in both callers", TimeSpan.FromSeconds(1), changed));
        await done.CancelAsync();
        result.Checks.Add(PoolChecks.NobodyFails("during the restart: user of orders", await user));
    }

    private static async Task SlowAsync(LabWorld world, bool isSlow, CancellationToken stop)
    {
        foreach (ProductsInstance instance in world.Instances)
        {
            await (isSlow ? instance.BeSlowAsync(stop) : instance.BeWellAsync(stop));
        }
    }
}
