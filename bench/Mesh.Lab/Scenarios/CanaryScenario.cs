using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Phases;
using Mesh.Lab.World;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// A new version gets 10 % of the calls, then half, then all of them: two subsets of one host, and weights that change while calls run. Each version counts
/// its own calls; what it must have counted follows from chance, not from taste.
/// </summary>
internal sealed class CanaryScenario : StandaloneScenario
{
    private const string Host = "reviews.lab";
    private const int Users = 4;
    private const int CallsOfEach = 1000;

    public override string Starting => "Starting two versions of a service and a sidecar that calls them ...";

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        ProductsApp old = await world.StartProductsAsync("v1", stop);
        ProductsApp canary = await world.StartProductsAsync("v2", stop);
        await world.StartSidecarAsync("caller", Rules(old, canary, 10), "127.0.0.1:1", "127.0.0.1:0", stop);
        return new Running(world, old, canary);
    }

    private static string Rules(ProductsApp old, ProductsApp canary, int percent) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: reviews}
        spec:
          hosts: [{{Host}}]
          location: MESH_INTERNAL
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints:
          - {address: {{old.Address.Host}}, ports: { http: {{old.Address.Port}} }, labels: {version: v1} }
          - {address: {{canary.Address.Host}}, ports: { http: {{canary.Address.Port}} }, labels: {version: v2} }
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: reviews}
        spec:
          host: {{Host}}
          subsets:
          - {name: v1, labels: {version: v1} }
          - {name: v2, labels: {version: v2} }
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: reviews}
        spec:
          hosts: [{{Host}}]
          http:
          - route:
            - {destination: {host: {{Host}}, subset: v1}, weight: {{100 - percent}} }
            - {destination: {host: {{Host}}, subset: v2}, weight: {{percent}} }

        """);

    private sealed class Running(StandaloneWorld world, ProductsApp old, ProductsApp canary) : IRunningScenario
    {
        private Sidecar Caller => world.Sidecars[0];

        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("canary-10", "90/10: the new version gets a tenth", (result, stop) => CountAsync(10, result, stop)),
            new BoundPhase("canary-50", "50/50, changed under load: no call is lost, then each version gets half", (result, stop) => ShiftAsync(50, result, stop)),
            new BoundPhase("canary-100", "0/100, changed under load: the old version gets nothing more", (result, stop) => ShiftAsync(100, result, stop)),
        ];

        public IEnumerable<string> Addresses => [$"v1                {old.Address}", $"v2                {canary.Address}", Caller.Addresses];

        public IEnumerable<string> Ended() => world.Ended();

        public ValueTask DisposeAsync() => world.DisposeAsync();

        private async Task ShiftAsync(int percent, PhaseResult result, CancellationToken stop)
        {
            using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(stop);
            Task<LoadReport> users = RunAsync(new LoadOptions { Url = Url, Proxy = Caller.Outbound, Users = Users, Duration = TimeSpan.FromMinutes(1) }, done.Token);
            TimeSpan taken = await world.ChangeRulesAsync(Caller, Rules(old, canary, percent), stop);
            await done.CancelAsync();
            LoadReport during = await users;
            result.Add($"{Users} users while the weights change", Measurement.Of(during));
            result.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"the new weights were in force {taken.TotalMilliseconds:0} ms after the file was saved; files are looked at twice a second"));
            result.Checks.Add(PoolChecks.NobodyFails("during the change", during));
            await CountAsync(percent, result, stop);
        }

        private async Task CountAsync(int percent, PhaseResult result, CancellationToken stop)
        {
            await old.ResetAsync(stop);
            await canary.ResetAsync(stop);
            LoadReport report = await RunAsync(new LoadOptions { Url = Url, Proxy = Caller.Outbound, Users = Users, Repetitions = CallsOfEach }, stop);
            InstanceCounts toOld = await old.CountsAsync(stop);
            InstanceCounts toCanary = await canary.CountsAsync(stop);
            result.Add($"{Users} users, {CallsOfEach} calls each, {100 - percent}/{percent}", Measurement.Of(report) with
            {
                Instances = new Dictionary<string, InstanceCounts> { [old.Name] = toOld, [canary.Name] = toCanary },
            });
            result.Checks.Add(PoolChecks.NobodyFails("with the weights in force", report));
            result.Checks.Add(ShareChecks.AllArrived(report.Requests, [toOld.Requests, toCanary.Requests]));
            result.Checks.Add(ShareChecks.Drawn(canary.Name, percent / 100.0, report.Requests, toCanary.Requests));
        }

        private static Uri Url { get; } = new($"http://{Host}/product/2");

        private Task<LoadReport> RunAsync(LoadOptions options, CancellationToken stop) => new LoadRun(options, world.Time, world.Random).RunAsync(stop);
    }
}
