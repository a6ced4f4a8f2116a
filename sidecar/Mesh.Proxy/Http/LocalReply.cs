using System.Buffers;
using System.Globalization;
using System.Text;
using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Http;

/// <summary>The only place that turns a <see cref="ProxyError"/> into bytes.</summary>
internal static class LocalReply
{
    /// <summary>Writes head and body; returns the bytes of the body.</summary>
    public static int Write(IBufferWriter<byte> output, in ProxyError error, bool isInbound, bool isHead, bool closes, DateTimeOffset now)
    {
        StringBuilder head = new(512);
        head.Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {error.Status} {ReasonPhrase(error.Status)}\r\n");
        if (error.IsOverload)
        {
            head.Append("x-envoy-overloaded: true\r\n");
        }

        head.Append("x-mesh-reason: ").Append(ReasonText(error.Decision)).Append("\r\n");
        head.Append(CultureInfo.InvariantCulture, $"content-length: {error.Body.Length}\r\n");
        if (error.Body.Length > 0)
        {
            head.Append("content-type: text/plain\r\n");
        }

        head.Append(CultureInfo.InvariantCulture, $"date: {now:r}\r\nserver: {(isInbound ? "istio-envoy" : "envoy")}\r\n");
        head.Append(closes ? "connection: close\r\n\r\n" : "\r\n");
        if (!isHead)
        {
            head.Append(error.Body);
        }

        Encoding.ASCII.GetBytes(head.ToString(), output);
        return isHead ? 0 : error.Body.Length;
    }

    /// <summary>The value of <c>x-mesh-reason</c>: reason, rule and field, limit, value at that instant, scope.</summary>
    public static string ReasonText(in DecisionRecord decision)
    {
        StringBuilder text = new(decision.Reason.ToText(), 200);
        if (decision.Rule is not null || decision.Field is not null)
        {
            text.Append("; rule=").Append(decision.Rule ?? "default");
            if (decision.Rule is not null && decision.Field is not null)
            {
                text.Append('.').Append(decision.Field);
            }
        }

        if (decision.Limit >= 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"; limit={decision.Limit}");
        }

        if (decision.Now >= 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"; now={decision.Now}");
        }

        return text.Append("; scope=sidecar").ToString();
    }

    private static string ReasonPhrase(int status) => status switch
    {
        400 => "Bad Request",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    };
}
