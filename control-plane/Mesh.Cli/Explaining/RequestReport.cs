using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Reports;
using Mesh.Rules.Kinds;

namespace Mesh.Cli.Explaining;

/// <summary>What became of one request, in plain sentences, or as JSON. Pure.</summary>
internal static class RequestReport
{
    private const int Width = 15;

    /// <summary>The text for people.</summary>
    public static string Text(IReadOnlyList<Decision> decisions, RulePlaces places)
    {
        Block block = new(Width);
        for (int i = 0; i < decisions.Count; i++)
        {
            if (i > 0)
            {
                block.Line("");
            }

            Write(block, decisions[i], places);
        }

        return block.ToString();
    }

    /// <summary>One object with all decisions, and what the sentences say.</summary>
    public static string Json(string id, IReadOnlyList<SidecarAnswer> asked, IReadOnlyList<Decision> decisions, RulePlaces places) => JsonText.Object(json =>
    {
        json.WriteString("request_id", id);
        json.WriteStartArray("asked");
        foreach (SidecarAnswer answer in asked)
        {
            json.WriteStartObject();
            json.WriteString("admin", answer.Admin.ToString());
            json.WriteString("sidecar", answer.Page is null ? null : answer.Name);
            json.WriteString("problem", answer.Problem);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("decisions");
        foreach (Decision d in decisions)
        {
            JsonObject copy = d.Json.DeepClone().AsObject();
            ReasonText reason = ReasonTexts.Of(d);
            copy["sidecar"] = d.Sidecar;
            copy["because"] = reason.Because(d);
            copy["would_pass_if"] = new JsonArray([.. reason.WouldPass(d).Select(static t => (JsonNode)t)]);
            copy["counted_against_endpoint"] = reason.IsCounted;
            copy["place"] = PlaceOf(d, places);
            copy.WriteTo(json);
        }

        json.WriteEndArray();
    });

    private static void Write(Block block, Decision d, RulePlaces places)
    {
        ReasonText reason = ReasonTexts.Of(d);
        bool isEnd = d.Verdict is "refused" or "replaced";
        string id = d.Text("request_id") is { Length: > 0 } known ? $"request {known}  " : "connection  ";
        block.Line($"{id}{d.Text("method")} {d.Text("authority")}{d.Text("path")}   {d.Text("side")} at sidecar {d.Sidecar}   {d.Text("time")}");
        block.Row(isEnd ? "answered by" : "what happened", What(d));
        block.Row("because", reason.Because(d));
        block.Row("rule", Rule(d, places));
        block.Row("at that time", Load(d));
        block.Row("why no reuse", d.LoadNumber("max_requests_per_connection") == 1 && d.Reason == "pending_overflow" ? "maxRequestsPerConnection: 1 - every request needs a new connection" : null);
        if (d.Verdict != "retried" && RulePlaces.KindOf(d) != RuleKinds.Fallback.Kind)
        {
            string[] changes = reason.WouldPass(d);
            block.Row(d.Verdict == "waited" ? "no wait if" : "would pass if", changes.Select((c, i) => i == 0 ? c : $"or {c}"));
        }

        block.Row("scope", Scope(d));
        block.Row(reason.IsCounted ? "counted" : "not counted", reason.IsCounted ? "against the endpoint, for outlier detection" : "against outlier detection: no endpoint is to blame");
    }

    private static string What(Decision d)
    {
        string answer = d.Status > 0 ? $"{d.Status} {d.Text("flag")} {d.Reason}".Replace("  ", " ", StringComparison.Ordinal) : d.Reason;
        string after = string.Create(CultureInfo.InvariantCulture, $"after {d.TakenMs:0.###} ms");
        return d.Verdict switch
        {
            "replaced" => $"a Fallback ({FallbackOf(d)}) in the place of {answer}, {after}; {OutcomeOf(d)}",
            "retried" => $"attempt {Math.Max(1, d.Number("attempts"))} failed ({answer}, {after}), and another one followed",
            "waited" => $"it had to wait, and went on {after}",
            "shadow" when RulePlaces.KindOf(d) == RuleKinds.Fallback.Kind => $"nothing: the rule is in shadow mode; enforced, it would have answered in the place of {d.Reason}",
            "shadow" => $"nothing: the rule is in shadow mode; enforced, it would have refused it ({d.Reason})",
            _ => $"sidecar {d.Sidecar}: {answer}, {after}; {OutcomeOf(d)}",
        };
    }

    private static string FallbackOf(Decision d) => d.Text("fallback") switch
    {
        "stale" => "the last good answer",
        "static" => "a fixed answer",
        _ => "another host",
    };

    private static string OutcomeOf(Decision d) => d.Text("outcome") switch
    {
        "not-sent" => $"it never reached {d.Host}, sending it again is safe",
        "answered" => $"{d.Host} had answered it",
        _ => $"{d.Host} may have acted on it",
    };

    private static string? Rule(Decision d, RulePlaces places)
    {
        if (d.Field.Length == 0 && d.Rule.Length == 0)
        {
            return null;
        }

        string value = d.Limit >= 0 ? $" = {d.Limit}" : "";
        string rule = d.Rule.Length == 0 ? $"built-in default {d.Field}" : $"{RulePlaces.KindOf(d) ?? "rule"} {d.Rule}{(d.Field.Length > 0 ? "." : "")}{d.Field}";
        return $"{rule}{value}{(PlaceOf(d, places) is { } place ? $"   {place}" : "")}";
    }

    private static string? PlaceOf(Decision d, RulePlaces places) => d.Rule.Length == 0 ? null : places.Of(d.Rule, d.Field, RulePlaces.KindOf(d));

    private static string? Load(Decision d) => d.Load is null ? null
        : $"connections {Of(d, "connections", "max_connections")}   waiting {Of(d, "pending", "max_pending")}   in progress {Of(d, "requests", "max_requests")}   retries {Of(d, "retries", "max_retries")}";

    private static string Of(Decision d, string now, string limit) => $"{d.LoadNumber(now)}/{(d.LoadNumber(limit) is >= 0 and long number ? number : "unlimited")}";

    private static string Scope(Decision d) => d.Text("scope") == "mesh"
        ? "mesh: all sidecars together, by the control plane's word"
        : "this sidecar alone: each caller's sidecar counts for itself, so the destination can see as many times the limit as there are callers";
}
