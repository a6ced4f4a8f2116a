using Mesh.Lab.Metrics;

namespace Mesh.Lab.Checks;

/// <summary>What the user got from orders.</summary>
/// <param name="Code">Status.</param>
/// <param name="Fallback">Value of x-mesh-fallback, or null.</param>
/// <param name="Age">Value of age, or null.</param>
/// <param name="Body">Body.</param>
internal sealed record ShopAnswer(int Code, string? Fallback, int? Age, string Body);

/// <summary>What must hold while a service is down that has a Fallback, and when it is back. Pure.</summary>
internal static class FallbackChecks
{
    /// <summary>Every answer is the service's own.</summary>
    public static IEnumerable<LabCheck> Live(IReadOnlyList<ShopAnswer> answers)
    {
        yield return LabCheck.Equal("answers 200", answers.Count, answers.Count(static a => a.Code == 200));
        yield return LabCheck.Equal("answers that stand in for another", 0, answers.Count(static a => a.Fallback is not null || a.Age is not null));
    }

    /// <summary>Every answer is the last good one; header and counter agree, and ages grow with the time.</summary>
    /// <param name="answers">In the order in which they came.</param>
    /// <param name="oldest">No answer can be older, in seconds.</param>
    /// <param name="counted">What the sidecar's counters grew by; one fixed answer is among them.</param>
    public static IEnumerable<LabCheck> Stale(IReadOnlyList<ShopAnswer> answers, int oldest, ClusterCounters counted)
    {
        yield return LabCheck.Equal("answers 200", answers.Count, answers.Count(static a => a.Code == 200));
        yield return LabCheck.Equal("answers that say that they are old, and how old", answers.Count, answers.Count(static a => a.Age is { } age && a.Fallback?.StartsWith($"stale; age={age}; reason=", StringComparison.Ordinal) == true));
        yield return LabCheck.Equal("different bodies", 1, answers.Select(static a => a.Body).Distinct().Count());
        yield return LabCheck.Equal("ages that go back", 0, answers.Zip(answers.Skip(1)).Count(static p => p.Second.Age < p.First.Age));
        yield return LabCheck.AtLeast("age of the last answer in seconds", 2, answers[^1].Age ?? -1);
        yield return LabCheck.AtMost("age of the last answer in seconds", oldest, answers[^1].Age ?? int.MaxValue);
        yield return LabCheck.Equal("sidecar: fallback_stale", answers.Count, counted["fallback_stale"]);
        yield return LabCheck.Equal("sidecar: fallback_static", 1, counted["fallback_static"]);
        yield return LabCheck.Equal("sidecar: fallback_missed", 0, counted["fallback_missed"]);
    }

    /// <summary>The service that is down saw a window of calls, and then only trials.</summary>
    public static LabCheck LeftAlone(long seen, int window, int trials, TimeSpan openTime, TimeSpan lasted) =>
        LabCheck.AtMost("calls that products saw: one window, and the trials of each opening", window + (trials * (int)Math.Ceiling(lasted / openTime)), seen);
}
