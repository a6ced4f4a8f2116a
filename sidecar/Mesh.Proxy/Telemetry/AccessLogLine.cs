using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Mesh.Proxy.Telemetry;

/// <summary>How a line of the access log looks.</summary>
public enum AccessLogFormat
{
    /// <summary>Istio's default line.</summary>
    Text,

    /// <summary>One JSON object a line: Istio's keys and ours.</summary>
    Json,
}

/// <summary>Formats one request as a line of the access log (semantics 10.4). Pure.</summary>
public static class AccessLogLine
{
    // A log is no web page: only what JSON itself demands is escaped, so that paths stay readable.
    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The line with its line feed, as UTF-8.</summary>
    public static ReadOnlyMemory<byte> Format(RequestRecord record, AccessLogFormat format)
    {
        ArrayBufferWriter<byte> line = new(512);
        if (format == AccessLogFormat.Json)
        {
            WriteJson(record, line);
        }
        else
        {
            Encoding.UTF8.GetBytes(Text(record), line);
        }

        line.Write("\n"u8);
        return line.WrittenMemory;
    }

    private static string Text(RequestRecord r) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        [{Time(r)}] "{Or(r.Method)} {Or(r.Path)} {Or(r.Protocol)}" {r.ResponseCode} {ResponseFlagText.ToText(r.Flag, r.SecondFlag)} {Or(r.Details)} - "{Or(r.TransportFailure)}" {r.BytesReceived} {r.BytesSent} {Whole(r.Duration)} {(r.UpstreamServiceTime is { } time ? Whole(time) : "-")} "{Or(r.ForwardedFor)}" "{Or(r.UserAgent)}" "{Or(r.RequestId)}" "{Or(r.Authority)}" "{Or(r.UpstreamHost)}" {Or(r.UpstreamCluster)} {Or(r.UpstreamLocalAddress)} {Or(r.DownstreamLocalAddress)} {Or(r.DownstreamRemoteAddress)} {Or(r.RequestedServerName)} {Or(r.RouteName)}
        """);

    private static void WriteJson(RequestRecord r, IBufferWriter<byte> output)
    {
        using Utf8JsonWriter json = new(output, JsonOptions);
        json.WriteStartObject();
        json.WriteString("start_time", Time(r));
        json.WriteString("method", r.Method);
        json.WriteString("path", r.Path);
        json.WriteString("protocol", r.Protocol);
        json.WriteNumber("response_code", r.ResponseCode);
        json.WriteString("response_flags", ResponseFlagText.ToText(r.Flag, r.SecondFlag));
        json.WriteString("response_code_details", r.Details);
        json.WriteNull("connection_termination_details");
        json.WriteString("upstream_transport_failure_reason", r.TransportFailure);
        json.WriteNumber("bytes_received", r.BytesReceived);
        json.WriteNumber("bytes_sent", r.BytesSent);
        json.WriteNumber("duration", (long)r.Duration.TotalMilliseconds);
        WriteNumber(json, "upstream_service_time", r.UpstreamServiceTime is { } time ? Math.Floor(time.TotalMilliseconds) : null);
        json.WriteString("x_forwarded_for", r.ForwardedFor);
        json.WriteString("user_agent", r.UserAgent);
        json.WriteString("request_id", r.RequestId);
        json.WriteString("authority", r.Authority);
        json.WriteString("upstream_host", r.UpstreamHost);
        json.WriteString("upstream_cluster", r.UpstreamCluster);
        json.WriteString("upstream_local_address", r.UpstreamLocalAddress);
        json.WriteString("downstream_local_address", r.DownstreamLocalAddress);
        json.WriteString("downstream_remote_address", r.DownstreamRemoteAddress);
        json.WriteString("requested_server_name", r.RequestedServerName);
        json.WriteString("route_name", r.RouteName);
        WriteOurs(json, r);
        json.WriteEndObject();
    }

    private static void WriteOurs(Utf8JsonWriter json, RequestRecord r)
    {
        WriteDecision(json, r.Decision);
        WriteRemark(json, "mesh_waited", r.Waited);
        WriteRemark(json, "mesh_shadow", r.Shadow);
        WriteNumber(json, "connect_ms", r.ConnectTime?.TotalMilliseconds);
        WriteNumber(json, "queue_ms", r.QueueTime?.TotalMilliseconds);
        WriteNumber(json, "ttfb_ms", r.TimeToFirstByte?.TotalMilliseconds);
        WriteNumber(json, "total_ms", r.Duration.TotalMilliseconds);
        json.WriteNumber("attempts", r.Attempts);
        json.WriteString("retried_on", RetryCounters.ToText(r.RetriedOn));
        if (r.TransactionId is { } transaction)
        {
            json.WriteString("transaction_id", transaction);
        }
    }

    // What a line without a decision would only say null to is left out of it: most lines have none.
    private static void WriteDecision(Utf8JsonWriter json, in DecisionRecord decision)
    {
        if (!decision.IsSet)
        {
            json.WriteNull("mesh_reason");
            return;
        }

        json.WriteString("mesh_reason", decision.Reason.ToText());
        json.WriteString("mesh_verdict", decision.Verdict.ToText());
        json.WriteString("mesh_rule", decision.Rule);
        json.WriteString("mesh_field", decision.Field);
        WriteNumber(json, "mesh_limit", decision.Limit < 0 ? null : decision.Limit);
        WriteNumber(json, "mesh_now", decision.Now < 0 ? null : decision.Now);
        json.WriteString("mesh_scope", decision.Scope.ToText());
    }

    // What did not decide how the request ended stands apart, so that mesh_reason says why a request failed, and nothing else.
    private static void WriteRemark(Utf8JsonWriter json, string key, in DecisionRecord decision)
    {
        if (!decision.IsSet)
        {
            return;
        }

        json.WriteStartObject(key);
        json.WriteString("reason", decision.Reason.ToText());
        json.WriteString("rule", decision.Rule);
        json.WriteString("field", decision.Field);
        WriteNumber(json, "limit", decision.Limit < 0 ? null : decision.Limit);
        WriteNumber(json, "now", decision.Now < 0 ? null : decision.Now);
        json.WriteString("scope", decision.Scope.ToText());
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, string key, double? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(key, Math.Round(number, 3));
        }
        else
        {
            json.WriteNull(key);
        }
    }

    private static string Time(RequestRecord r) =>
        r.StartTime.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static string Whole(TimeSpan time) => ((long)time.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);

    /// <summary>The value, or a dash; control characters are written as <c>\xNN</c> so that no value can forge a line.</summary>
    private static string Or(string? value)
    {
        if (string.IsNullOrEmpty(value))
        {
            return "-";
        }

        if (!value.Any(char.IsControl))
        {
            return value;
        }

        StringBuilder safe = new(value.Length + 8);
        foreach (char c in value)
        {
            safe.Append(char.IsControl(c) ? $"\\x{(int)c:X2}" : c.ToString());
        }

        return safe.ToString();
    }
}
