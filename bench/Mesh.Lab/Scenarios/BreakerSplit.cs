using System.Globalization;
using Mesh.Lab.Checks;
using Mesh.Lab.Metrics;
using Mesh.Lab.Phases;
using Mesh.Lab.World;

namespace Mesh.Lab.Scenarios;

/// <summary>
/// The phase of a split. While the circuit is open, the replica that decides loses the API server and the other replica. It goes on deciding for its own callers until its Lease is over; those of
/// the other go by their own breakers. The other is elected, the ways are mended, and it decides for all.
/// </summary>
/// <param name="mesh">The two replicas and their callers.</param>
internal sealed class BreakerSplit(SplitWorld mesh)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100); // between two calls of a caller, and two looks
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(3); // of the control plane's word on an open circuit, beyond the rule's wait

    /// <summary>Runs it.</summary>
    public async Task RunAsync(PhaseResult result, CancellationToken stop)
    {
        await mesh.WaitAsync("one replica decides for all callers", async () => await mesh.CircuitAsync(stop) is { State: "closed", Callers: 2 * SplitWorld.CallersOfEach }, stop);
        DateTimeOffset start = mesh.Time.GetUtcNow();
        await mesh.Partner.FailAsync(stop);
        mesh.StartAll(Pause);
        (DateTimeOffset split, DateTimeOffset wordEnds) = await CutWhileOpenAsync(result, stop);
        List<(bool First, bool Second)> looks = await WaitForTheOtherAsync(stop);
        DateTimeOffset led = mesh.Time.GetUtcNow();
        long before = await mesh.HighestEpochAsync(stop);
        mesh.Mend();
        await mesh.Partner.BeWellAsync(stop);
        List<long> epochs = [];
        await mesh.WaitAsync(
            "all callers follow the other replica, and are closed",
            async () => (epochs = await mesh.EpochsAsync(stop)).Distinct().Count() == 1 && epochs[0] > before && (await mesh.CountersAsync(stop)).All(static c => c["breaker_state"] == 0),
            stop);
        TimeSpan reunited = mesh.Time.GetUtcNow() - led;
        await mesh.Load.DisposeAsync();

        result.Notes.Add(Line("the other replica leads, after the split", led - split));
        result.Notes.Add(Line("all follow its decision, after the ways were mended", reunited));
        result.Checks.AddRange(SplitChecks.OneLeader(looks));
        await JudgeSidesAsync(split, wordEnds, result, stop);
        await JudgeCallsAsync(split, result, stop);
        await JudgeEpochsAsync(start, epochs, result, stop);
        result.Checks.Add(SplitChecks.OneDecision("after the split", epochs));
        result.Checks.Add(BreakerChecks.NoStaleEpoch(before, epochs));
        result.Checks.Add(LabCheck.Within("all follow it, after the ways were mended", SplitChecks.Reunion, reunited));
    }

    /// <summary>
    /// Waits until the circuit has just opened and all know, and splits the replicas. On a busy machine that may take so long that the circuit is half-open when the ways are cut, and the other side has
    /// another last word: then they are mended, and it waits for the next time. Returns when they were cut, and when the last word ends.
    /// </summary>
    private async Task<(DateTimeOffset Split, DateTimeOffset WordEnds)> CutWhileOpenAsync(PhaseResult result, CancellationToken stop)
    {
        (DateTimeOffset split, DateTimeOffset ends) = (default, default);
        List<long> epochs = [];
        await mesh.WaitAsync(
            "it has just opened, for all", async () =>
            {
                DateTimeOffset now = mesh.Time.GetUtcNow();
                if (await mesh.CircuitAsync(stop) is not { State: "open" } view || view.Left < BreakerRules.OpenTime / 2)
                {
                    return false;
                }

                (ends, epochs) = (now + view.Left + Lease, await mesh.EpochsAsync(stop));
                if (!epochs.TrueForAll(e => e == view.Epoch))
                {
                    return false;
                }

                await mesh.Partner.ResetAsync(stop); // no call comes while it is open: from here on both sides count the same
                split = mesh.Time.GetUtcNow();
                mesh.Cut();
                bool isAsBefore = await mesh.CircuitAsync(stop) is { State: "open" } after && after.Epoch == view.Epoch;
                if (!isAsBefore)
                {
                    mesh.Mend();
                }

                return isAsBefore;
            },
            stop);
        result.Checks.Add(SplitChecks.OneDecision("before the split", epochs));
        return (split, ends);
    }

    /// <summary>Looks who leads until the other replica does.</summary>
    private async Task<List<(bool First, bool Second)>> WaitForTheOtherAsync(CancellationToken stop)
    {
        List<(bool First, bool Second)> looks = [];
        await mesh.WaitAsync(
            "the other replica leads", async () =>
            {
                looks.Add(await mesh.LeadersAsync(stop));
                await Task.Delay(Pause, mesh.Time, stop);
                return looks[^1].Second;
            },
            stop);
        return looks;
    }

    private async Task JudgeSidesAsync(DateTimeOffset split, DateTimeOffset wordEnds, PhaseResult result, CancellationToken stop)
    {
        List<DateTimeOffset?> expired = await mesh.TimesAsync(static l => l.Reason == "order_expired", split, stop);
        List<DateTimeOffset?> opened = await mesh.TimesAsync(static l => l is { To: "open", Reason: "failure_rate", Epoch: 0 }, split, stop);
        int decisions = 0;
        foreach (Sidecar caller in mesh.First)
        {
            List<BreakerLine> lines = await mesh.LinesAsync(caller.Name, split, stop);
            decisions = Math.Max(decisions, lines.TakeWhile(static l => l.Reason != "order_expired").Select(static l => l.Epoch).Distinct().Count());
        }

        DateTimeOffset?[] first = [.. expired.Take(SplitWorld.CallersOfEach)];
        DateTimeOffset?[] second = [.. expired.Skip(SplitWorld.CallersOfEach)];
        result.Notes.Add(string.Create(
            CultureInfo.InvariantCulture, $"callers of the replica that led: {decisions} more decisions, on their own {Seconds(first.Min() - split)} to {Seconds(first.Max() - split)} after the split"));
        result.Notes.Add(string.Create(
            CultureInfo.InvariantCulture, $"callers of the other: on their own {Seconds(second.Min() - split)} to {Seconds(second.Max() - split)} after the split; the last word ended after {Seconds(wordEnds - split)}"));
        result.Checks.AddRange(SplitChecks.WithLeader(split, decisions, first));
        result.Checks.AddRange(SplitChecks.WithoutLeader(wordEnds, second, [.. opened.Skip(SplitWorld.CallersOfEach)]));
    }

    private async Task JudgeCallsAsync(DateTimeOffset split, PhaseResult result, CancellationToken stop)
    {
        List<CallerAnswer> answers = mesh.Load.Since(split);
        long seen = (await mesh.Partner.CountsAsync(stop)).Requests;
        List<DateTimeOffset?> expired = await mesh.TimesAsync(static l => l.Reason == "order_expired", split, stop);
        Dictionary<string, DateTimeOffset?> ends = mesh.Callers.Zip(expired).ToDictionary(static c => c.First.Name, static c => c.Second);
        CallerAnswer[] held = [.. answers.Where(a => ends[a.Caller] is { } end && a.At < end)];
        int onTrial = held.Count(static a => a.Code is 200 or 500);
        int trials = await mesh.TrialsAsync(mesh.Callers.Select(static c => c.Name), split, stop);
        long stale = (await mesh.CountersAsync(stop)).Sum(static c => c["breaker_mesh_stale"]);
        result.Notes.Add(string.Create(
            CultureInfo.InvariantCulture, $"{answers.Count} calls, {seen} counted at the partner; while a word on the open circuit held: {held.Length} calls, {trials} trials of {BreakerRules.Quota} calls, {onTrial} reached the partner"));
        result.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"stale decisions that callers refused: {stale}"));
        result.Checks.Add(SplitChecks.Counted(answers, seen));
        result.Checks.AddRange(BreakerChecks.LeftAlone(held, onTrial, BreakerRules.Quota, trials));
    }

    private async Task JudgeEpochsAsync(DateTimeOffset start, List<long> last, PhaseResult result, CancellationToken stop)
    {
        List<IReadOnlyList<long>> epochs = [];
        foreach ((Sidecar caller, long inForce) in mesh.Callers.Zip(last))
        {
            epochs.Add([.. (await mesh.LinesAsync(caller.Name, start, stop)).Select(static l => l.Epoch).Where(static e => e > 0), inForce]);
        }

        result.Checks.AddRange(SplitChecks.OnlyGrow(epochs));
    }

    private static string Seconds(TimeSpan? time) => string.Create(CultureInfo.InvariantCulture, $"{time?.TotalSeconds ?? -1:0.0} s");

    private static string Line(string what, TimeSpan time) => $"{what}: {Seconds(time)}";
}
