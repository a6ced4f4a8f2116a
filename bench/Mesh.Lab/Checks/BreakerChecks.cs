using Mesh.Lab.Metrics;
using Mesh.Lab.World;

namespace Mesh.Lab.Checks;

/// <summary>What must hold of a circuit that all callers share. Pure.</summary>
internal static class BreakerChecks
{
    /// <summary>Longest time from the call that passes the threshold, or the trial that succeeds, until all callers know.</summary>
    public static readonly TimeSpan Prompt = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Longest time without a prober that lives: a lease of 3 s, by which a killed one is missed, and a second until somebody looks; another lease, since all begin anew when the control plane
    /// itself stood still for more than a second and a half; and what a busy machine may add.
    /// </summary>
    public static readonly TimeSpan Missed = TimeSpan.FromSeconds(3 + 1 + 3) + SplitChecks.Slack;

    /// <summary>One caller fails alone, and so much that the sum is past the threshold: the circuit stays closed, and that caller is named.</summary>
    /// <param name="answers">What all callers got.</param>
    /// <param name="sick">The one.</param>
    /// <param name="threshold">Of the rule, in percent.</param>
    /// <param name="view">The control plane's page at the end.</param>
    /// <param name="opened">How often a sidecar's breaker opened.</param>
    public static IEnumerable<LabCheck> OneSick(IReadOnlyList<CallerAnswer> answers, string sick, int threshold, CircuitView? view, long opened)
    {
        CallerAnswer[] others = [.. answers.Where(a => a.Caller != sick)];
        yield return LabCheck.AtLeast("calls of the others", 20, others.Length);
        yield return LabCheck.Equal("calls of the others that failed", 0, others.Count(static a => a.Code != 200));
        yield return LabCheck.Equal("calls of the sick one that went well", 0, answers.Count(a => a.Caller == sick && a.Code == 200));
        yield return LabCheck.Equal("calls that the circuit refused", 0, answers.Count(IsRefused));
        yield return LabCheck.AtLeast("failed calls of all callers together, in percent", threshold, (long)(view?.FailureRate ?? 0));
        yield return LabCheck.Equal("times that the circuit opened", 0, opened);
        yield return LabCheck.That($"the control plane names {sick}, and only it, as the sick one", view?.Sick == sick);
    }

    /// <summary>From <paramref name="cause"/> on it takes at most two seconds until it has happened at all callers.</summary>
    /// <param name="what">What.</param>
    /// <param name="cause">When the threshold was passed, or the last trial succeeded; null: never.</param>
    /// <param name="happened">When it happened at each caller; null for never.</param>
    public static IEnumerable<LabCheck> Everywhere(string what, DateTimeOffset? cause, IReadOnlyCollection<DateTimeOffset?> happened)
    {
        yield return LabCheck.Equal($"callers whose circuit {what}", happened.Count, happened.Count(static at => at is not null));
        yield return LabCheck.Within($"the last one's circuit {what}", Prompt, happened.Max() - cause);
    }

    /// <summary>While the circuit is open the destination sees the calls on trial and no other, as counted there; all others are refused in the name of all callers.</summary>
    /// <param name="answers">What the callers got meanwhile.</param>
    /// <param name="seen">Calls that the destination counted.</param>
    /// <param name="quota">Calls of one trial.</param>
    /// <param name="trials">Trials that began.</param>
    public static IEnumerable<LabCheck> LeftAlone(IReadOnlyList<CallerAnswer> answers, long seen, int quota, int trials)
    {
        yield return LabCheck.AtLeast("trials that began", 1, trials);
        yield return LabCheck.AtLeast("calls at the destination while open", 1, seen);
        yield return LabCheck.AtMost($"calls at the destination while open: {quota} for each trial", quota * trials, seen);
        yield return LabCheck.AtLeast("refused calls", 20, answers.Count(IsRefused));
        yield return LabCheck.Equal("calls neither refused for all nor on trial", 0, answers.Count(static a => a.Code != 500 && !IsRefusedForAll(a)));
    }

    /// <summary>All callers are replaced one by one while the circuit is open: at each moment somebody may try, and nobody tries too much.</summary>
    /// <param name="looks">The control plane's page, often, in order.</param>
    /// <param name="seen">Calls that the destination counted, without those of new callers that had not heard of the circuit yet.</param>
    /// <param name="quota">Calls of one trial.</param>
    /// <param name="trials">Trials that began.</param>
    /// <param name="lost">Calls that killed probers may have made without a report of them.</param>
    public static IEnumerable<LabCheck> Replaced(IReadOnlyList<CircuitLook> looks, long seen, int quota, int trials, int lost)
    {
        CircuitView[] onTrial = [.. looks.Select(static l => l.View).Where(static v => v.State == "half_open")];
        yield return LabCheck.AtLeast("looks at a trial under way", 2, onTrial.Length);
        yield return LabCheck.Equal("of these, without a prober", 0, onTrial.Count(static v => v.Probers.Count == 0));
        yield return LabCheck.Within("longest time on trial without a prober that lives", Missed, LongestLoss(looks));
        yield return LabCheck.AtLeast("trials that began", 1, trials);
        yield return LabCheck.AtLeast("callers that tried, one after the other", 3, onTrial.SelectMany(static v => v.Probers).Distinct().Count());
        yield return LabCheck.AtMost($"calls at the destination while open: {quota} for each trial, {lost} of killed probers", (quota * trials) + lost, seen);
        yield return LabCheck.Equal("looks that found the circuit closed", 0, looks.Count(static l => l.View.State == "closed"));
    }

    /// <summary>Longest time from a look at a trial that nobody can make until the next one at another state of things.</summary>
    public static TimeSpan LongestLoss(IReadOnlyList<CircuitLook> looks)
    {
        TimeSpan longest = TimeSpan.Zero;
        DateTimeOffset? since = null;
        foreach (CircuitLook look in looks)
        {
            TimeSpan lost = look.At - (since ?? look.At);
            longest = lost > longest ? lost : longest;
            since = look.IsLost ? since ?? look.At : null;
        }

        return longest;
    }

    /// <summary>The control plane is gone while the circuit is open: its last word holds, and ends on time.</summary>
    /// <param name="killed">When it ended.</param>
    /// <param name="expired">When its word ended at each caller; null for never.</param>
    /// <param name="least">Shortest time that the word must hold.</param>
    /// <param name="hold">Longest time that it may hold.</param>
    /// <param name="answers">What callers got until the first of them was on its own.</param>
    public static IEnumerable<LabCheck> LastWord(DateTimeOffset killed, IReadOnlyCollection<DateTimeOffset?> expired, TimeSpan least, TimeSpan hold, IReadOnlyList<CallerAnswer> answers)
    {
        yield return LabCheck.AtLeast("calls refused while its last word held", 20, answers.Count(IsRefusedForAll));
        yield return LabCheck.Equal("other answers meanwhile", 0, answers.Count(static a => !IsRefusedForAll(a)));
        yield return LabCheck.Equal("callers that are on their own", expired.Count, expired.Count(static at => at is not null));
        yield return LabCheck.AtLeast("the first one, milliseconds after its end", (long)least.TotalMilliseconds, (long)((expired.Min() - killed)?.TotalMilliseconds ?? -1));
        yield return LabCheck.Within("the last one, after its end", hold, expired.Max() - killed);
    }

    /// <summary>A control plane that starts again says nothing that callers take for old.</summary>
    /// <param name="before">Highest epoch that the one before gave.</param>
    /// <param name="epochs">Epoch in force at each caller; 0 for none.</param>
    public static LabCheck NoStaleEpoch(long before, IReadOnlyCollection<long> epochs) =>
        LabCheck.Equal("callers that follow a newer decision", epochs.Count, epochs.Count(epoch => epoch > before));

    private static bool IsRefused(CallerAnswer answer) => answer.Code == 503 && answer.Reason?.StartsWith("circuit_open", StringComparison.Ordinal) == true;

    private static bool IsRefusedForAll(CallerAnswer answer) => IsRefused(answer) && answer.Reason!.EndsWith("scope=mesh", StringComparison.Ordinal);
}
