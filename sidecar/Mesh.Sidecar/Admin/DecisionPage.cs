using System.Globalization;
using System.Text.Json;
using Mesh.Proxy.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Admin;

/// <summary><c>/decisions</c>: the last decisions on requests, oldest first, and how often each kind fell. <c>meshctl explain</c> reads it.</summary>
internal sealed class DecisionPage(AdminContext context)
{
    /// <summary>Answers with what the query asks for.</summary>
    public Task AnswerAsync(HttpContext http)
    {
        DecisionFilter filter = DecisionFilter.Of(http.Request.Query);
        IReadOnlyList<LoggedDecision> found = [.. context.Clusters.Decisions.Read(filter.Request).Where(filter.Fits)];
        IReadOnlyList<DecisionCount> counts = [.. context.Clusters.Decisions.Counters.All.Where(filter.Fits)];
        return Respond.JsonAsync(http, json => Write(json, context.Node(), found, counts));
    }

    /// <summary>Writes the page.</summary>
    public static void Write(Utf8JsonWriter json, string node, IReadOnlyList<LoggedDecision> decisions, IReadOnlyList<DecisionCount> counts)
    {
        json.WriteStartObject();
        json.WriteString("sidecar", node);
        json.WriteStartArray("decisions");
        foreach (LoggedDecision decision in decisions)
        {
            WriteDecision(json, decision);
        }

        json.WriteEndArray();
        json.WriteStartArray("counts");
        foreach (DecisionCount count in counts)
        {
            json.WriteStartObject();
            json.WriteString("reason", count.ReasonText);
            WriteText(json, "rule", count.Rule);
            WriteText(json, "field", count.Field);
            json.WriteString("scope", count.Scope.ToText());
            json.WriteString("verdict", count.Verdict.ToText());
            json.WriteNumber("count", count.Count);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    // What is not known is left out.
    private static void WriteDecision(Utf8JsonWriter json, LoggedDecision d)
    {
        json.WriteStartObject();
        json.WriteString("time", d.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        WriteText(json, "request_id", d.RequestId);
        json.WriteString("side", d.IsInbound ? "inbound" : "outbound");
        WriteText(json, "method", d.Method);
        WriteText(json, "authority", d.Authority);
        WriteText(json, "path", d.Path);
        WriteText(json, "cluster", d.Cluster);
        WriteText(json, "endpoint", d.Endpoint);
        json.WriteString("verdict", d.Decision.Verdict.ToText());
        json.WriteString("reason", d.Reason);
        WriteText(json, "rule", d.Decision.Rule);
        WriteText(json, "field", d.Decision.Field);
        WriteNumber(json, "limit", d.Decision.Limit, -1);
        WriteNumber(json, "now", d.Decision.Now, -1);
        json.WriteString("scope", d.Decision.Scope.ToText());
        WriteText(json, "detail", d.Decision.Detail);
        WriteNumber(json, "status", d.Status, 0);
        WriteText(json, "flag", d.Flag == ResponseFlag.None ? null : ResponseFlagText.ToText(d.Flag));
        json.WriteString("outcome", d.Outcome);
        json.WriteNumber("attempts", d.Attempts);
        json.WriteNumber("taken_ms", Math.Round(d.Taken.TotalMilliseconds, 3));
        WriteText(json, "breaker", d.Breaker);
        WriteNumber(json, "retry_after_seconds", d.RetryAfterSeconds, 0);
        WriteText(json, "fallback", d.Fallback);
        WriteLoad(json, d.Load);
        json.WriteEndObject();
    }

    private static void WriteLoad(Utf8JsonWriter json, in ClusterLoad load)
    {
        if (load.Limits is not { } limits)
        {
            return;
        }

        json.WriteStartObject("load");
        json.WriteNumber("connections", load.Connections);
        WriteNumber(json, "max_connections", limits.MaxConnections, uint.MaxValue);
        json.WriteNumber("pending", load.Pending);
        WriteNumber(json, "max_pending", limits.MaxPendingRequests, uint.MaxValue);
        json.WriteNumber("requests", load.Requests);
        WriteNumber(json, "max_requests", limits.MaxRequests, uint.MaxValue);
        json.WriteNumber("retries", load.Retries);
        WriteNumber(json, "max_retries", limits.MaxRetries, uint.MaxValue);
        WriteNumber(json, "max_requests_per_connection", load.MaxRequestsPerConnection, 0);
        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            json.WriteString(name, value);
        }
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, long value, long none)
    {
        if (value != none)
        {
            json.WriteNumber(name, value);
        }
    }
}
