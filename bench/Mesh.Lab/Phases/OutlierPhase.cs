using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Lab.Phases;

/// <summary>Phase 3: two instances, one sick; each caller notices by itself, pays five failures, and leaves it alone for 30 s.</summary>
internal sealed class OutlierPhase : ILabPhase
{
    public string Name => "outlier";

    public string Title => "Outlier detection: a sick instance leaves the rotation";

    public async Task RunAsync(LabWorld world, PhaseResult result, CancellationToken stop)
    {
        ProductsInstance sick = await world.AddProductsAsync(stop);
        await world.WaitForEndpointsAsync(2, stop);
        await world.ApplyAsync(LabRules.OutlierOnly(), stop);
        Meter meter = new(world);
        Ejection ejection = new(world);
        List<int> eventsBefore = [];
        foreach (Sidecar caller in world.Callers)
        {
            eventsBefore.Add((await caller.EjectionsAsync(stop)).Count);
        }

        await sick.FailAsync(stop);
        bool wereActive = false;
        Measurement run = result.Add("1 user; products-2 answers 500 until ejected", await meter.MeasureAsync(
            async token =>
            {
                using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(token);
                Task<LoadReport> user = meter.RunAsync(
                    meter.Orders(1) with { Delay = TimeSpan.FromMilliseconds(20), Duration = LabRules.BaseEjectionTime + TimeSpan.FromSeconds(45) }, done.Token);
                wereActive = await world.Waiting.UntilAsync(() => ejection.IsEjectedEverywhereAsync(sick.Sidecar.Endpoint, token), TimeSpan.FromSeconds(30), token) is not null;
                await sick.BeWellAsync(token);
                await ejection.WaitForNoneAsync(LabRules.BaseEjectionTime + TimeSpan.FromSeconds(5), token);
                await world.Waiting.PauseAsync(TimeSpan.FromSeconds(1), token);
                await done.CancelAsync();
                return await user;
            },
            stop));

        result.Checks.Add(LabCheck.That("both callers show the sick instance as /failed_outlier_check", wereActive));
        for (int i = 0; i < world.Callers.Count; i++)
        {
            List<EjectionLine> events = [.. (await world.Callers[i].EjectionsAsync(stop)).Skip(eventsBefore[i]).Where(static e => e.Cluster == LabWorld.Products)];
            result.Checks.AddRange(OutlierChecks.OneEjection(run.Callers[i], events, sick.Sidecar.Endpoint));
            result.Checks.Add(LabCheck.AtLeast(
                $"{run.Callers[i].Name}: calls to the instance after its return", 1,
                run.Callers[i].Log.Count(e => e.UpstreamHost == sick.Sidecar.Endpoint && e.Code < 400)));
        }

        result.Checks.Add(OutlierChecks.UserPaidOncePerCaller(run.Load.Failed, world.Callers.Count));
        result.Checks.Add(OutlierChecks.InstanceAgrees(run.Instances[sick.Name], world.Callers.Count));
    }
}
