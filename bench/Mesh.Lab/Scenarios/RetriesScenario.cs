using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Phases;
using Mesh.Lab.World;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// Three layers, each with a sidecar that retries twice, call one another; the service at the bottom fails. With retries alone each call becomes 27 at the bottom.
/// With <c>profile: safe</c> only the uppermost layer retries, within its budget.
/// </summary>
internal sealed class RetriesScenario : StandaloneScenario
{
    private const int Callers = 100;
    private const int CallsOfEach = 10;
    private const int Storm = 27;
    private const double MostWithProfileSafe = 1.2;
    private static readonly string[] Hosts = ["middle.lab", "low.lab", "bottom.lab"];

    public override string Starting => "Starting a chain of three layers, twice: sidecar, sidecar and relay, sidecar and relay, and a service that fails ...";

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        ProductsApp bottom = await world.StartProductsAsync("bottom", stop);
        await bottom.FailAsync(stop);
        Sidecar plain = await StartChainAsync(world, bottom, "plain", isSafe: false, stop);
        Sidecar safe = await StartChainAsync(world, bottom, "safe", isSafe: true, stop);
        return new Running(world, bottom, plain, safe);
    }

    // The rules name where the next sidecar listens, so the ports of all are chosen before any of them starts.
    private static async Task<Sidecar> StartChainAsync(StandaloneWorld world, ProductsApp bottom, string name, bool isSafe, CancellationToken stop)
    {
        string[] inbound = [world.FreeAddress(), world.FreeAddress(), world.FreeAddress()];
        string[] endpoints = [inbound[1], inbound[2], bottom.Address.Authority];
        string rules = string.Join("---\n", Hosts.Zip(endpoints, (host, endpoint) => Rules(host, endpoint, isSafe)));
        Sidecar top = await world.StartSidecarAsync($"{name}-top", rules, "127.0.0.1:1", inbound[0], stop);
        for (int layer = 1; layer < Hosts.Length; layer++)
        {
            string app = world.FreeAddress();
            string own = $"{name}-{Hosts[layer - 1].Split('.')[0]}";
            Sidecar sidecar = await world.StartSidecarAsync(own, rules, app, inbound[layer], stop);
            await world.StartRelayAsync($"{own}-relay", app, new Uri($"http://{Hosts[layer]}"), sidecar, stop);
        }

        return top;
    }

    // effect-of: VirtualService http.retries.attempts
    // effect-of: ResiliencePolicy profile
    private static string Rules(string host, string endpoint, bool isSafe)
    {
        int colon = endpoint.LastIndexOf(':');
        string name = host.Split('.')[0];
        return string.Create(CultureInfo.InvariantCulture, $$"""
            apiVersion: networking.istio.io/v1
            kind: ServiceEntry
            metadata: {name: {{name}}}
            spec:
              hosts: [{{host}}]
              resolution: STATIC
              ports: [{number: 80, name: http, protocol: HTTP}]
              endpoints: [{address: {{endpoint[..colon]}}, ports: { http: {{endpoint[(colon + 1)..]}} } }]
            ---
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {name: {{name}}}
            spec:
              hosts: [{{host}}]
              http:
              - name: {{name}}
                retries: {attempts: 2, retryOn: 5xx}
                route: [{ destination: { host: {{host}} } }]

            """) + (isSafe ? $$"""
            ---
            apiVersion: resilience.mesh.dev/v1alpha1
            kind: ResiliencePolicy
            metadata: {name: {{name}}}
            spec: {host: {{host}}, profile: safe}

            """ : "");
    }

    private sealed class Running(StandaloneWorld world, ProductsApp bottom, Sidecar plain, Sidecar safe) : IRunningScenario
    {
        private const long Calls = Callers * CallsOfEach;

        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("retry-storm", "Retries in three layers: every call becomes 27 at the bottom", StormAsync),
            new BoundPhase("profile-safe", "profile: safe: one layer retries, within its budget", SafeAsync),
        ];

        public IEnumerable<string> Addresses => [$"bottom            {bottom.Address}", .. world.Sidecars.Select(static s => s.Addresses)];

        public IEnumerable<string> Ended() => world.Ended();

        public ValueTask DisposeAsync() => world.DisposeAsync();

        private async Task StormAsync(PhaseResult result, CancellationToken stop)
        {
            (LoadReport load, long atTheBottom) = await CallAsync(plain, "retries alone", result, stop);
            result.Checks.Add(LabCheck.Equal("calls that fail in the end", Calls, load.WithCode(500)));
            result.Checks.Add(LabCheck.Equal("calls at the bottom", Calls * Storm, atTheBottom));
        }

        private async Task SafeAsync(PhaseResult result, CancellationToken stop)
        {
            (LoadReport load, long atTheBottom) = await CallAsync(safe, "profile safe", result, stop);
            result.Checks.Add(LabCheck.Equal("calls that fail in the end", Calls, load.WithCode(500)));
            result.Checks.Add(LabCheck.AtLeast("calls at the bottom", Calls, atTheBottom));
            result.Checks.Add(LabCheck.AtMost("calls at the bottom, 1.2 for each", (long)(Calls * MostWithProfileSafe), atTheBottom));
        }

        private async Task<(LoadReport Load, long AtTheBottom)> CallAsync(Sidecar top, string title, PhaseResult result, CancellationToken stop)
        {
            await bottom.ResetAsync(stop);
            LoadOptions load = new() { Url = new Uri($"http://{Hosts[0]}/product/2"), Proxy = top.Outbound, Users = Callers, Repetitions = CallsOfEach };
            LoadReport report = await new LoadRun(load, world.Time, world.Random).RunAsync(stop);
            long atTheBottom = (await bottom.CountsAsync(stop)).Requests;
            result.Add($"{Callers} callers, {CallsOfEach} calls each, {title}", Measurement.Of(report));
            result.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"{report.Requests} calls became {atTheBottom} at the bottom: {(double)atTheBottom / report.Requests:0.00} for each"));
            return (report, atTheBottom);
        }
    }
}
