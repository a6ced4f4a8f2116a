using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.World;

namespace Mesh.Lab.Phases;

/// <summary>Phase 2: the lab's rule; overload becomes fast refusals that say why, and deleting the rule ends them.</summary>
/// <param name="duration">How long the two users order.</param>
/// <param name="ruleFile">The rule, or null for the lab's own.</param>
internal sealed class ConnectionPoolPhase(TimeSpan duration, string? ruleFile) : ILabPhase
{
    private static readonly TimeSpan OneSecond = TimeSpan.FromSeconds(1);

    public string Name => "connection-pool";

    public string Title => "Connection pool: the rule turns overload into fast 503s";

    public async Task RunAsync(LabWorld world, PhaseResult result, CancellationToken stop)
    {
        byte[] rule = LabRules.FromFile(ruleFile);
        await world.ApplyAsync(rule, stop);
        ClusterState limits = await world.Orders.ClusterAsync(LabWorld.Products, stop) ?? throw new Processes.LabException("orders' sidecar lost the cluster of products");
        Meter meter = new(world);

        Measurement alone = result.Add("1 caller, 200 calls one after the other", await meter.MeasureAsync(meter.Direct(1, 200), stop));
        result.Checks.Add(PoolChecks.NobodyFails("sequential caller", alone.Load));

        Measurement two = result.Add("2 users", await meter.MeasureAsync(meter.Orders(2) with { Duration = duration }, stop));
        AddInvariants(result, two, limits);

        await TellAllAsync(world, static (i, token) => i.BeSlowAsync(token), stop);
        Measurement three = result.Add("3 users, products 20 ms slower", await meter.MeasureAsync(meter.Orders(3) with { Duration = TimeSpan.FromSeconds(5) }, stop));
        AddInvariants(result, three, limits);
        result.Checks.Add(LabCheck.AtLeast("3 users: orders that succeed", 1, three.Load.Ok));
        result.Checks.Add(LabCheck.AtLeast("3 users: calls refused with 503 UO at a sidecar", 1, three.Overflow));

        Measurement direct = result.Add("3 callers, 30 calls to products, 20 ms slower", await meter.MeasureAsync(meter.Direct(3, 30), stop));
        result.Checks.Add(LabCheck.AtLeast("direct: answers 200", 1, direct.Load.WithCode(200)));
        result.Checks.Add(LabCheck.AtLeast("direct: answers 503", 1, direct.Load.WithCode(503)));
        result.Checks.Add(LabCheck.Equal("direct: answers that are neither", 0, direct.Load.Requests - direct.Load.WithCode(200) - direct.Load.WithCode(503)));
        result.Checks.Add(PoolChecks.RefusedCallersAreTold(direct.Load));
        result.Checks.Add(LabCheck.Equal("direct: requests that products counted = answers 200", direct.Load.WithCode(200), direct.Instances.Values.Sum(static i => i.Requests)));
        await TellAllAsync(world, static (i, token) => i.BeWellAsync(token), stop);

        await world.Rules.DeleteAsync(RuleApi.NameOf(System.Text.Encoding.UTF8.GetString(rule)), stop);
        TimeSpan? gone = await world.Waiting.UntilAsync(
            () => world.AllCallersAsync(state => state.MaxPendingRequests != limits.MaxPendingRequests, stop), TimeSpan.FromSeconds(5), stop);
        result.Checks.Add(LabCheck.Within("rule deleted: its limits are gone from both callers", OneSecond, gone));
        Measurement after = result.Add("rule deleted, 2 users", await meter.MeasureAsync(meter.Orders(2) with { Duration = TimeSpan.FromSeconds(2) }, stop));
        result.Checks.Add(PoolChecks.NobodyFails("rule deleted: user of orders", after.Load));
    }

    private static void AddInvariants(PhaseResult result, Measurement run, ClusterState limits)
    {
        string title = result.Runs[^1].Title;
        List<LabCheck> checks = [PoolChecks.UserSeesOnly201And500(run.Load), PoolChecks.ServerServedOnlyAdmitted(run)];
        foreach (LayerNumbers layer in run.Callers)
        {
            checks.Add(PoolChecks.AllAccountedFor(layer));
            checks.Add(PoolChecks.RefusalsAreCounted(layer));
            checks.Add(PoolChecks.RefusalsSayWhy(layer));
            checks.Add(PoolChecks.HoldsConnections(layer, limits.MaxConnections, limits.Endpoints.Count));
            checks.Add(PoolChecks.OverflowEjectsNobody(layer));
        }

        // The same limits hold once more in front of the application.
        checks.AddRange(run.Apps.Select(layer => PoolChecks.HoldsConnections(layer, limits.MaxConnections, 1)));
        result.Checks.AddRange(checks.Select(check => check with { Name = $"{title}: {check.Name}" }));
    }

    private static async Task TellAllAsync(LabWorld world, Func<ProductsInstance, CancellationToken, Task> tell, CancellationToken stop)
    {
        foreach (ProductsInstance instance in world.Instances)
        {
            await tell(instance, stop);
        }
    }
}
