using System.Globalization;
using System.Text;
using Mesh.Lab.Checks;
using Mesh.Lab.Phases;
using Mesh.Lab.Processes;
using Mesh.Lab.World;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// Many services of ten endpoints in one sidecar, each with a DestinationRule, two subsets and two routes: from a control plane, and from a folder. What it costs is
/// measured and only shown; what is checked is that everything arrives, and that one change touches what it concerns and nothing else.
/// </summary>
/// <param name="services">How many.</param>
internal sealed class ScaleScenario(int services) : StandaloneScenario
{
    public override string Starting => string.Create(CultureInfo.InvariantCulture, $"Writing the rules of {services} services, and starting a sidecar without any ...");

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        string data = Path.Combine(world.Folder, "data");
        ScaleRules.Write(data, services);
        string copy = Path.Combine(world.Folder, "copy"); // the control plane writes into its own
        ScaleRules.Write(copy, services);
        return new Running(world, services, data, copy, await StartCost.OfAsync(world, "empty", ["--rules", Directory.CreateDirectory(Path.Combine(world.Folder, "none")).FullName], stop));
    }

    private sealed class Running(StandaloneWorld world, int services, string data, string copy, StartCost empty) : IRunningScenario
    {
        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("scale-control-plane", $"{services} services from a control plane", FromControlPlaneAsync),
            new BoundPhase("scale-rules", $"{services} services from a folder", FromFolderAsync),
        ];

        public IEnumerable<string> Addresses => world.Sidecars.Select(static s => s.Addresses);

        public IEnumerable<string> Ended() => world.Ended();

        public ValueTask DisposeAsync() => world.DisposeAsync();

        private async Task FromControlPlaneAsync(PhaseResult result, CancellationToken stop)
        {
            (ChildProcess process, Uri api) = await world.StartControlPlaneAsync(data, stop);
            (long memory, TimeSpan cpu) = process.Usage();
            result.Notes.Add(Line("control plane: CPU of its start", $"{cpu.TotalMilliseconds:0} ms, {Mebibytes(memory)}"));
            StartCost start = await StartCost.OfAsync(world, "pushed", ["--control-plane", api.AbsoluteUri], stop);
            RuleApi rules = new(world.Http, api);
            TimeSpan? programmed = await world.Waiting.UntilAsync(() => rules.IsProgrammedAsync(ScaleRules.Name(services - 1), stop), ChangeCost.Patience, stop);
            result.Checks.Add(LabCheck.That("the status of the last rule says Programmed", programmed is not null));
            await ShowAsync(start, result, stop);
            result.Notes.Add(Line("... and until the last rule's status says Programmed", $"{programmed?.TotalMilliseconds:0} ms more"));
            ChangeCost change = new(world, "pushed", start.Sidecar, process);
            await change.MeasureIdleAsync(result, stop);
            await change.MeasureAsync("one changed DestinationRule", clusters: 3, result, k => rules.ApplyAsync(Encoding.UTF8.GetBytes(ScaleRules.Destination(services / 2, 1000 + k)), stop), stop);
            await change.MeasureAsync("one endpoint more", clusters: 1, result, k => RegisterAsync(api, k, stop), stop);
            (memory, _) = process.Usage();
            result.Notes.Add(Line("control plane: memory now", Mebibytes(memory)));
        }

        private async Task FromFolderAsync(PhaseResult result, CancellationToken stop)
        {
            StartCost start = await StartCost.OfAsync(world, "folder", ["--rules", Path.Combine(copy, "rules")], stop);
            await ShowAsync(start, result, stop);
            ChangeCost change = new(world, "folder", start.Sidecar, null);
            await change.MeasureIdleAsync(result, stop);
            int service = services / 2;
            await change.MeasureAsync(
                "one changed DestinationRule", clusters: 3, result, k => File.WriteAllTextAsync(ScaleRules.DestinationFile(copy, service), ScaleRules.Destination(service, 1000 + k), stop), stop);
            await change.MeasureAsync(
                "one changed endpoint", clusters: 2, result, k => File.WriteAllTextAsync(ScaleRules.EntryFile(copy, service), ScaleRules.Entry(service, 9000 + k), stop), stop);
        }

        private async Task ShowAsync(StartCost start, PhaseResult result, CancellationToken stop)
        {
            result.Notes.Add(Line("CPU of the start", $"{start.Cpu.TotalMilliseconds:0} ms; without rules {empty.Cpu.TotalMilliseconds:0} ms"));
            result.Notes.Add(Line("start until ready", $"{start.Ready.TotalMilliseconds:0} ms; without rules {empty.Ready.TotalMilliseconds:0} ms"));
            result.Notes.Add(Line("memory when ready", $"{Mebibytes(start.Memory)}; without rules {Mebibytes(empty.Memory)}; {(start.Memory - empty.Memory) / 1024.0 / services:0.0} KiB a service"));
            long asked = world.Time.GetTimestamp();
            byte[] dump = await world.Http.GetByteArrayAsync(new Uri(start.Sidecar.Admin, "/config_dump"), stop);
            result.Notes.Add(Line("/config_dump", $"{dump.Length / 1e6:0.0} MB in {world.Time.GetElapsedTime(asked).TotalMilliseconds:0} ms"));
            string clusters = await world.Http.GetStringAsync(new Uri(start.Sidecar.Admin, "/clusters?format=json"), stop);
            result.Checks.AddRange(ScaleChecks.AllArrived(clusters, services));
        }

        // A peer that comes: its lease ends by itself after a few seconds.
        private async Task RegisterAsync(Uri api, int number, CancellationToken stop)
        {
            using StringContent body = new(
                $$"""{"node":"late-{{number}}","service":"late","port":80,"address":"127.0.0.1:{{20000 + number}}"}""", Encoding.UTF8, "application/json");
            using HttpResponseMessage answer = await world.Http.PostAsync(new Uri(api, "/mesh/v1/sidecars"), body, stop);
            answer.EnsureSuccessStatusCode();
        }

        private static string Line(string what, string value) => $"{what,-56}{value}";

        private static string Mebibytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0 / 1024.0:0} MiB");
    }
}
