using System.Buffers;
using System.Globalization;
using System.Text;
using Mesh.Proxy.Telemetry;
using Microsoft.AspNetCore.WebUtilities;

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
    /// <param name="requestId">x-request-id of the request, by which its caller can ask for more (adr/0042); empty for none. What a rule answers on purpose has none.</param>
    public static int Write(
        IBufferWriter<byte> output, in ProxyError error, RequestOutcome outcome, bool isInbound, bool isHead, bool closes, DateTimeOffset now, ReadOnlySpan<byte> requestId = default)
    {
        if (error.StandIn is not null)
        {
            return StandInReply.Write(output, error, outcome, isInbound, isHead, closes, now, requestId);
        }

        int body = Encoding.UTF8.GetByteCount(error.Body);
        int sent = isHead ? 0 : body;
        ReadOnlySpan<byte> lines = error.Headers is { } headers ? headers.Lines : default;
        Span<byte> buffer = output.GetSpan(HeadBytes + body + lines.Length + requestId.Length + MaxReasonBytes(error.Decision));
        int length = 0;
        Append(buffer, ref length, "HTTP/1.1 "u8);
        Append(buffer, ref length, error.Status);
        Append(buffer, ref length, " "u8);
        Append(buffer, ref length, ReasonPhrases.GetReasonPhrase(error.Status));
        Append(buffer, ref length, "\r\n"u8);
        if (error.IsOverload && !Drops(error, "x-envoy-overloaded"u8))
        {
            Append(buffer, ref length, "x-envoy-overloaded: true\r\n"u8);
        }

        if (error.IsRateLimit && !Drops(error, "x-envoy-ratelimited"u8))
        {
            Append(buffer, ref length, "x-envoy-ratelimited: true\r\n"u8);
        }

        if (error.Breaker is { } breaker)
        {
            Append(buffer, ref length, "x-mesh-breaker: "u8);
            Append(buffer, ref length, breaker);
            Append(buffer, ref length, "\r\n"u8);
        }

        if (error.RetryAfterSeconds > 0)
        {
            Append(buffer, ref length, "retry-after: "u8);
            Append(buffer, ref length, error.RetryAfterSeconds);
            Append(buffer, ref length, "\r\n"u8);
        }

        if (error.Decision.IsSet && !Drops(error, "x-request-id"u8))
        {
            AppendRequestId(buffer, ref length, requestId);
        }

        if (error.Decision.IsSet && !Drops(error, "x-mesh-reason"u8))
        {
            Append(buffer, ref length, "x-mesh-reason: "u8);
            AppendReason(buffer, ref length, error.Decision);
            Append(buffer, ref length, "\r\n"u8);
        }

        Append(buffer, ref length, "x-mesh-outcome: "u8);
        Append(buffer, ref length, Text(outcome));
        if (error.Status != 204) // which has no body and may not announce one (RFC 9110, 8.6)
        {
            Append(buffer, ref length, "\r\ncontent-length: "u8);
            Append(buffer, ref length, body);
        }

        bool hasType = body > 0 && !Drops(error, "content-type"u8);
        Append(buffer, ref length, hasType ? "\r\ncontent-type: text/plain\r\ndate: "u8 : "\r\ndate: "u8);
        now.TryFormat(buffer[length..], out int written, "r", CultureInfo.InvariantCulture);
        length += written;
        Append(buffer, ref length, Drops(error, "server"u8) ? "\r\n"u8 : isInbound ? "\r\nserver: istio-envoy\r\n"u8 : "\r\nserver: envoy\r\n"u8);
        Append(buffer, ref length, lines);
        Append(buffer, ref length, closes ? "connection: close\r\n\r\n"u8 : "\r\n"u8);
        if (!isHead)
        {
            Append(buffer, ref length, error.Body);
        }

        output.Advance(length);
        return sent;
    }

    /// <summary>Most bytes of the texts of <paramref name="decision"/>, numbers and fixed words apart.</summary>
    public static int MaxReasonBytes(in DecisionRecord decision) => 3 * ((decision.Rule?.Length ?? 0) + (decision.Field?.Length ?? 0) + (decision.Detail?.Length ?? 0));

    /// <summary>The field <c>x-request-id</c>; nothing for an empty id.</summary>
    public static void AppendRequestId(Span<byte> buffer, ref int length, ReadOnlySpan<byte> requestId)
    {
        if (!requestId.IsEmpty)
        {
            Append(buffer, ref length, "x-request-id: "u8);
            Append(buffer, ref length, requestId);
            Append(buffer, ref length, "\r\n"u8);
        }
    }

    // A route can set or remove fields of our answers as of any other; what tells of the message itself stays, and so does x-mesh-outcome.
    private static bool Drops(in ProxyError error, ReadOnlySpan<byte> name) => error.Headers?.Drops(name) == true;

    /// <summary>The value of x-mesh-reason: reason, rule and field, limit, value at that instant, detail, scope.</summary>
    public static void AppendReason(Span<byte> buffer, ref int length, in DecisionRecord decision)
    {
        Append(buffer, ref length, decision.Reason.ToText());
        if (decision.Rule is not null || decision.Field is not null)
        {
            Append(buffer, ref length, "; rule="u8);
            Append(buffer, ref length, decision.Rule ?? "default");
        }

        if (decision.Rule is not null && decision.Field is not null)
        {
            Append(buffer, ref length, "."u8);
            Append(buffer, ref length, decision.Field);
        }

        if (decision.Limit >= 0)
        {
            Append(buffer, ref length, "; limit="u8);
            Append(buffer, ref length, decision.Limit);
        }

        if (decision.Now >= 0)
        {
            Append(buffer, ref length, "; now="u8);
            Append(buffer, ref length, decision.Now);
        }

        if (decision.Detail is { } detail)
        {
            Append(buffer, ref length, "; detail=\""u8);
            Append(buffer, ref length, detail);
            Append(buffer, ref length, "\""u8);
        }

        Append(buffer, ref length, decision.Scope == DecisionScope.Mesh ? "; scope=mesh"u8 : "; scope=sidecar"u8);
    }

    /// <summary>Appends bytes as they are.</summary>
    public static void Append(Span<byte> buffer, ref int length, ReadOnlySpan<byte> text)
    {
        text.CopyTo(buffer[length..]);
        length += text.Length;
    }

    /// <summary>Appends text in UTF-8.</summary>
    public static void Append(Span<byte> buffer, ref int length, string text) => length += Encoding.UTF8.GetBytes(text, buffer[length..]);

    /// <summary>Appends digits.</summary>
    public static void Append(Span<byte> buffer, ref int length, long number)
    {
        number.TryFormat(buffer[length..], out int written, provider: CultureInfo.InvariantCulture);
        length += written;
    }

    /// <summary>The value of <c>x-mesh-outcome</c>.</summary>
    public static string Text(RequestOutcome outcome) => outcome switch
    {
        RequestOutcome.NotSent => "not-sent",
        RequestOutcome.Answered => "answered",
        _ => "unknown",
    };
}
