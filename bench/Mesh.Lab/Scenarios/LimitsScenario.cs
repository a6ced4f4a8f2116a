using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Lab.Checks;
using Mesh.Lab.Phases;
using Mesh.Lab.World;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// A partner takes twenty connections, of all callers together, and five sidecars call it: one number in one rule. The load comes to one of them, moves to another, then to three at once.
/// The partner counts for itself.
/// </summary>
internal sealed class LimitsScenario : StandaloneScenario
{
    private const string Host = "partner.lab";
    private const int Total = 20;
    private const int Sidecars = 5;
    private const int Users = 40;
    private static readonly TimeSpan AnswerTime = TimeSpan.FromMilliseconds(40);

    public override string Starting => "Starting a partner that counts, a control plane and five sidecars that share a limit ...";

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        CountingUpstream partner = new(world.Time, AnswerTime);
        try
        {
            string data = Path.Combine(world.Folder, "data");
            Put(data, "serviceentries.networking.istio.io", string.Create(CultureInfo.InvariantCulture, $$"""
                apiVersion: networking.istio.io/v1
                kind: ServiceEntry
                metadata: {name: partner, namespace: default}
                spec:
                  hosts: [{{Host}}]
                  location: MESH_EXTERNAL
                  resolution: STATIC
                  ports: [{number: 80, name: http, protocol: HTTP}]
                  endpoints: [{address: {{partner.Address.Address}}, ports: { http: {{partner.Address.Port}} } }]

                """));
            Put(data, "resiliencepolicies.resilience.mesh.dev", string.Create(CultureInfo.InvariantCulture, $$"""
                apiVersion: resilience.mesh.dev/v1alpha1
                kind: ResiliencePolicy
                metadata: {name: partner, namespace: default}
                spec: {host: {{Host}}, meshLimits: {maxConnections: {{Total}} } }

                """));
            (_, Uri api) = await world.StartControlPlaneAsync(data, stop);
            await Task.WhenAll(Enumerable.Range(0, Sidecars).Select(i => world.StartSidecarAsync($"caller-{i}", ["--control-plane", api.AbsoluteUri], "127.0.0.1:1", "127.0.0.1:0", stop)));
            return new Running(world, partner, api);
        }
        catch
        {
            await partner.DisposeAsync();
            throw;
        }
    }

    private static void Put(string data, string kind, string text) =>
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(data, "rules", kind, "default")).FullName, "partner.yaml"), text);

    private sealed class Running(StandaloneWorld world, CountingUpstream partner, Uri api) : IRunningScenario
    {
        private static readonly TimeSpan Lasts = TimeSpan.FromSeconds(5);
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
        private static readonly TimeSpan Soon = TimeSpan.FromSeconds(4);

        private readonly Sidecar[] _callers = [.. world.Sidecars.OrderBy(static s => s.Name, StringComparer.Ordinal)];

        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("limits-idle", "Nobody calls: each has the same share", IdleAsync),
            new BoundPhase("limits-one", "caller-0 has all the load", (result, stop) => OneAsync(0, result, stop)),
            new BoundPhase("limits-moves", "The load moves to caller-3", (result, stop) => OneAsync(3, result, stop)),
            new BoundPhase("limits-three", "caller-0, caller-2 and caller-4 want more than there is", ThreeAsync),
        ];

        public IEnumerable<string> Addresses => [$"partner           {partner.Address}", $"control plane     {api}mesh/v1/limits", .. _callers.Select(static s => s.Addresses)];

        public IEnumerable<string> Ended() => world.Ended();

        public async ValueTask DisposeAsync()
        {
            await world.DisposeAsync();
            await partner.DisposeAsync();
        }

        private async Task IdleAsync(PhaseResult result, CancellationToken stop)
        {
            TimeSpan? settled = await world.Waiting.UntilAsync(async () => (await SharesAsync(stop)).Sum() == Total, Patience, stop);
            result.Checks.Add(LabCheck.Within("all of the limit is given out", Patience, settled));
            result.Checks.AddRange(LimitChecks.Given(Total, await SharesAsync(stop)));
            await NoteAsync(result, stop);
        }

        private async Task OneAsync(int caller, PhaseResult result, CancellationToken stop)
        {
            partner.TakeMost();
            Task<LoadReport> load = LoadAsync(_callers[caller], stop);
            const int Share = Total - Sidecars + 1;
            TimeSpan? taken = await world.Waiting.UntilAsync(async () => (await SharesAsync(stop))[caller] == Share, Lasts, stop);
            result.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"caller-{caller} had {Share} of {Total} after {taken?.TotalSeconds ?? -1:0.0} s"));
            await NoteAsync(result, stop);
            LoadReport report = await load;
            (int connections, int requests) = partner.TakeMost();
            result.Add($"{Users} users at caller-{caller}", Measurement.Of(report));
            result.Notes.Add(Line(connections, requests));
            result.Checks.AddRange(LimitChecks.Bounded(Total, 0, connections, requests));
            result.Checks.AddRange(LimitChecks.Follows(taken, Soon, Share, connections, report));
            result.Checks.AddRange(LimitChecks.Given(Total, await SharesAsync(stop)));
        }

        private async Task ThreeAsync(PhaseResult result, CancellationToken stop)
        {
            int[] callers = [0, 2, 4];
            await Task.WhenAll(callers.Select(i => LoadAsync(_callers[i], stop))); // until the shares have moved
            partner.TakeMost();
            Task<LoadReport>[] loads = [.. callers.Select(i => LoadAsync(_callers[i], stop))];
            await world.Waiting.PauseAsync(Lasts / 2, stop);
            await NoteAsync(result, stop);
            LoadReport[] reports = await Task.WhenAll(loads);
            (int connections, int requests) = partner.TakeMost();
            for (int i = 0; i < callers.Length; i++)
            {
                result.Add($"{Users} users at caller-{callers[i]}", Measurement.Of(reports[i]));
            }

            result.Notes.Add(Line(connections, requests));
            result.Checks.AddRange(LimitChecks.Bounded(Total, 0, connections, requests));
            result.Checks.Add(LimitChecks.Even([.. reports.Select(static r => r.Ok)], 0.8));
            result.Checks.AddRange(LimitChecks.Given(Total, await SharesAsync(stop)));
        }

        private Task<LoadReport> LoadAsync(Sidecar caller, CancellationToken stop) =>
            new LoadRun(new LoadOptions { Url = new Uri($"http://{Host}/"), Proxy = caller.Outbound, Users = Users, Duration = Lasts }, world.Time, world.Random).RunAsync(stop);

        /// <summary>The shares in the order of the sidecars' names; zero for one that the control plane has not heard of.</summary>
        private async Task<int[]> SharesAsync(CancellationToken stop)
        {
            JsonNode? limit = JsonNode.Parse(await world.Http.GetStringAsync(new Uri(api, "/mesh/v1/limits"), stop))!.AsArray().FirstOrDefault();
            Dictionary<string, int> shares = limit?["sidecars"]!.AsArray().ToDictionary(static s => (string)s!["id"]!, static s => (int)s!["share"]!) ?? [];
            return [.. _callers.Select(c => shares.GetValueOrDefault(c.Name))];
        }

        private async Task NoteAsync(PhaseResult result, CancellationToken stop) => result.Notes.Add($"shares: {string.Join(' ', await SharesAsync(stop))}");

        private static string Line(int connections, int requests) =>
            string.Create(CultureInfo.InvariantCulture, $"the partner saw {connections} connections and {requests} requests at once, at most");
    }
}
