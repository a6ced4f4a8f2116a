using Mesh.Lab.Metrics;
using Mesh.Lab.World;

namespace Mesh.Lab.Checks;

/// <summary>What must hold when one of two instances answers 500 to every call. Pure.</summary>
internal static class OutlierChecks
{
    /// <summary>Consecutive 5xx before an ejection, in the lab's rule.</summary>
    public const int Threshold = 5;

    private static readonly TimeSpan SweepSlack = TimeSpan.FromSeconds(2.5);

    /// <summary>All about one calling sidecar: counters, event and log agree.</summary>
    /// <param name="caller">What it saw.</param>
    /// <param name="events">Its ejections and returns since the phase began.</param>
    /// <param name="sick">Endpoint of the sick instance.</param>
    public static IEnumerable<LabCheck> OneEjection(LayerNumbers caller, IReadOnlyList<EjectionLine> events, string sick)
    {
        string who = caller.Name;
        EjectionLine? eject = events.FirstOrDefault(static e => e.IsEject);
        EjectionLine? back = events.FirstOrDefault(static e => !e.IsEject);
        yield return LabCheck.Equal($"{who}: answers 500 from the sick instance", Threshold, caller.Log.Count(e => e.UpstreamHost == sick && e.Code >= 500));
        yield return LabCheck.Equal($"{who}: ejections_enforced_total", 1, caller.Added["outlier_detection_ejections_enforced_total"]);
        yield return LabCheck.Equal($"{who}: ejections_enforced_consecutive_5xx", 1, caller.Added["outlier_detection_ejections_enforced_consecutive_5xx"]);
        yield return LabCheck.Equal($"{who}: ejection events", 1, events.Count(static e => e.IsEject));
        yield return new LabCheck(
            $"{who}: the event names the sick instance, the detector and the end", eject is { IsEnforced: true, Reason: "consecutive_5xx", Until: not null } && eject.Upstream == sick,
            $"{sick} consecutive_5xx enforced, with until", eject is null ? "no event" : $"{eject.Upstream} {eject.Reason}{(eject.IsEnforced ? " enforced" : "")}{(eject.Until is null ? "" : ", with until")}");
        yield return SentNothing(caller, sick, eject?.Timestamp, eject?.Until);
        yield return new LabCheck(
            $"{who}: the instance returns at the first sweep after baseEjectionTime",
            eject?.Until is { } until && back is not null && back.Timestamp >= until - OneMillisecond && back.Timestamp <= until + SweepSlack,
            $"0 to {SweepSlack.TotalSeconds} s after until", back is null || eject?.Until is null ? "no return" : $"{(back.Timestamp - eject.Until.Value).TotalSeconds:0.000} s after until");
    }

    /// <summary>From the ejection to its end no call goes to the sick instance.</summary>
    public static LabCheck SentNothing(LayerNumbers caller, string sick, DateTimeOffset? from, DateTimeOffset? until) => LabCheck.Equal(
        $"{caller.Name}: calls to the ejected instance until baseEjectionTime is over", 0,
        from is null ? -1 : caller.Log.Count(e => e.UpstreamHost == sick && e.Start > from && e.Start < (until ?? DateTimeOffset.MaxValue)));

    /// <summary>The user pays exactly the failures that were needed to notice.</summary>
    public static LabCheck UserPaidOncePerCaller(long failed, int callers) => LabCheck.Equal("user of orders: failed orders, 5 for each calling sidecar", Threshold * callers, failed);

    /// <summary>The instance counted what the sidecars counted.</summary>
    public static LabCheck InstanceAgrees(InstanceCounts sick, int callers) => LabCheck.Equal("sick instance: its own count of answers 500", Threshold * callers, sick.With(500));

    /// <summary>The log's times have milliseconds only.</summary>
    private static readonly TimeSpan OneMillisecond = TimeSpan.FromMilliseconds(1);
}
