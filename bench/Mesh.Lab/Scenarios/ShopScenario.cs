using Mesh.Lab.CommandLine;
using Mesh.Lab.Phases;
using Mesh.Lab.World;

namespace Mesh.Lab.Scenarios;

/// <summary>orders, delivery and products, each behind a sidecar, with one DestinationRule from the API.</summary>
/// <param name="options">Rule and duration.</param>
internal sealed class ShopScenario(LabOptions options) : ILabScenario
{
    public string Starting => "Starting the control plane, orders, delivery and products, each service behind its sidecar ...";

    public async Task<IRunningScenario> StartAsync(TimeProvider time, Random random, string folder, CancellationToken stop) =>
        new Running(await LabWorld.StartAsync(time, random, folder, stop), options);

    private sealed class Running(LabWorld world, LabOptions options) : IRunningScenario
    {
        public IReadOnlyList<BoundPhase> Phases { get; } =
        [
            .. new ILabPhase[]
            {
                new NoRulePhase(options.Duration), new ConnectionPoolPhase(options.Duration, options.RuleFile), new OutlierPhase(),
                new ControlPlaneGonePhase(options.RuleFile), new RuleChangePhase(),
            }.Select(phase => new BoundPhase(phase.Name, phase.Title, (result, stop) => phase.RunAsync(world, result, stop))),
        ];

        public IEnumerable<string> Addresses =>
        [
            $"control plane     {world.ControlPlaneUrl}",
            .. world.Callers.Concat(world.Instances.Select(static i => i.Sidecar)).Select(static s => s.Addresses),
        ];

        public IEnumerable<string> Ended() => world.Ended();

        public ValueTask DisposeAsync() => world.DisposeAsync();
    }
}
