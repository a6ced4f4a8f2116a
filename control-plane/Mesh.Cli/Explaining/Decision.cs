using System.Text.Json.Nodes;

namespace Mesh.Cli.Explaining;

/// <summary>A decision as a sidecar's <c>/decisions</c> has it. What it does not say is empty, or -1.</summary>
/// <param name="Sidecar">Who decided.</param>
/// <param name="Json">The object as it came.</param>
internal sealed record Decision(string Sidecar, JsonObject Json)
{
    /// <summary>The reason's word.</summary>
    public string Reason => Text("reason");

    /// <summary>refused, replaced, retried, waited or shadow.</summary>
    public string Verdict => Text("verdict");

    /// <summary>Rule and path; empty for built-in defaults.</summary>
    public string Rule => Text("rule");

    /// <summary>Field below the path.</summary>
    public string Field => Text("field");

    /// <summary>The limit.</summary>
    public long Limit => Number("limit");

    /// <summary>The value at that instant.</summary>
    public long Now => Number("now");

    /// <summary>Status of the upstream or of the answer.</summary>
    public long Status => Number("status");

    /// <summary>Seconds after which to come back.</summary>
    public long RetryAfter => Number("retry_after_seconds");

    /// <summary>Milliseconds from the request's first byte to the decision.</summary>
    public double TakenMs => Json["taken_ms"] is JsonValue value && value.TryGetValue(out double taken) ? taken : 0;

    /// <summary>Load of the cluster; null when there was none.</summary>
    public JsonObject? Load => Json["load"] as JsonObject;

    /// <summary>Host of the cluster, else what was asked for.</summary>
    public string Host => Text("cluster").Split('|') is [_, _, _, { Length: > 0 } host] ? host : Text("authority") is { Length: > 0 } authority ? authority : "the destination";

    /// <summary>A text of the object; empty when it is not there.</summary>
    public string Text(string name) => Json[name] is JsonValue value && value.TryGetValue(out string? text) ? text : "";

    /// <summary>A whole number of the object; -1 when it is not there.</summary>
    public long Number(string name) => NumberOf(Json, name);

    /// <summary>A whole number of the load; -1 when it is not there, which is also what unlimited looks like.</summary>
    public long LoadNumber(string name) => Load is { } load ? NumberOf(load, name) : -1;

    private static long NumberOf(JsonObject from, string name) => from[name] is JsonValue value && value.TryGetValue(out long number) ? number : -1;
}
