using System.Globalization;
using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Makes the patch that brings our part of a status up to date and leaves everybody else's: of the conditions only those of our types are ours, and the list is
/// one value to the API server, so it goes back whole, under the lock of the version it was read in. Pure.
/// </summary>
internal static class StatusPatch
{
    private const int LongestMessage = 1024;

    /// <summary>The merge patch; null when our part is as it shall be.</summary>
    /// <param name="obj">The object as the server has it.</param>
    /// <param name="wanted">The status as <see cref="Status.RuleStatus"/> makes it.</param>
    public static JsonObject? Of(JsonObject obj, JsonObject wanted)
    {
        JsonArray found = (obj["status"] as JsonObject)?["conditions"] as JsonArray ?? [];
        List<JsonObject> own = [.. Conditions(wanted, found)];
        HashSet<string> ownTypes = [.. own.Select(static c => Text(c, "type"))];
        List<JsonObject> former = [.. found.OfType<JsonObject>().Where(c => ownTypes.Contains(Text(c, "type")))];
        bool isSame = own.Count == former.Count && own.All(condition => former.Exists(f => Words(f) == Words(condition)))
            && Text(obj["status"] as JsonObject ?? [], "observedGeneration") == Text(wanted, "observedGeneration");
        if (isSame)
        {
            return null;
        }

        IEnumerable<JsonNode?> others = found.Where(c => c is not JsonObject condition || !ownTypes.Contains(Text(condition, "type")));
        return new JsonObject
        {
            ["metadata"] = new JsonObject { ["resourceVersion"] = Text(obj["metadata"] as JsonObject ?? [], "resourceVersion") },
            ["status"] = new JsonObject
            {
                ["observedGeneration"] = wanted["observedGeneration"]?.DeepClone(),
                ["conditions"] = new JsonArray([.. others.Select(static o => o?.DeepClone()), .. own]),
            },
        };
    }

    /// <summary>
    /// What a patch says for us, without times: two writers who say the same have nothing to settle, whoever came first.
    /// </summary>
    public static string WordsOf(JsonObject patch, JsonObject wanted)
    {
        HashSet<string> types = [.. ((JsonArray)wanted["conditions"]!).OfType<JsonObject>().Select(static c => Text(c, "type"))];
        IEnumerable<string> own = ((JsonArray)patch["status"]!["conditions"]!).OfType<JsonObject>().Where(c => types.Contains(Text(c, "type"))).Select(Words);
        return $"{Text((JsonObject)patch["status"]!, "observedGeneration")}\n{string.Join('\n', own)}";
    }

    /// <summary>
    /// Our conditions. The messages about the rule go into Accepted's own message: the status' list of messages belongs to Istio's analysis, and its schema drops
    /// fields that it does not know. Times of conditions whose status stayed are kept.
    /// </summary>
    private static IEnumerable<JsonObject> Conditions(JsonObject wanted, JsonArray found)
    {
        foreach (JsonObject condition in ((JsonArray)wanted["conditions"]!).OfType<JsonObject>())
        {
            JsonObject own = (JsonObject)condition.DeepClone();
            JsonObject? former = found.OfType<JsonObject>()
                .FirstOrDefault(f => Text(f, "type") == Text(own, "type") && Text(f, "status") == Text(own, "status"));
            if (former?["lastTransitionTime"] is { } since)
            {
                own["lastTransitionTime"] = since.DeepClone();
            }

            if (Text(own, "type") == "Accepted" && wanted["validationMessages"] is JsonArray { Count: > 0 } messages)
            {
                own["message"] = WithMessages(Text(own, "message"), messages);
            }

            yield return own;
        }
    }

    private static string WithMessages(string message, JsonArray findings)
    {
        IEnumerable<string> texts = findings.OfType<JsonObject>().Select(static f =>
            $"{Text(f, "level").ToLowerInvariant()}: {(Text(f, "path").Length > 0 ? Text(f, "path") + ": " : "")}{Text(f, "message")}");
        string text = $"{message}; {string.Join("; ", texts)}";
        return text.Length <= LongestMessage ? text : string.Create(CultureInfo.InvariantCulture, $"{text[..LongestMessage]}…");
    }

    private static string Words(JsonObject condition) =>
        $"{Text(condition, "type")}={Text(condition, "status")} {Text(condition, "reason")}: {Text(condition, "message")}";

    private static string Text(JsonObject obj, string name) => obj[name]?.ToString() ?? "";
}
