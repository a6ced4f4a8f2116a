using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.Phases;
using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// Orders calls products; products fails, and its circuit opens. Orders goes on answering with what products said last, and says how old that is; for what was never asked
/// there is a fixed answer in the caller's language. When products is well again, so is the answer. Nothing in orders knows of it.
/// </summary>
internal sealed class FallbackScenario : StandaloneScenario
{
    private const string Host = "products.lab";
    private const string Cluster = "outbound|80||" + Host;
    private const int Window = 10;
    private const int Trials = 2;
    private static readonly TimeSpan OpenTime = TimeSpan.FromSeconds(2);

    public override string Starting => "Starting orders with its sidecar, and products ...";

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        ProductsApp products = await world.StartProductsAsync("products", stop);
        string orders = world.FreeAddress();
        Sidecar sidecar = await world.StartSidecarAsync("orders", Rules(products), orders, "127.0.0.1:0", stop);
        await world.StartRelayAsync("orders", orders, new Uri($"http://{Host}/"), sidecar, stop);
        return new Running(world, products, new Uri($"http://{orders}"));
    }

    private static string Rules(ProductsApp products) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: products}
        spec:
          hosts: [{{Host}}]
          location: MESH_INTERNAL
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints: [{address: {{products.Address.Host}}, ports: { http: {{products.Address.Port}} } }]
        ---
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: CircuitBreaker
        metadata: {name: products}
        spec:
          host: {{Host}}
          slidingWindowSize: {{Window}}
          minimumNumberOfCalls: {{Window}}
          permittedNumberOfCallsInHalfOpenState: {{Trials}}
          waitDurationInOpenState: {{OpenTime.TotalSeconds}}s
        ---
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: Fallback
        metadata: {name: products}
        spec:
          host: {{Host}}
          triggers: [open, connect-failure, timeout, "500"]
          lastGood: {maxAge: 1m}
          static: {contentType: application/json, body: '{"sorry":"later"}'}

        """);

    private sealed class Running(StandaloneWorld world, ProductsApp products, Uri orders) : IRunningScenario
    {
        private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10); // between two calls
        private static readonly TimeSpan Short = TimeSpan.FromSeconds(0.5);
        private static readonly TimeSpan Down = TimeSpan.FromSeconds(3);
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

        private Sidecar Sidecar => world.Sidecars[0];

        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("live", "All well: products answers", LiveAsync),
            new BoundPhase("down", "Products fails: orders answers with what it said last, and its age", DownAsync),
            new BoundPhase("back", "Products is well again: the live answer", BackAsync),
        ];

        public IEnumerable<string> Addresses => [$"products          {products.Address}", $"orders            {orders}", Sidecar.Addresses];

        public IEnumerable<string> Ended() => world.Ended();

        public ValueTask DisposeAsync() => world.DisposeAsync();

        private async Task LiveAsync(PhaseResult result, CancellationToken stop)
        {
            result.Checks.AddRange(FallbackChecks.Live(await AskAsync(Short, result, stop)));
            result.Checks.Add(LabCheck.Equal("sidecar: answers kept (fallback_entries)", 1, (await CountersAsync(stop))["fallback_entries"]));
        }

        private async Task DownAsync(PhaseResult result, CancellationToken stop)
        {
            ClusterCounters before = await CountersAsync(stop);
            await products.FailAsync(stop);
            await products.ResetAsync(stop);
            long start = world.Time.GetTimestamp();
            List<ShopAnswer> answers = await AskAsync(Down, result, stop);
            TimeSpan lasted = world.Time.GetElapsedTime(start);
            ShopAnswer unknown = await GetAsync("/product/1", stop);
            ClusterCounters counted = (await CountersAsync(stop)).Since(before);
            result.Notes.Add($"products saw {(await products.CountsAsync(stop)).Requests} of {answers.Count + 1} calls; the oldest answer was {answers.Max(static a => a.Age)} s old");
            result.Checks.AddRange(FallbackChecks.Stale(answers, (int)Math.Ceiling(lasted.TotalSeconds) + 5, counted));
            result.Checks.Add(FallbackChecks.LeftAlone((await products.CountsAsync(stop)).Requests, Window, Trials, OpenTime, lasted));
            result.Checks.Add(LabCheck.That("what was never asked gets the fixed answer", unknown is { Code: 200, Body: """{"sorry":"later"}""" } && unknown.Fallback?.StartsWith("static; ", StringComparison.Ordinal) == true));
        }

        private async Task BackAsync(PhaseResult result, CancellationToken stop)
        {
            await products.BeWellAsync(stop);
            TimeSpan? taken = await world.Waiting.UntilAsync(async () => (await GetAsync("/product/2", stop)).Fallback is null && (await CountersAsync(stop))["breaker_state"] == 0, Patience, stop);
            result.Checks.Add(LabCheck.Within("the live answer is back", 3 * OpenTime, taken));
            result.Checks.AddRange(FallbackChecks.Live(await AskAsync(Short, result, stop)));
        }

        private async Task<List<ShopAnswer>> AskAsync(TimeSpan duration, PhaseResult result, CancellationToken stop)
        {
            LoadRecorder recorder = new();
            List<ShopAnswer> answers = [];
            long start = world.Time.GetTimestamp();
            do
            {
                long began = world.Time.GetTimestamp();
                ShopAnswer answer = await GetAsync("/product/2", stop);
                answers.Add(answer);
                recorder.Add(new LoadSample(answer.Code, answer.Body.Length, null, false, null, world.Time.GetElapsedTime(began)));
                await world.Waiting.PauseAsync(Pause, stop);
            }
            while (world.Time.GetElapsedTime(start) < duration);

            result.Add($"{answers.Count} calls of orders", Measurement.Of(recorder.Report(world.Time.GetElapsedTime(start), 0)));
            return answers;
        }

        private async Task<ShopAnswer> GetAsync(string path, CancellationToken stop)
        {
            using HttpResponseMessage answer = await world.Http.GetAsync(new Uri(orders, path), stop);
            return new ShopAnswer(
                (int)answer.StatusCode, answer.Headers.TryGetValues("x-mesh-fallback", out IEnumerable<string>? fallback) ? fallback.First() : null,
                (int?)answer.Headers.Age?.TotalSeconds, await answer.Content.ReadAsStringAsync(stop));
        }

        private Task<ClusterCounters> CountersAsync(CancellationToken stop) => Sidecar.CountersAsync(Cluster, stop);
    }
}
