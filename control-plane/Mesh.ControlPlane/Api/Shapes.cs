using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;

namespace Mesh.ControlPlane.Api;

/// <summary>The forms in which an object leaves: as itself in the version asked for, and as a row of a table with the kind's columns.</summary>
internal static class Shapes
{
    /// <summary>Whether the client wants a table (kubectl get). Others get plain objects; a 406 would be final.</summary>
    public static bool WantsTable(ApiRequest request) => request.Http.Request.Headers.Accept.ToString().Contains("as=Table", StringComparison.Ordinal);

    /// <summary>A copy of the object with the version of the request.</summary>
    public static JsonObject InVersion(ApiRequest request, JsonObject stored)
    {
        JsonObject copy = new() { ["apiVersion"] = $"{request.Kind.Group}/{request.Version}", ["kind"] = request.Kind.Kind };
        foreach ((string name, JsonNode? value) in stored)
        {
            if (name is not ("apiVersion" or "kind"))
            {
                copy[name] = value?.DeepClone();
            }
        }

        return copy;
    }

    /// <summary>A table of <paramref name="rules"/>; a watch sends the columns only once.</summary>
    public static JsonObject Table(ApiRequest request, IEnumerable<StoredRule> rules, string revision, bool withColumns, DateTimeOffset now)
    {
        bool whole = request.Query("includeObject") == "Object";
        return new JsonObject
        {
            ["kind"] = "Table",
            ["apiVersion"] = "meta.k8s.io/v1",
            ["metadata"] = new JsonObject { ["resourceVersion"] = revision },
            ["columnDefinitions"] = withColumns ? Columns(request.Kind) : [],
            ["rows"] = new JsonArray([.. rules.Select(r => (JsonNode)Row(request, r, whole, now))]),
        };
    }

    private static JsonArray Columns(RuleKind kind) =>
    [
        Column("Name", "string", "name", "Name of the rule, unique within its namespace.", 0),
        .. kind.Columns.Select(static c => Column(c.Name, c.Type, "", c.Description, c.Priority)),
        Column("Age", "date", "", "Time since the rule was created.", 0),
        .. RuleKind.StatusColumns.Select(static c => Column(c.Name, c.Type, "", c.Description, c.Priority)),
    ];

    private static JsonObject Column(string name, string type, string format, string description, int priority) =>
        new JsonObject { ["name"] = name, ["type"] = type, ["format"] = format, ["description"] = description, ["priority"] = priority };

    private static JsonObject Row(ApiRequest request, StoredRule rule, bool whole, DateTimeOffset now)
    {
        JsonArray cells = [rule.Key.Name];
        foreach (PrinterColumn column in request.Kind.Columns)
        {
            cells.Add(Cell(rule.Object, column.JsonPath));
        }

        cells.Add((JsonNode)JsonValue.Create(Age(now - (rule.Document.CreationTimestamp ?? now))));
        foreach (PrinterColumn column in RuleKind.StatusColumns)
        {
            cells.Add(Condition(rule.Object, column.Name));
        }

        JsonObject partial = whole ? InVersion(request, rule.Object) : new JsonObject
        {
            ["kind"] = "PartialObjectMetadata",
            ["apiVersion"] = "meta.k8s.io/v1",
            ["metadata"] = rule.Object["metadata"]!.DeepClone(),
        };
        return new JsonObject { ["cells"] = cells, ["object"] = partial };
    }

    private static JsonNode? Cell(JsonObject obj, string path)
    {
        JsonNode? at = obj;
        foreach (string step in path.TrimStart('.').Split('.'))
        {
            at = (at as JsonObject)?[step];
        }

        return at is JsonArray or JsonObject ? JsonValue.Create(at.ToJsonString()) : at?.DeepClone();
    }

    // Each of these columns has the name of its condition; null until the status is written.
    private static JsonNode? Condition(JsonObject obj, string type) =>
        (obj["status"]?["conditions"] as JsonArray)?.FirstOrDefault(c => (string?)c?["type"] == type)?["status"]?.DeepClone();

    // As kubectl prints ages: two units while small, one when large.
    private static string Age(TimeSpan age) => age.TotalSeconds switch
    {
        < 0 => "0s",
        < 120 => string.Create(CultureInfo.InvariantCulture, $"{(int)age.TotalSeconds}s"),
        < 600 => string.Create(CultureInfo.InvariantCulture, $"{age.Minutes}m{(age.Seconds > 0 ? age.Seconds + "s" : "")}"),
        < 10800 => string.Create(CultureInfo.InvariantCulture, $"{(int)age.TotalMinutes}m"),
        < 28800 => string.Create(CultureInfo.InvariantCulture, $"{(int)age.TotalHours}h{(age.Minutes > 0 ? age.Minutes + "m" : "")}"),
        < 172800 => string.Create(CultureInfo.InvariantCulture, $"{(int)age.TotalHours}h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(int)age.TotalDays}d"),
    };
}
