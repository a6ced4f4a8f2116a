using System.Collections.Immutable;
using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.Phases;
using Mesh.Lab.World;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// Ten callers share a partner's circuit: one of them has a bad network of its own; the partner fails where only one has traffic; all are replaced while it is open; the control plane
/// is killed and starts again; two replicas of it, with callers of their own, lose each other. Times are those of the sidecars' own event logs, calls are counted at the partner.
/// </summary>
internal sealed class BreakerScenario : StandaloneScenario
{
    private const int Callers = 10;

    public override string Starting => string.Create(CultureInfo.InvariantCulture, $"Starting a partner, a control plane and {Callers} callers with their sidecars ...");

    protected override async Task<IRunningScenario> StartInAsync(StandaloneWorld world, CancellationToken stop)
    {
        ProductsApp partner = await world.StartProductsAsync("partner", stop);
        string data = Path.Combine(world.Folder, "data");
        BreakerRules.Write(data, partner.Address);
        BreakerWorld mesh = new(world, partner, data, world.FreeAddress());
        await mesh.StartControlPlaneAsync(stop);
        for (int i = 1; i <= Callers; i++)
        {
            await mesh.StartCallerAsync(string.Create(CultureInfo.InvariantCulture, $"caller-{i:00}"), stop, i == Callers ? BreakerWorld.Bad : "network=good");
        }

        await mesh.WaitAsync("the control plane decides for all callers", async () => await mesh.CircuitAsync(stop) is { State: "closed", Callers: Callers }, stop);
        string folder = Directory.CreateDirectory(Path.Combine(world.Folder, "split")).FullName;
        return new Running(mesh, await SplitWorld.StartAsync(new StandaloneWorld(world.Time, world.Random, folder), stop)); // now, since a leader says nothing for its first seconds
    }

    private sealed class Running(BreakerWorld mesh, SplitWorld split) : IRunningScenario
    {
        private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100); // between two calls of a caller
        private static readonly TimeSpan Lease = TimeSpan.FromSeconds(3); // of the control plane's word on an open circuit, beyond the rule's wait

        private ImmutableHashSet<string> _living = []; // callers, while they are replaced; read from beside

        public IReadOnlyList<BoundPhase> Phases =>
        [
            new BoundPhase("breaker-sick-caller", "One caller of ten fails alone: the circuit stays closed", SickCallerAsync),
            new BoundPhase("breaker-outage", "The partner fails, and only one caller has traffic: it opens for all, and closes for all", OutageAsync),
            new BoundPhase("breaker-replaced", "All ten are replaced while it is open: somebody can always try", ReplaceAsync),
            new BoundPhase("breaker-alone", "The control plane is killed while it is open, and starts again", AloneAsync),
            new BoundPhase("breaker-split", "Two replicas decide for three callers each: the leader loses the API server and the other replica", new BreakerSplit(split).RunAsync),
        ];

        public IEnumerable<string> Addresses => [$"partner           {mesh.Partner.Address}", .. mesh.Callers.Concat(split.Callers).Select(static c => c.Addresses)];

        public IEnumerable<string> Ended() => mesh.Ended().Concat(split.Ended());

        public async ValueTask DisposeAsync()
        {
            await split.DisposeAsync();
            await mesh.DisposeAsync();
        }

        private async Task SickCallerAsync(PhaseResult result, CancellationToken stop)
        {
            Sidecar sick = mesh.Callers[^1];
            string rule = await mesh.Rules.ApplyAsync(System.Text.Encoding.UTF8.GetBytes(BreakerRules.BadNetwork), stop);
            await mesh.WaitAsync("the sick caller fails", async () => (await mesh.Load.CallOnceAsync(sick)).Code != 200, stop);
            DateTimeOffset start = mesh.Time.GetUtcNow();
            foreach (Sidecar caller in mesh.Callers.Where(c => c != sick))
            {
                mesh.Load.Start(caller, 5 * Pause);
            }

            // Whose failure it is can be told only beside the calls of others.
            CircuitView? view = null;
            await mesh.WaitAsync("the others have called enough", async () => await mesh.CircuitAsync(stop) is { Calls: >= 2 * BreakerRules.Minimum }, stop);
            mesh.Load.Start(sick, TimeSpan.Zero); // so often that the sum passes the threshold
            await Task.Delay(BreakerRules.Window, mesh.Time, stop);
            await mesh.WaitAsync("the sum is past the threshold, and somebody is named", async () => (view = await mesh.CircuitAsync(stop)) is { Sick: not null, FailureRate: >= BreakerRules.Threshold }, stop);
            await mesh.Load.StopAsync(sick.Name);
            await mesh.Rules.DeleteAsync(rule, stop);
            List<CallerAnswer> answers = mesh.Load.Since(start);
            await mesh.WaitAsync("the sick caller is well", async () => (await mesh.Load.CallOnceAsync(sick)).Code == 200, stop);
            await Task.Delay(BreakerRules.Window + TimeSpan.FromSeconds(1), mesh.Time, stop); // the others go on for as long as its failures count
            await mesh.Load.DisposeAsync();
            result.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"{answers.Count} calls; all callers together: {view!.FailureRate:0} % of {view.Calls} calls in the window failed; named: {view.Sick}"));
            result.Checks.AddRange(BreakerChecks.OneSick(answers, sick.Name, BreakerRules.Threshold, view, (await mesh.CountersAsync(stop)).Sum(static c => c["breaker_opened"])));
            await Task.Delay(BreakerRules.Window + TimeSpan.FromSeconds(1), mesh.Time, stop); // so that the next phase begins with an empty window
        }

        private async Task OutageAsync(PhaseResult result, CancellationToken stop)
        {
            await mesh.Partner.FailAsync(stop);
            DateTimeOffset start = mesh.Time.GetUtcNow();
            mesh.Load.Start(mesh.Callers[4], TimeSpan.FromMilliseconds(20)); // the others have no traffic
            await mesh.WaitForAllAsync("open", start, stop);
            await mesh.Load.DisposeAsync();
            DateTimeOffset? passed = mesh.Load.Since(start).Where(static a => a.Code == 500).Skip(BreakerRules.Minimum - 1).FirstOrDefault()?.At;
            List<DateTimeOffset?> opened = await mesh.TimesAsync(static l => l.To == "open", start, stop);
            result.Notes.Add(Line("open at all callers, after the call that passed the threshold", opened.Max() - passed));
            result.Checks.AddRange(BreakerChecks.Everywhere("opened", passed, opened));

            DateTimeOffset isOpen = mesh.Time.GetUtcNow();
            await mesh.Partner.ResetAsync(stop);
            mesh.StartAll(Pause);
            await Task.Delay(3 * BreakerRules.OpenTime, mesh.Time, stop);
            List<CallerAnswer> refused = mesh.Load.Since(isOpen);
            long seen = (await mesh.Partner.CountsAsync(stop)).Requests;
            int trials = await mesh.TrialsAsync(mesh.Callers.Select(static c => c.Name), isOpen, stop);
            result.Notes.Add($"while open: {refused.Count} calls of ten callers, {trials} trials of {BreakerRules.Quota} calls, {seen} calls counted at the partner");
            result.Checks.AddRange(BreakerChecks.LeftAlone(refused, seen, BreakerRules.Quota, trials));
            await CloseAsync(result, stop);
        }

        /// <summary>The partner is well again: the circuit closes for all.</summary>
        private async Task CloseAsync(PhaseResult result, CancellationToken stop)
        {
            DateTimeOffset well = mesh.Time.GetUtcNow();
            await mesh.Partner.BeWellAsync(stop);
            await mesh.WaitForAllAsync("closed", well, stop);
            await mesh.Load.DisposeAsync();
            List<DateTimeOffset?> closed = await mesh.TimesAsync(static l => l.To == "closed", well, stop);
            DateTimeOffset? succeeded = mesh.Load.Since(well).LastOrDefault(a => a.Code == 200 && a.At <= closed.Min())?.At; // what was 200 before it closed was a trial
            result.Notes.Add(Line("closed at all callers, after the last good call on trial", closed.Max() - succeeded));
            result.Checks.AddRange(BreakerChecks.Everywhere("closed", succeeded, closed));
        }

        private async Task ReplaceAsync(PhaseResult result, CancellationToken stop)
        {
            await OpenAsync(stop);
            DateTimeOffset start = mesh.Time.GetUtcNow();
            await mesh.Partner.ResetAsync(stop);
            Sidecar[] old = [.. mesh.Callers];
            List<CircuitLook> looks = [];
            Volatile.Write(ref _living, [.. old.Select(static c => c.Name)]);
            using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(stop);
            Task watching = WatchAsync(looks, done.Token);
            foreach (Sidecar former in old)
            {
                Sidecar next = await mesh.StartCallerAsync(former.Name.Replace("caller", "next", StringComparison.Ordinal), stop);
                mesh.Load.Start(next, Pause);
                Volatile.Write(ref _living, _living.Add(next.Name).Remove(former.Name));
                await mesh.KillCallerAsync(former);
            }

            await done.CancelAsync();
            await watching;
            long seen = (await mesh.Partner.CountsAsync(stop)).Requests;
            int trials = await mesh.TrialsAsync([.. old.Select(static c => c.Name), .. mesh.Callers.Select(static c => c.Name)], start, stop);
            int early = await EarlyCallsAsync(start, stop);
            result.Notes.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"ten callers killed and replaced in {(mesh.Time.GetUtcNow() - start).TotalSeconds:0} s: {trials} trials, {seen} calls counted at the partner, {early} of them by new callers that had not heard of the circuit yet"));
            result.Notes.Add($"probers: {string.Join(", ", looks.SelectMany(static l => l.View.Probers).Distinct())}");
            result.Notes.Add(Line("longest time on trial without a prober that lives", BreakerChecks.LongestLoss(looks)));
            result.Checks.AddRange(BreakerChecks.Replaced(looks, seen - early, BreakerRules.Quota, trials, Callers * BreakerRules.Quota / 2));
            await CloseAsync(result, stop);
        }

        // A new caller's first calls can be faster than the answer to its first report: until then it goes by itself.
        private async Task<int> EarlyCallsAsync(DateTimeOffset start, CancellationToken stop)
        {
            List<DateTimeOffset?> heard = await mesh.TimesAsync(static _ => true, start, stop);
            Dictionary<string, DateTimeOffset?> byCaller = mesh.Callers.Zip(heard).ToDictionary(static c => c.First.Name, static c => c.Second);
            return mesh.Load.Since(start).Count(a => a.Code == 500 && byCaller.TryGetValue(a.Caller, out DateTimeOffset? at) && (at is null || a.At < at + Pause));
        }

        private async Task WatchAsync(List<CircuitLook> looks, CancellationToken stop)
        {
            try
            {
                while (true)
                {
                    if (await mesh.CircuitAsync(stop) is { } view)
                    {
                        looks.Add(new CircuitLook(mesh.Time.GetUtcNow(), view, Volatile.Read(ref _living)));
                    }

                    await Task.Delay(Pause, mesh.Time, stop);
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // all are replaced
            }
        }

        private async Task AloneAsync(PhaseResult result, CancellationToken stop)
        {
            await OpenAsync(stop);
            await mesh.WaitAsync("it has just opened", async () => await mesh.CircuitAsync(stop) is { State: "open" } view && view.Left > BreakerRules.OpenTime / 2, stop);
            await Task.Delay(TimeSpan.FromMilliseconds(200), mesh.Time, stop); // all know
            long epoch = await mesh.HighestEpochAsync(stop);
            DateTimeOffset killed = mesh.Time.GetUtcNow();
            await mesh.KillControlPlaneAsync();
            await mesh.WaitForAllAsync("closed", killed, stop);
            List<DateTimeOffset?> expired = await mesh.TimesAsync(static l => l.Reason == "order_expired", killed, stop);
            List<CallerAnswer> meanwhile = [.. mesh.Load.Since(killed).Where(a => a.At < expired.Min())];
            result.Notes.Add(Line("every caller on its own, after the control plane was killed", expired.Max() - killed));
            result.Checks.AddRange(BreakerChecks.LastWord(killed, expired, Lease, BreakerRules.OpenTime + Lease + TimeSpan.FromSeconds(1), meanwhile));
            await mesh.WaitForAllAsync("open", expired.Max() ?? killed, stop);
            List<DateTimeOffset?> alone = await mesh.TimesAsync(static l => l is { To: "open", Reason: "failure_rate", Epoch: 0 }, killed, stop);
            result.Checks.Add(LabCheck.Equal("callers whose own breaker has opened", mesh.Callers.Count, alone.Count(static at => at is not null)));

            await mesh.Partner.BeWellAsync(stop);
            DateTimeOffset restarted = mesh.Time.GetUtcNow();
            await mesh.StartControlPlaneAsync(stop);
            await mesh.WaitAsync("all callers follow it again", async () => (await mesh.CountersAsync(stop)).All(static c => c["breaker_mesh_epoch"] > 0 && c["breaker_state"] == 0), stop);
            await mesh.Load.DisposeAsync();
            List<ClusterCounters> counters = await mesh.CountersAsync(stop);
            result.Notes.Add(Line("all follow the next control plane, after its start began", mesh.Time.GetUtcNow() - restarted));
            result.Checks.Add(BreakerChecks.NoStaleEpoch(epoch, [.. counters.Select(static c => c["breaker_mesh_epoch"])]));
        }

        /// <summary>The partner fails while all call.</summary>
        private async Task OpenAsync(CancellationToken stop)
        {
            await mesh.Partner.FailAsync(stop);
            DateTimeOffset start = mesh.Time.GetUtcNow();
            mesh.StartAll(Pause);
            await mesh.WaitForAllAsync("open", start, stop);
        }

        private static string Line(string what, TimeSpan? time) => string.Create(CultureInfo.InvariantCulture, $"{what}: {time?.TotalMilliseconds ?? -1:0} ms");
    }
}
