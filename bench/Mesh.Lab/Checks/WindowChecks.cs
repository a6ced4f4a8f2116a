using Mesh.Lab.Metrics;
using Mesh.Lab.World;

namespace Mesh.Lab.Checks;

/// <summary>What must hold when an upstream stops reading: its window is shut. Pure.</summary>
internal static class WindowChecks
{
    /// <summary>The reason, and the word of the header, of a request whose bytes the upstream no longer takes.</summary>
    public const string Reason = "upstream_write_timeout";

    private static readonly TimeSpan TimerSlack = TimeSpan.FromMilliseconds(50);

    /// <summary>Without a limit nothing ends the wait but the callers' own patience, and each of them holds a slot until then.</summary>
    /// <param name="uploads">What the callers saw.</param>
    /// <param name="held">Requests that the sidecar had under way while they waited.</param>
    /// <param name="counters">The sidecar's counters afterwards.</param>
    public static IEnumerable<LabCheck> NobodyIsToldAnything(IReadOnlyList<Upload> uploads, long held, ClusterCounters counters)
    {
        yield return LabCheck.Equal("callers that got an answer before they gave up", 0, uploads.Count(static u => u.Code != 0));
        yield return LabCheck.Equal("sidecar: slots held while they waited (upstream_rq_active)", uploads.Count, held);
        yield return LabCheck.Equal("sidecar: upstream_rq_write_timeout", 0, counters["upstream_rq_write_timeout"]);
    }

    /// <summary>With a write timeout every caller learns in time what happened, and log and counter say the same.</summary>
    /// <param name="uploads">What the callers saw.</param>
    /// <param name="limit">The write timeout.</param>
    /// <param name="latest">The last of them must be answered before.</param>
    /// <param name="log">Lines of the access log about them.</param>
    /// <param name="counters">The sidecar's counters afterwards.</param>
    public static IEnumerable<LabCheck> EachIsTold(
        IReadOnlyList<Upload> uploads, TimeSpan limit, TimeSpan latest, IReadOnlyList<AccessLogEntry> log, ClusterCounters counters)
    {
        yield return LabCheck.Equal("callers answered 504", uploads.Count, uploads.Count(static u => u.Code == 504));
        yield return LabCheck.Equal($"answers with x-mesh-reason: {Reason}", uploads.Count, uploads.Count(static u => u.Reason == Reason));
        yield return LabCheck.Equal("answers with x-mesh-outcome: unknown, since bytes were sent", uploads.Count, uploads.Count(static u => u.Outcome == "unknown"));
        yield return LabCheck.Equal("answers before the limit", 0, uploads.Count(u => u.Took < limit - TimerSlack));
        yield return LabCheck.Within("the last answer", latest, uploads.Max(static u => u.Took));
        yield return LabCheck.Equal($"lines of the log with UT and {Reason}", uploads.Count, log.Count(static e => e is { Code: 504, Flags: "UT", Reason: Reason }));
        yield return LabCheck.Equal("sidecar: upstream_rq_write_timeout", uploads.Count, counters["upstream_rq_write_timeout"]);
        yield return LabCheck.Equal("sidecar: slots held afterwards (upstream_rq_active)", 0, counters["upstream_rq_active"]);
    }
}
