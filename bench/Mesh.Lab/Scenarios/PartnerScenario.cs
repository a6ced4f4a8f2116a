using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.Phases;
using Mesh.Lab.World;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// A service that takes 200 calls at a time asks an external partner, which begins to need a minute for an answer. 200 callers come at once; the partner recovers
/// after 8 s; 100 more callers come after 10 s. Without a timeout the second wave is refused although the partner is well: the first still holds every slot.
/// With a timeout of 5 s it is served.
/// </summary>
internal sealed class PartnerScenario : StandaloneScenario
{
    private const string Host = "partner.example";
    private const string Cluster = "outbound|80||" + Host;
    private const int Capacity = 200;
    private const int SecondWave = 100;
    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RecoversAt = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan SecondWaveAt = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CallersPatience = TimeSpan.FromSeconds(12);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    public override string Starting => "Starting a partner outside the mesh, and two sidecars that call it: one without a timeout, one with ...";

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        ProductsApp partner = await world.StartProductsAsync("partner", stop);
        await world.StartSidecarAsync("without-timeout", Rules(partner, withTimeout: false), "127.0.0.1:1", "127.0.0.1:0", stop);
        await world.StartSidecarAsync("with-timeout", Rules(partner, withTimeout: true), "127.0.0.1:1", "127.0.0.1:0", stop);
        return new Running(world, partner);
    }

    // effect-of: DestinationRule trafficPolicy.connectionPool.http.http2MaxRequests
    // effect-of: VirtualService http.timeout
    private static string Rules(ProductsApp partner, bool withTimeout) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: partner}
        spec:
          hosts: [{{Host}}]
          location: MESH_EXTERNAL
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints: [{address: {{partner.Address.Host}}, ports: { http: {{partner.Address.Port}} } }]
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: partner}
        spec:
          host: {{Host}}
          trafficPolicy:
            connectionPool: { http: { http2MaxRequests: {{Capacity}} } }

        """) + (withTimeout ? string.Create(CultureInfo.InvariantCulture, $$"""
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: partner}
        spec:
          hosts: [{{Host}}]
          http:
          - name: partner
            timeout: {{Timeout.TotalSeconds}}s
            route: [{ destination: { host: {{Host}} } }]

        """) : "");

    private sealed class Running(StandaloneWorld world, ProductsApp partner) : IRunningScenario
    {
        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("without-timeout", "No timeout: the first wave holds every slot, and the second suffers", WithoutTimeoutAsync),
            new BoundPhase("with-timeout", "timeout: 5s: the first wave fails in time, and the second is served", WithTimeoutAsync),
        ];

        public IEnumerable<string> Addresses => [$"partner           {partner.Address}", .. world.Sidecars.Select(static s => s.Addresses)];

        public IEnumerable<string> Ended() => world.Ended();

        public ValueTask DisposeAsync() => world.DisposeAsync();

        private async Task WithoutTimeoutAsync(PhaseResult result, CancellationToken stop)
        {
            (LoadReport first, LoadReport second) = await WavesAsync(world.Sidecars[0], result, stop);
            result.Checks.Add(LabCheck.Equal("first wave: calls answered before their callers gave up", 0, first.Requests - first.Unanswered));
            result.Checks.Add(LabCheck.Equal("second wave: refused, although the partner is well", SecondWave, second.Reasons.GetValueOrDefault("request_overflow")));
        }

        private async Task WithTimeoutAsync(PhaseResult result, CancellationToken stop)
        {
            (LoadReport first, LoadReport second) = await WavesAsync(world.Sidecars[1], result, stop);
            ClusterCounters counters = await world.Sidecars[1].CountersAsync(Cluster, stop);
            result.Checks.Add(LabCheck.Equal("first wave: answered 504", Capacity, first.WithCode(504)));
            result.Checks.Add(LabCheck.That("first wave: none of them before 5 s", first.Latency.Percentile(0) >= Timeout - TimeSpan.FromMilliseconds(50)));
            result.Checks.Add(LabCheck.Within("first wave: the slowest of them", RecoversAt, first.Latency.Percentile(100)));
            result.Checks.Add(LabCheck.Equal("second wave: answered 200", SecondWave, second.WithCode(200)));
            result.Checks.Add(LabCheck.Equal("sidecar: upstream_rq_timeout", Capacity, counters["upstream_rq_timeout"]));
        }

        private async Task<(LoadReport First, LoadReport Second)> WavesAsync(Sidecar caller, PhaseResult result, CancellationToken stop)
        {
            await partner.BeSlowAsync(Answer, stop);
            Task<LoadReport> first = WaveAsync(caller, Capacity, stop);
            await world.Waiting.PauseAsync(RecoversAt, stop);
            await partner.BeWellAsync(stop);
            await world.Waiting.PauseAsync(SecondWaveAt - RecoversAt, stop);
            LoadReport second = await WaveAsync(caller, SecondWave, stop);
            result.Add($"{Capacity} callers at once", Measurement.Of(await first));
            result.Add($"{SecondWave} more after {SecondWaveAt.TotalSeconds:F0} s", Measurement.Of(second));
            return (await first, second);
        }

        private Task<LoadReport> WaveAsync(Sidecar caller, int callers, CancellationToken stop) => new LoadRun(
            new LoadOptions
            {
                Url = new Uri($"http://{Host}/product/2"),
                Proxy = caller.Outbound,
                Users = callers,
                Repetitions = 1,
                Timeout = CallersPatience,
            },
            world.Time, world.Random).RunAsync(stop);
    }
}
