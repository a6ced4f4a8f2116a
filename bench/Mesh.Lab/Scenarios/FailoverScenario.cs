using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.Phases;
using Mesh.Lab.Processes;
using Mesh.Lab.World;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// A caller in one region, a service in three: its own has two instances, and the rule names the second region to fail over to. One near instance gets sick,
/// then both; outlier detection notices, and the calls move region by region. When the near instances return, so do the calls.
/// </summary>
internal sealed class FailoverScenario : StandaloneScenario
{
    private const string Host = "stock.lab";
    private const string Cluster = "outbound|80||" + Host;
    private const string Own = "eu-west/a";
    private const int Calls = 1000;
    private const int Failures = 3;
    private const double Overprovisioning = 1.4; // Envoy's: a region with 50 % of its instances keeps 70 % of the calls
    private static readonly (string Name, string Zone)[] Instances = [("near-1", Own), ("near-2", Own), ("second", "us-east/a"), ("third", "ap-south/a")];
    private static readonly TimeSpan BaseEjectionTime = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public override string Starting => "Starting a service in three regions, two instances of it in the caller's own zone ...";

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        List<(ProductsApp App, string Zone)> apps = [];
        foreach ((string name, string zone) in Instances)
        {
            apps.Add((await world.StartProductsAsync(name, stop), zone));
        }

        await world.StartSidecarAsync("caller", Rules(apps), "127.0.0.1:1", "127.0.0.1:0", stop, "--zone", Own);
        return new Running(world, [.. apps.Select(static a => a.App)]);
    }

    private static string Rules(IEnumerable<(ProductsApp App, string Zone)> apps) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: stock}
        spec:
          hosts: [{{Host}}]
          location: MESH_INTERNAL
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints:
        {{string.Join('\n', apps.Select(static a => $"  - {{address: {a.App.Address.Host}, ports: {{ http: {a.App.Address.Port} }}, locality: {a.Zone}}}"))}}
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: stock}
        spec:
          host: {{Host}}
          trafficPolicy:
            loadBalancer:
              localityLbSetting:
                enabled: true
                failover: [{from: eu-west, to: us-east}]
            outlierDetection:
              consecutive5xxErrors: {{Failures}}
              interval: 1s
              baseEjectionTime: {{BaseEjectionTime.TotalSeconds}}s
              maxEjectionPercent: 100

        """);

    private sealed class Running(StandaloneWorld world, IReadOnlyList<ProductsApp> apps) : IRunningScenario
    {
        private static readonly Uri Url = new($"http://{Host}/product/2");

        private Sidecar Caller => world.Sidecars[0];

        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("near", "All well: the own region serves everything", (result, stop) => CountAsync(1, [], result, stop)),
            new BoundPhase("one-sick", "One of two near instances is sick: 70 % stay, 30 % go to the second region", (result, stop) => SickenAsync(1, result, stop)),
            new BoundPhase("all-sick", "Both near instances are sick: the second region serves everything", (result, stop) => SickenAsync(2, result, stop)),
            new BoundPhase("return", "Both are well again: the calls come back", ReturnAsync),
        ];

        public IEnumerable<string> Addresses => [.. apps.Select(static a => $"{a.Name,-16}  {a.Address}"), Caller.Addresses];

        public IEnumerable<string> Ended() => world.Ended();

        public ValueTask DisposeAsync() => world.DisposeAsync();

        private async Task SickenAsync(int sick, PhaseResult result, CancellationToken stop)
        {
            await apps[sick - 1].FailAsync(stop);
            using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(stop);
            Task<LoadReport> user = RunAsync(new LoadOptions { Url = Url, Proxy = Caller.Outbound, Duration = Patience }, done.Token);
            bool noticed = await world.Waiting.UntilAsync(() => AreEjectedAsync(sick, stop), Patience, stop) is not null;
            await done.CancelAsync();
            LoadReport before = await user;
            result.Add("1 user until the sick instance is ejected", Measurement.Of(before));
            result.Checks.Add(LabCheck.That("outlier detection has ejected it", noticed));
            result.Checks.Add(LabCheck.Equal("calls that failed on the way, consecutive5xxErrors", Failures, before.Failed));
            double share = Math.Min(1, (2 - sick) / 2.0 * Overprovisioning);
            await CountAsync(share, [.. apps.Take(sick)], result, stop);
        }

        private async Task ReturnAsync(PhaseResult result, CancellationToken stop)
        {
            foreach (ProductsApp app in apps)
            {
                await app.BeWellAsync(stop);
            }

            TimeSpan taken = await world.Waiting.UntilAsync(() => AreEjectedAsync(0, stop), Patience, stop)
                ?? throw new LabException($"an ejected instance did not return within {Patience.TotalSeconds:F0} s");
            result.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"the last one returned {taken.TotalSeconds:0.0} s after both were well; baseEjectionTime is {BaseEjectionTime.TotalSeconds:0} s"));
            List<EjectionLine> events = await Caller.EjectionsAsync(stop);
            result.Checks.Add(LabCheck.Equal("ejections", 2, events.Count(static e => e.IsEject)));
            result.Checks.Add(LabCheck.Equal("returns", 2, events.Count(static e => !e.IsEject)));
            await CountAsync(1, [], result, stop);
        }

        private async Task CountAsync(double near, IReadOnlyList<ProductsApp> ejected, PhaseResult result, CancellationToken stop)
        {
            foreach (ProductsApp app in apps)
            {
                await app.ResetAsync(stop);
            }

            LoadReport report = await RunAsync(new LoadOptions { Url = Url, Proxy = Caller.Outbound, Users = 4, Repetitions = Calls / 4 }, stop);
            Dictionary<string, InstanceCounts> counts = [];
            foreach (ProductsApp app in apps)
            {
                counts[app.Name] = await app.CountsAsync(stop);
            }

            result.Add($"{Calls} calls", Measurement.Of(report) with { Instances = counts });
            result.Checks.AddRange(FailoverChecks.Regions(report, near, [.. ejected.Select(static e => e.Name)], counts));
        }

        private async Task<bool> AreEjectedAsync(int first, CancellationToken stop) =>
            await Caller.ClusterAsync(Cluster, stop) is { } state &&
            apps.Select((app, i) => state.Endpoints.Single(e => e.Address == app.Address.Authority).IsEjected == i < first).All(static right => right);

        private Task<LoadReport> RunAsync(LoadOptions options, CancellationToken stop) => new LoadRun(options, world.Time, world.Random).RunAsync(stop);
    }
}
