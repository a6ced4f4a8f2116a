using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Status;

/// <summary>Makes the <c>status</c> of a rule from what the sidecars answered. Pure.</summary>
internal static class RuleStatus
{
    /// <summary>The status of <paramref name="rule"/> now. Times of conditions whose status stayed the same are kept.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="warnings">What reading and compiling it said.</param>
    /// <param name="tally">What the sidecars say.</param>
    /// <param name="now">Time of a transition.</param>
    public static JsonObject Of(StoredRule rule, IEnumerable<SidecarFinding> warnings, RuleTally tally, DateTimeOffset now)
    {
        (string, string, string) accepted = ("True", "Accepted", "the rule is valid");
        return Write(rule.Object, rule.Document.Generation, (accepted, Programmed(rule.Document.Generation, tally)), [.. warnings, .. tally.Findings], now);
    }

    /// <summary>The status of an object that is no valid rule.</summary>
    public static JsonObject Refused(RefusedRule rule, DateTimeOffset now)
    {
        IEnumerable<SidecarFinding> findings = rule.Findings.OrderBy(static d => d.Severity).Select(d => // errors first
            new SidecarFinding(rule.Key.ToString(), d.Severity == Severity.Error ? "error" : "warning", d.Path, d.Message));
        long generation = long.TryParse(rule.Object["metadata"]?["generation"]?.ToString(), CultureInfo.InvariantCulture, out long number) ? number : 0;
        (string, string, string) accepted = ("False", "Invalid", "the rule is not valid");
        (string, string, string) programmed = ("False", "Invalid", "not sent to any sidecar; the last valid generation stays in force");
        return Write(rule.Object, generation, (accepted, programmed), findings, now);
    }

    private static (string Status, string Reason, string Message) Programmed(long generation, RuleTally tally)
    {
        string count = string.Create(CultureInfo.InvariantCulture, $"{tally.Running} of {tally.Seen} sidecars run generation {generation}");
        return (tally.Seen, tally.Refusal) switch
        {
            (0, _) => ("Unknown", "NoSidecars", "no sidecar that may see this rule is connected"),
            (_, not null) => ("False", "Refused", $"{count}; {tally.Refusal}"),
            _ => tally.Running == tally.Seen ? ("True", "Programmed", count) : ("False", "Pending", count),
        };
    }

    private static JsonObject Write(
        JsonObject obj,
        long generation,
        ((string Status, string Reason, string Message) Accepted, (string Status, string Reason, string Message) Programmed) conditions,
        IEnumerable<SidecarFinding> findings,
        DateTimeOffset now)
    {
        JsonArray? former = (obj["status"] as JsonObject)?["conditions"] as JsonArray;
        JsonObject status = new()
        {
            ["observedGeneration"] = generation,
            ["conditions"] = new JsonArray(
                Condition("Accepted", conditions.Accepted, former, now),
                Condition("Programmed", conditions.Programmed, former, now)),
        };
        JsonArray messages = new([
            .. findings.DistinctBy(static f => (f.Severity, f.Path, f.Message)).Take(RuleTally.MaxFindings)
                .Select(static f => new JsonObject { ["level"] = f.Severity.ToUpperInvariant(), ["path"] = f.Path, ["message"] = f.Message }),
        ]);
        if (messages.Count > 0)
        {
            status["validationMessages"] = messages;
        }

        return status;
    }

    private static JsonObject Condition(
        string type, (string Status, string Reason, string Message) condition, JsonArray? former, DateTimeOffset now)
    {
        // Anybody may have written there what is no condition.
        JsonObject? same = former?.OfType<JsonObject>().FirstOrDefault(c => Text(c, "type") == type && Text(c, "status") == condition.Status);
        return new JsonObject
        {
            ["type"] = type,
            ["status"] = condition.Status,
            ["reason"] = condition.Reason,
            ["message"] = condition.Message,
            ["lastTransitionTime"] = Text(same, "lastTransitionTime")
                ?? now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        };
    }

    private static string? Text(JsonObject? condition, string name) => condition?[name] is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
