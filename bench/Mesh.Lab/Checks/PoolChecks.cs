using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Lab.Checks;

/// <summary>What must hold of connection pools whatever the timing: invariants, never percentages. Pure.</summary>
internal static class PoolChecks
{
    /// <summary>Every call succeeded.</summary>
    public static LabCheck NobodyFails(string who, LoadReport load) => new(
        $"{who}: every call succeeds", load.Requests > 0 && load.Failed == 0, "0 failed of more than 0", $"{load.Failed} failed of {load.Requests}");

    /// <summary>With connections that carry one call each, every call is counted once: admitted to the queue, or refused by it.</summary>
    public static LabCheck AllAccountedFor(LayerNumbers layer) => LabCheck.Equal(
        $"{layer.Name}: pending_total + pending_overflow = calls that reached the cluster",
        layer.Requests, layer.Added["upstream_rq_pending_total"] + layer.Added["upstream_rq_pending_overflow"]);

    /// <summary>The connection limit and the always-one rule together hold.</summary>
    public static LabCheck HoldsConnections(LayerNumbers layer, long maxConnections, int endpoints) => LabCheck.AtMost(
        $"{layer.Name}: connections at a time, maxConnections + endpoints - 1", maxConnections + endpoints - 1, layer.MostConnections);

    /// <summary>The refusals in the log are those the counter has.</summary>
    public static LabCheck RefusalsAreCounted(LayerNumbers layer) => LabCheck.Equal(
        $"{layer.Name}: lines with UO = pending_overflow", layer.Added["upstream_rq_pending_overflow"], layer.Refused);

    /// <summary>Each refusal is a 503 that says why.</summary>
    public static LabCheck RefusalsSayWhy(LayerNumbers layer) => LabCheck.Equal(
        $"{layer.Name}: refusals that are no 503 with a reason", 0,
        layer.Log.Count(static e => e.Flags.Split(',').Contains("UO") && !(e.Code == 503 && e.Reason is "pending_overflow" or "requests_overflow")));

    /// <summary>Overflow is no failure of an endpoint.</summary>
    public static LabCheck OverflowEjectsNobody(LayerNumbers layer) => LabCheck.Equal(
        $"{layer.Name}: ejections", 0, layer.Added["outlier_detection_ejections_detected_consecutive_5xx"] + layer.Added["outlier_detection_ejections_enforced_total"]);

    /// <summary>The user of orders sees the original's answers: 201, or 500 when anything behind it failed; never a 503, never silence.</summary>
    public static LabCheck UserSeesOnly201And500(LoadReport load) => LabCheck.Equal(
        "user of orders: answers that are neither 201 nor 500", 0, load.Requests - load.WithCode(201) - load.WithCode(500));

    /// <summary>Every 503 that a caller sees carries the reason and <c>x-envoy-overloaded: true</c>.</summary>
    public static LabCheck RefusedCallersAreTold(LoadReport load) => LabCheck.Equal(
        "503 without x-mesh-reason or x-envoy-overloaded", 0, load.UnexplainedRefusals);

    /// <summary>Refused calls never touch the application; all others do, once.</summary>
    public static LabCheck ServerServedOnlyAdmitted(Measurement run) => LabCheck.Equal(
        "requests that products counted itself = answers 200 that the callers' sidecars logged",
        run.Callers.Sum(static layer => layer.Ok), run.Instances.Values.Sum(static i => i.Requests));
}
