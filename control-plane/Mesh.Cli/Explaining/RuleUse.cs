using System.Text.Json.Nodes;

namespace Mesh.Cli.Explaining;

/// <summary>A cluster or route that obeys a rule.</summary>
/// <param name="Sidecar">Where.</param>
/// <param name="Target">Cluster, or route and host.</param>
/// <param name="Values">What of it is the rule's.</param>
internal sealed record RuleUse(string Sidecar, string Target, IReadOnlyList<PolicyLine> Values)
{
    /// <summary>Those that a sidecar's page tells of; only values that a rule of <paramref name="kind"/> can set.</summary>
    public static IEnumerable<RuleUse> Of(SidecarAnswer answer, string kind) =>
        answer.List("clusters").Select(c => Of(answer, c, kind, $"cluster {PolicyLine.Text(c, "name")}"))
            .Concat(answer.List("routes").Select(r => Of(answer, r, kind, $"route {PolicyLine.Text(r, "name")} of {PolicyLine.Text(r, "host")}")))
            .Where(static u => u.Values.Count > 0);

    private static RuleUse Of(SidecarAnswer answer, JsonObject owner, string kind, string target) =>
        new(answer.Name, target, [.. PolicyLine.Of(owner).Where(v => v.Kind == kind)]);
}

/// <summary>How often a rule decided.</summary>
/// <param name="Sidecar">Where.</param>
/// <param name="Reason">Reason.</param>
/// <param name="Field">Field; may be empty.</param>
/// <param name="Scope">sidecar or mesh.</param>
/// <param name="Verdict">Verdict.</param>
/// <param name="Count">Since the sidecar's start.</param>
internal sealed record RuleHits(string Sidecar, string Reason, string Field, string Scope, string Verdict, long Count)
{
    /// <summary>Those that a sidecar's page tells of; of a rule name that several kinds have, as far as one can tell, only this kind's.</summary>
    public static IEnumerable<RuleHits> Of(SidecarAnswer answer, string kind) =>
        from json in answer.List("counts")
        let d = new Decision(answer.Name, json)
        where (RulePlaces.KindOf(d) ?? kind) == kind
        select new RuleHits(answer.Name, d.Reason, d.Field, d.Text("scope"), d.Verdict, d.Number("count"));
}
