using System.Buffers;
using System.Globalization;
using System.Text;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Routing;
using Microsoft.AspNetCore.WebUtilities;

namespace Mesh.Proxy.Http;

/// <summary>Writes a <see cref="StandIn"/> in the place of the refusal that it is for, which stays legible in <c>x-mesh-reason</c>. The part of <see cref="LocalReply"/> for fallbacks.</summary>
internal static class StandInReply
{
    private const int HeadBytes = 768; // of a head without what the answer and the rule bring

    /// <summary>Writes head and body; returns the bytes of the body. Arguments as for <see cref="LocalReply.Write"/>.</summary>
    public static int Write(
        IBufferWriter<byte> output, in ProxyError error, RequestOutcome outcome, bool isInbound, bool isHead, bool closes, DateTimeOffset now, ReadOnlySpan<byte> requestId)
    {
        StandIn answer = error.StandIn!;
        ReadOnlySpan<byte> edited = error.Headers is { } edits ? edits.Lines : default;
        Span<byte> buffer = output.GetSpan(HeadBytes + answer.Lines.Length + edited.Length + requestId.Length + LocalReply.MaxReasonBytes(error.Decision));
        int length = 0;
        LocalReply.Append(buffer, ref length, "HTTP/1.1 "u8);
        LocalReply.Append(buffer, ref length, answer.Status);
        LocalReply.Append(buffer, ref length, " "u8);
        LocalReply.Append(buffer, ref length, ReasonPhrases.GetReasonPhrase(answer.Status));
        LocalReply.Append(buffer, ref length, "\r\n"u8);
        AppendLines(buffer, ref length, answer.Lines, error.Headers, out bool hasDate, out bool hasServer);
        AppendWhy(buffer, ref length, error, error.StandInAge >= 0 ? "stale"u8 : "static"u8);
        if (error.Headers?.Drops("x-request-id"u8) != true)
        {
            LocalReply.AppendRequestId(buffer, ref length, requestId);
        }

        LocalReply.Append(buffer, ref length, "x-mesh-outcome: "u8);
        LocalReply.Append(buffer, ref length, LocalReply.Text(outcome));
        LocalReply.Append(buffer, ref length, "\r\n"u8);
        if (answer.Status != 204)
        {
            LocalReply.Append(buffer, ref length, "content-length: "u8);
            LocalReply.Append(buffer, ref length, answer.Body.Length);
            LocalReply.Append(buffer, ref length, "\r\n"u8);
        }

        if (!hasDate)
        {
            LocalReply.Append(buffer, ref length, "date: "u8);
            now.TryFormat(buffer[length..], out int written, "r", CultureInfo.InvariantCulture);
            length += written;
            LocalReply.Append(buffer, ref length, "\r\n"u8);
        }

        if (!hasServer && error.Headers?.Drops("server"u8) != true)
        {
            LocalReply.Append(buffer, ref length, isInbound ? "server: istio-envoy\r\n"u8 : "server: envoy\r\n"u8);
        }

        LocalReply.Append(buffer, ref length, edited);
        LocalReply.Append(buffer, ref length, closes ? "connection: close\r\n\r\n"u8 : "\r\n"u8);
        output.Advance(length);
        if (isHead)
        {
            return 0;
        }

        output.Write(answer.Body);
        return answer.Body.Length;
    }

    /// <summary>Lines for the answer of another host that got the request in the place of the one that failed.</summary>
    public static byte[] LinesForHost(in ProxyError error)
    {
        Span<byte> buffer = new byte[HeadBytes + LocalReply.MaxReasonBytes(error.Decision)];
        int length = 0;
        AppendWhy(buffer, ref length, error, "host"u8);
        return buffer[..length].ToArray();
    }

    // What has become of the answer, and why: age (RFC 9111, 5.1), x-mesh-fallback, and what the refusal would have said.
    private static void AppendWhy(Span<byte> buffer, ref int length, in ProxyError error, ReadOnlySpan<byte> kind)
    {
        if (error.StandInAge >= 0)
        {
            LocalReply.Append(buffer, ref length, "age: "u8);
            LocalReply.Append(buffer, ref length, error.StandInAge);
            LocalReply.Append(buffer, ref length, "\r\n"u8);
        }

        LocalReply.Append(buffer, ref length, "x-mesh-fallback: "u8);
        LocalReply.Append(buffer, ref length, kind);
        if (error.StandInAge >= 0)
        {
            LocalReply.Append(buffer, ref length, "; age="u8);
            LocalReply.Append(buffer, ref length, error.StandInAge);
        }

        LocalReply.Append(buffer, ref length, "; reason="u8);
        if (!error.Decision.IsSet)
        {
            LocalReply.Append(buffer, ref length, "upstream_"u8);
            LocalReply.Append(buffer, ref length, error.Status);
            LocalReply.Append(buffer, ref length, "\r\n"u8);
            return;
        }

        LocalReply.Append(buffer, ref length, Telemetry.DecisionReasonText.ToText(error.Decision.Reason));
        LocalReply.Append(buffer, ref length, "\r\nx-mesh-reason: "u8);
        LocalReply.AppendReason(buffer, ref length, error.Decision);
        LocalReply.Append(buffer, ref length, "\r\n"u8);
        if (error.Breaker is { } breaker)
        {
            LocalReply.Append(buffer, ref length, "x-mesh-breaker: "u8);
            LocalReply.Append(buffer, ref length, breaker);
            LocalReply.Append(buffer, ref length, "\r\n"u8);
        }
    }

    // The fields of the answer, without those that the route takes out of any answer.
    private static void AppendLines(Span<byte> buffer, ref int length, ReadOnlySpan<byte> lines, HeaderEdits? edits, out bool hasDate, out bool hasServer)
    {
        hasDate = hasServer = false;
        while (!lines.IsEmpty)
        {
            int end = lines.IndexOf((byte)'\n') + 1;
            ReadOnlySpan<byte> name = lines[..lines.IndexOf((byte)':')];
            if (edits?.Drops(name) != true)
            {
                hasDate |= Ascii.EqualsIgnoreCase(name, "date"u8);
                hasServer |= Ascii.EqualsIgnoreCase(name, "server"u8);
                LocalReply.Append(buffer, ref length, lines[..end]);
            }

            lines = lines[end..];
        }
    }
}
