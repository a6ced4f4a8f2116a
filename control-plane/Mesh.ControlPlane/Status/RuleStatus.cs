using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Status;

/// <summary>Makes the <c>status</c> of a rule from what the sidecars answered. Pure.</summary>
internal static class RuleStatus
{
    private const int MaxMessages = 20;

    /// <summary>The status of <paramref name="rule"/> now. Times of conditions whose status stayed the same are kept.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="warnings">What reading and compiling it said.</param>
    /// <param name="sessions">The sidecars that are there.</param>
    /// <param name="now">Time of a transition.</param>
    public static JsonObject Of(StoredRule rule, ImmutableArray<SidecarFinding> warnings, IEnumerable<PushSession> sessions, DateTimeOffset now)
    {
        string name = rule.Key.ToString();
        string uid = ContentRule.UidOf(rule);
        ImmutableArray<string> exportTo = ContentRule.ExportToOf(rule.Document);
        int seen = 0;
        int running = 0;
        string? refusal = null;
        List<SidecarFinding> findings = [.. warnings];
        foreach (PushSession session in sessions.OrderBy(static s => s.Id, StringComparer.Ordinal))
        {
            if (!ContentRule.IsVisible(rule.Key.Namespace, exportTo, session.Namespace))
            {
                continue;
            }

            seen++;
            SessionView view = session.View;
            IEnumerable<SidecarFinding> mine = view.Findings.Where(f => f.Rule == name);
            findings.AddRange(mine);
            SidecarFinding? error = mine.FirstOrDefault(static f => f.Severity == "error")
                ?? (view.NackedVersion.Length > 0 ? view.Findings.FirstOrDefault(static f => f.Severity == "error" && f.Rule.Length == 0) : null);
            ContentRule? pushed = view.Running?.Rules.GetValueOrDefault(rule.Key);
            bool runs = pushed is not null && pushed.Uid == uid && pushed.Generation == rule.Document.Generation;
            running += runs && error is null ? 1 : 0;
            refusal ??= error is null ? null : $"{session.Id} refuses it: {(error.Path.Length > 0 ? error.Path + ": " : "")}{error.Message}";
        }

        (string, string, string) accepted = ("True", "Accepted", "the rule is valid");
        return Write(rule.Object, rule.Document.Generation, (accepted, Programmed(rule.Document.Generation, seen, running, refusal)), findings, now);
    }

    /// <summary>The status of an object that is no valid rule.</summary>
    public static JsonObject Refused(RefusedRule rule, DateTimeOffset now)
    {
        List<SidecarFinding> findings = [.. rule.Findings.Select(d =>
            new SidecarFinding(rule.Key.ToString(), d.Severity == Severity.Error ? "error" : "warning", d.Path, d.Message))];
        long generation = long.TryParse(rule.Object["metadata"]?["generation"]?.ToString(), CultureInfo.InvariantCulture, out long number) ? number : 0;
        (string, string, string) accepted = ("False", "Invalid", "the rule is not valid");
        (string, string, string) programmed = ("False", "Invalid", "not sent to any sidecar; the last valid generation stays in force");
        return Write(rule.Object, generation, (accepted, programmed), findings, now);
    }

    private static (string Status, string Reason, string Message) Programmed(long generation, int seen, int running, string? refusal)
    {
        string count = string.Create(CultureInfo.InvariantCulture, $"{running} of {seen} sidecars run generation {generation}");
        return (seen, refusal) switch
        {
            (0, _) => ("Unknown", "NoSidecars", "no sidecar that may see this rule is connected"),
            (_, not null) => ("False", "Refused", $"{count}; {refusal}"),
            _ => running == seen ? ("True", "Programmed", count) : ("False", "Pending", count),
        };
    }

    private static JsonObject Write(
        JsonObject obj,
        long generation,
        ((string Status, string Reason, string Message) Accepted, (string Status, string Reason, string Message) Programmed) conditions,
        List<SidecarFinding> findings,
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
            .. findings.DistinctBy(static f => (f.Severity, f.Path, f.Message)).Take(MaxMessages)
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
