using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Phases;
using Mesh.Lab.World;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// Forty thousand calls a minute, spread evenly: a class of calls that comes as fast as it can waits in the sidecar's line and leaves it at the rate of a rule, whatever the answers do.
/// What people wait for is not of the class and goes first. The destination counts each 100 ms.
/// </summary>
internal sealed class PacingScenario : StandaloneScenario
{
    private const string Host = "institution.lab";
    private const int PerMinute = 40_000;
    private const int Batch = 150;
    private const int Interactive = 4;
    private static readonly TimeSpan AnswerTime = TimeSpan.FromMilliseconds(5);

    public override string Starting => "Starting an institution that counts, and a sidecar that paces the calls to it ...";

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        CountingUpstream institution = new(world.Time, AnswerTime);
        try
        {
            await world.StartSidecarAsync("paced", Rules(institution), "127.0.0.1:1", "127.0.0.1:0", stop);
            return new Running(world, institution);
        }
        catch
        {
            await institution.DisposeAsync();
            throw;
        }
    }

    private static string Rules(CountingUpstream institution) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: institution}
        spec:
          hosts: [{{Host}}]
          location: MESH_EXTERNAL
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints: [{address: {{institution.Address.Address}}, ports: { http: {{institution.Address.Port}} } }]
        ---
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: RateLimit
        metadata: {name: institution}
        spec:
          host: {{Host}}
          tokens: {{PerMinute}}
          interval: 1m
          burst: 1
          match: {headers: {x-class: {exact: batch} } }
          whenExceeded: {wait: {maxWait: 30s, maxQueue: 1000} }

        """);

    private sealed class Running(StandaloneWorld world, CountingUpstream institution) : IRunningScenario
    {
        private static readonly TimeSpan Begin = TimeSpan.FromSeconds(1); // the line fills, code is compiled
        private static readonly TimeSpan Counted = TimeSpan.FromSeconds(10);

        public IReadOnlyList<BoundPhase> Phases => [new BoundPhase("pacing", "40,000 calls a minute, counted each 100 ms; interactive calls beside them", PaceAsync)];

        public IEnumerable<string> Addresses => [$"institution       {institution.Address}", world.Sidecars[0].Addresses];

        public IEnumerable<string> Ended() => world.Ended();

        public async ValueTask DisposeAsync()
        {
            await world.DisposeAsync();
            await institution.DisposeAsync();
        }

        private async Task PaceAsync(PhaseResult result, CancellationToken stop)
        {
            long start = world.Time.GetTimestamp();
            Task<LoadReport> batch = LoadAsync(Batch, [new("x-class", "batch")], TimeSpan.Zero, stop);
            Task<LoadReport> people = LoadAsync(Interactive, [], TimeSpan.FromMilliseconds(100), stop);
            LoadReport paced = await batch;
            LoadReport interactive = await people;
            long frequency = world.Time.TimestampFrequency;
            Slices seen = Slices.Of(institution.Arrivals, "batch", start + (long)(Begin.TotalSeconds * frequency), (int)(Counted / Slices.Length), frequency);
            result.Add($"{Batch} callers of the class batch, as fast as they can", Measurement.Of(paced));
            result.Add($"{Interactive} interactive callers", Measurement.Of(interactive));
            const double PerSlice = PerMinute / 600.0;
            result.Notes.Add(string.Create(
                CultureInfo.InvariantCulture, $"calls a slice: least {seen.Counts.Min()}, mean {seen.Mean:0.00}, most {seen.Counts.Max()}; {seen.Within(66, 68)} of {seen.Counts.Count} slices have 66 to 68"));
            result.Notes.Add($"slices: {string.Join(' ', seen.Counts)}");
            if (seen.Within(66, 68) < seen.Counts.Count)
            {
                result.Notes.Add("the others lie beside the rate because caller, sidecar and institution share this machine's cores; on a clock of its own each slice has 66 to 68 (RateLimitWaitTests)");
            }

            result.Checks.AddRange(PacingChecks.Even(PerSlice, seen));
            result.Checks.AddRange(PacingChecks.Unpaced(interactive.Latency.Percentile(50), paced.Latency.Percentile(50), interactive.Failed));
            result.Checks.Add(LabCheck.Equal("paced calls that failed", 0, paced.Failed));
        }

        private Task<LoadReport> LoadAsync(int users, KeyValuePair<string, string>[] headers, TimeSpan delay, CancellationToken stop) =>
            new LoadRun(
                new LoadOptions { Url = new Uri($"http://{Host}/"), Proxy = world.Sidecars[0].Outbound, Users = users, Headers = headers, Delay = delay, Duration = Begin + Counted + (Begin / 2) },
                world.Time, world.Random).RunAsync(stop);
    }
}
