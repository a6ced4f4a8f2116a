using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Http;

/// <summary>What became of a request that the proxy answers itself: the one thing that its caller cannot know. The value of <c>x-mesh-outcome</c>.</summary>
internal enum RequestOutcome : byte
{
    /// <summary>No byte of it has left this proxy: it is safe to send it again.</summary>
    NotSent,

    /// <summary>The upstream may have acted on it.</summary>
    Unknown,

    /// <summary>The upstream has answered, but its answer could not be passed on.</summary>
    Answered,
}

/// <summary>The only place that turns a <see cref="ProxyError"/> into bytes. Allocates nothing: a refusal must cost less than the request it refuses.</summary>
internal static class LocalReply
{
    private const int HeadBytes = 512; // of a head without the texts that vary

    /// <summary>Writes head and body; returns the bytes of the body.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="error">What is said.</param>
    /// <param name="outcome">What became of the request.</param>
    /// <param name="isInbound">Side, for <c>server</c>.</param>
    /// <param name="isHead">The body is left out, its length said.</param>
    /// <param name="closes">The connection ends with this answer.</param>
    /// <param name="now">Date of the answer.</param>
    public static int Write(
        IBufferWriter<byte> output, in ProxyError error, RequestOutcome outcome, bool isInbound, bool isHead, bool closes, DateTimeOffset now)
    {
        int body = Encoding.UTF8.GetByteCount(error.Body);
        int sent = isHead ? 0 : body;
        Span<byte> buffer = output.GetSpan(HeadBytes + body + (3 * ((error.Decision.Rule?.Length ?? 0) + (error.Decision.Field?.Length ?? 0))));
        Utf8.TryWrite(buffer, CultureInfo.InvariantCulture, $"HTTP/1.1 {error.Status} {ReasonPhrase(error.Status)}\r\n", out int length);
        if (error.IsOverload)
        {
            Append(buffer, ref length, "x-envoy-overloaded: true\r\n"u8);
        }

        Append(buffer, ref length, "x-mesh-reason: "u8);
        length += WriteReason(buffer[length..], error.Decision);
        Append(buffer, ref length, "\r\nx-mesh-outcome: "u8);
        Append(buffer, ref length, Text(outcome));
        Utf8.TryWrite(buffer[length..], CultureInfo.InvariantCulture, $"\r\ncontent-length: {body}\r\n", out int written);
        length += written;
        if (body > 0)
        {
            Append(buffer, ref length, "content-type: text/plain\r\n"u8);
        }

        Utf8.TryWrite(buffer[length..], CultureInfo.InvariantCulture, $"date: {now:r}\r\nserver: {(isInbound ? "istio-envoy" : "envoy")}\r\n", out written);
        length += written;
        Append(buffer, ref length, closes ? "connection: close\r\n\r\n"u8 : "\r\n"u8);
        length += isHead ? 0 : Encoding.UTF8.GetBytes(error.Body, buffer[length..]);
        output.Advance(length);
        return sent;
    }

    /// <summary>Writes the value of <c>x-mesh-reason</c>: reason, rule and field, limit, value at that instant, scope. Returns its length.</summary>
    private static int WriteReason(Span<byte> buffer, in DecisionRecord decision)
    {
        Utf8.TryWrite(buffer, $"{decision.Reason.ToText()}", out int length);
        int written;
        if (decision.Rule is not null || decision.Field is not null)
        {
            bool hasBoth = decision.Rule is not null && decision.Field is not null;
            Utf8.TryWrite(buffer[length..], $"; rule={decision.Rule ?? "default"}{(hasBoth ? "." : "")}{(hasBoth ? decision.Field : "")}", out written);
            length += written;
        }

        if (decision.Limit >= 0)
        {
            Utf8.TryWrite(buffer[length..], CultureInfo.InvariantCulture, $"; limit={decision.Limit}", out written);
            length += written;
        }

        if (decision.Now >= 0)
        {
            Utf8.TryWrite(buffer[length..], CultureInfo.InvariantCulture, $"; now={decision.Now}", out written);
            length += written;
        }

        Append(buffer, ref length, "; scope=sidecar"u8);
        return length;
    }

    private static void Append(Span<byte> buffer, ref int length, ReadOnlySpan<byte> text)
    {
        text.CopyTo(buffer[length..]);
        length += text.Length;
    }

    private static ReadOnlySpan<byte> Text(RequestOutcome outcome) => outcome switch
    {
        RequestOutcome.NotSent => "not-sent"u8,
        RequestOutcome.Answered => "answered"u8,
        _ => "unknown"u8,
    };

    private static string ReasonPhrase(int status) => status switch
    {
        400 => "Bad Request",
        408 => "Request Timeout",
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
