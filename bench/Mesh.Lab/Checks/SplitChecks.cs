using Mesh.Lab.World;

namespace Mesh.Lab.Checks;

/// <summary>What must hold of a circuit that all callers share while the replicas that decide about it cannot reach each other. Pure.</summary>
internal static class SplitChecks
{
    /// <summary>Longest time that a replica leads which cannot renew its Lease.</summary>
    public static readonly TimeSpan RenewDeadline = TimeSpan.FromSeconds(10);

    /// <summary>How long before the split it may have renewed it.</summary>
    public static readonly TimeSpan RetryPeriod = TimeSpan.FromSeconds(2);

    /// <summary>Longest that its last word holds.</summary>
    public static readonly TimeSpan Hold = TimeSpan.FromSeconds(10);

    /// <summary>What a busy machine may add.</summary>
    public static readonly TimeSpan Slack = TimeSpan.FromSeconds(2);

    /// <summary>From the end of the split until all follow one decision: the one that lost its office looks who has it, the one that has it hears all callers, and a report.</summary>
    public static readonly TimeSpan Reunion = TimeSpan.FromSeconds(15);

    /// <summary>All callers follow the same decision.</summary>
    /// <param name="when">When that was.</param>
    /// <param name="epochs">Epoch in force at each caller; 0 for none.</param>
    public static LabCheck OneDecision(string when, IReadOnlyCollection<long> epochs) => LabCheck.Equal(
        $"callers of both replicas that follow one decision {when}", epochs.Count, epochs.Where(static e => e > 0).GroupBy(static e => e).Select(static g => g.Count()).DefaultIfEmpty().Max());

    /// <summary>There are never two who decide.</summary>
    /// <param name="looks">What each of the replicas said of itself, one look after the other.</param>
    public static IEnumerable<LabCheck> OneLeader(IReadOnlyCollection<(bool First, bool Second)> looks)
    {
        yield return LabCheck.AtLeast("looks at who leads, from the split until the other does", 20, looks.Count);
        yield return LabCheck.Equal("of these, with two leaders", 0, looks.Count(static l => l is { First: true, Second: true }));
        yield return LabCheck.AtLeast("of these, with none", 1, looks.Count(static l => l is { First: false, Second: false }));
        yield return LabCheck.That("the other replica leads in the end", looks.Count > 0 && looks.Last() is { First: false, Second: true });
    }

    /// <summary>Callers whose replica has nobody to ask: the last word holds to its end, then each is on its own.</summary>
    /// <param name="wordEnds">When the last word ended that their replica can have had.</param>
    /// <param name="expired">When it ended at each caller; null for never.</param>
    /// <param name="opened">When each caller's own breaker opened after that; null for never.</param>
    public static IEnumerable<LabCheck> WithoutLeader(DateTimeOffset wordEnds, IReadOnlyCollection<DateTimeOffset?> expired, IReadOnlyCollection<DateTimeOffset?> opened)
    {
        yield return LabCheck.Equal("callers without a leader that are on their own", expired.Count, expired.Count(static at => at is not null));
        yield return LabCheck.AtLeast("the first one, milliseconds after the end of the last word", -100, Milliseconds(expired.Min() - wordEnds));
        yield return LabCheck.Within("the last one, after the end of the last word", Slack, expired.Max() - wordEnds);
        yield return LabCheck.Equal("of these, whose own breaker has opened", opened.Count, opened.Count(static at => at is not null));
    }

    /// <summary>Callers whose replica led and lost the API server: it decides for them until its Lease ends, and no longer.</summary>
    /// <param name="split">When it lost it.</param>
    /// <param name="decisions">Decisions of the control plane that they followed after that.</param>
    /// <param name="expired">When its last word ended at each caller; null for never.</param>
    public static IEnumerable<LabCheck> WithLeader(DateTimeOffset split, int decisions, IReadOnlyCollection<DateTimeOffset?> expired)
    {
        yield return LabCheck.AtLeast("decisions that callers of the leader followed after the split", 2, decisions);
        yield return LabCheck.Equal("callers of the leader that are on their own in the end", expired.Count, expired.Count(static at => at is not null));
        yield return LabCheck.AtLeast("the first one, milliseconds after the split", (long)(RenewDeadline - RetryPeriod).TotalMilliseconds, Milliseconds(expired.Min() - split));
        yield return LabCheck.Within("the last one, after the split", RenewDeadline + Hold + Slack, expired.Max() - split);
    }

    /// <summary>Nobody ever takes a decision that is older than one before.</summary>
    /// <param name="epochs">Epochs that each caller was told of, in order.</param>
    public static IEnumerable<LabCheck> OnlyGrow(IReadOnlyCollection<IReadOnlyList<long>> epochs)
    {
        yield return LabCheck.Equal("callers that were told of several decisions", epochs.Count, epochs.Count(static e => e.Distinct().Count() > 1));
        yield return LabCheck.Equal("decisions that callers took after a newer one", 0, epochs.Sum(static e => e.Zip(e.Skip(1)).Count(static pair => pair.Second < pair.First)));
    }

    /// <summary>The partner counts what callers say they got from it, so what they got is what it saw.</summary>
    /// <param name="answers">What callers got.</param>
    /// <param name="seen">Calls that the partner counted.</param>
    public static LabCheck Counted(IReadOnlyCollection<CallerAnswer> answers, long seen) => LabCheck.Equal("calls that the partner counted: the answers of its own", answers.Count(static a => a.Code is 200 or 500), seen);

    private static long Milliseconds(TimeSpan? time) => (long)(time?.TotalMilliseconds ?? long.MinValue / 2.0);
}
