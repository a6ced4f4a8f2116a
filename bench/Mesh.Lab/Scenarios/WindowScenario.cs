using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.Phases;
using Mesh.Lab.World;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// An upstream stops reading while its callers upload: its TCP window shuts, and nothing is wrong enough for anybody to be told. Without a limit every caller
/// waits as long as it can. With a write timeout of 1 s it is told in time, with a reason of its own.
/// </summary>
internal sealed class WindowScenario : StandaloneScenario
{
    private const string Host = "archive.example";
    private const string Cluster = "outbound|80||" + Host;
    private const int Callers = 8;
    private const int CallsAfterwards = 20;
    private const long Body = 24L << 20; // more than the sockets' buffers on the way hold
    private static readonly TimeSpan CallersPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LatestAnswer = TimeSpan.FromSeconds(4);

    public override string Starting => "Starting an upstream that will stop reading, and two sidecars that call it: one without a write timeout, one with ...";

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        ProductsApp archive = await world.StartProductsAsync("archive", stop);
        await world.StartSidecarAsync("without-limit", Rules(archive, withLimit: false), "127.0.0.1:1", "127.0.0.1:0", stop);
        await world.StartSidecarAsync("with-limit", Rules(archive, withLimit: true), "127.0.0.1:1", "127.0.0.1:0", stop);
        return new Running(world, archive);
    }

    private static string Rules(ProductsApp archive, bool withLimit) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: archive}
        spec:
          hosts: [{{Host}}]
          location: MESH_EXTERNAL
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints: [{address: {{archive.Address.Host}}, ports: { http: {{archive.Address.Port}} } }]

        """) + (withLimit ? string.Create(CultureInfo.InvariantCulture, $$"""
        ---
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: ResiliencePolicy
        metadata: {name: archive}
        spec: {host: {{Host}}, writeTimeout: {{WriteTimeout.TotalSeconds}}s}

        """) : "");

    private sealed class Running(StandaloneWorld world, ProductsApp archive) : IRunningScenario
    {
        private static readonly Uri Url = new($"http://{Host}/product");

        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("without-limit", "The upstream stops reading, no write timeout: nobody is told anything", WithoutLimitAsync),
            new BoundPhase("with-limit", "writeTimeout: 1s: each caller is told in time, and why", WithLimitAsync),
            new BoundPhase("window-opens", "The upstream reads again: both sidecars go on", WindowOpensAsync),
        ];

        public IEnumerable<string> Addresses => [$"archive           {archive.Address}", .. world.Sidecars.Select(static s => s.Addresses)];

        public IEnumerable<string> Ended() => world.Ended();

        public ValueTask DisposeAsync() => world.DisposeAsync();

        private async Task WithoutLimitAsync(PhaseResult result, CancellationToken stop)
        {
            await archive.HangAsync(stop);
            Sidecar caller = world.Sidecars[0];
            Task<IReadOnlyList<Upload>> uploads = UploadAsync(caller, result, stop);
            await world.Waiting.PauseAsync(CallersPatience / 2, stop);
            long held = (await caller.CountersAsync(Cluster, stop))["upstream_rq_active"];
            result.Checks.AddRange(WindowChecks.NobodyIsToldAnything(await uploads, held, await caller.CountersAsync(Cluster, stop)));
        }

        private async Task WithLimitAsync(PhaseResult result, CancellationToken stop)
        {
            Sidecar caller = world.Sidecars[1];
            IReadOnlyList<Upload> uploads = await UploadAsync(caller, result, stop);
            // The answer comes first, its line a moment later.
            List<AccessLogEntry> log = [];
            await world.Waiting.UntilAsync(() => Task.FromResult((log = caller.Log.ReadFrom(0)).Count >= Callers), CallersPatience, stop);
            result.Checks.AddRange(WindowChecks.EachIsTold(uploads, WriteTimeout, LatestAnswer, log, await caller.CountersAsync(Cluster, stop)));
        }

        private async Task WindowOpensAsync(PhaseResult result, CancellationToken stop)
        {
            await archive.BeWellAsync(stop);
            foreach (Sidecar caller in world.Sidecars)
            {
                LoadOptions calls = new() { Url = new Uri(Url, "/product/2"), Proxy = caller.Outbound, Users = 1, Repetitions = CallsAfterwards };
                LoadReport report = await new LoadRun(calls, world.Time, world.Random).RunAsync(stop);
                result.Add($"{CallsAfterwards} calls, {caller.Name}", Measurement.Of(report));
                result.Checks.Add(PoolChecks.NobodyFails(caller.Name, report));
            }
        }

        private async Task<IReadOnlyList<Upload>> UploadAsync(Sidecar caller, PhaseResult result, CancellationToken stop)
        {
            Uploads uploads = new(caller.Outbound, Url, Body, CallersPatience, world.Time);
            IReadOnlyList<Upload> done = await uploads.RunAsync(Callers, stop);
            result.Add($"{Callers} callers upload {Body >> 20} MiB each", Measurement.Of(Uploads.Report(done)));
            result.Notes.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"they waited {done.Min(static u => u.Took).TotalSeconds:0.0} to {done.Max(static u => u.Took).TotalSeconds:0.0} s, {done.Count(static u => u.Code == 0)} of them for nothing"));
            return done;
        }
    }
}
