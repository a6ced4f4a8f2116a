using System.Buffers;
using System.Globalization;
using System.Text;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Fallbacks;
using Microsoft.AspNetCore.WebUtilities;

namespace Mesh.Proxy.Http1;

/// <summary>Writes what callers get who come back: the answer as it was, or the one event that says that it is there. Stateless.</summary>
internal static class KeptReply
{
    private const int AddedBytes = 256;

    /// <summary>Head of a stream of events; it ends with the connection.</summary>
    public static ReadOnlySpan<byte> EventsHead => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"u8;

    /// <summary>A line of a stream of events that says nothing: the client is found out when it has gone.</summary>
    public static ReadOnlySpan<byte> Heartbeat => ":\n\n"u8;

    /// <summary>Writes the head of a kept answer; gives the body that follows it.</summary>
    public static ReadOnlyMemory<byte> WriteHead(IBufferWriter<byte> output, StandIn answer, bool isHead, bool closes)
    {
        HeadBuffer buffer = new(output.GetSpan(AddedBytes + answer.Lines.Length));
        buffer.Add("HTTP/1.1 "u8);
        buffer.Add(answer.Status);
        buffer.Add(" "u8);
        buffer.Add(Encoding.ASCII.GetBytes(ReasonPhrases.GetReasonPhrase(answer.Status)));
        buffer.Add("\r\n"u8);
        buffer.Add(answer.Lines);
        if (answer.Status is not (204 or 304))
        {
            buffer.Add("content-length: "u8);
            buffer.Add(answer.Body.Length);
            buffer.Add("\r\n"u8);
        }

        buffer.Add(closes ? "connection: close\r\n\r\n"u8 : "\r\n"u8);
        output.Advance(buffer.Length);
        if (isHead || answer.Status is 204 or 304)
        {
            return default;
        }

        return answer.Body;
    }

    /// <summary>Text of the event.</summary>
    public static byte[] Event(KeptCall call, StandIn answer) => Encoding.ASCII.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"event: done\ndata: {{\"status\":{answer.Status},\"location\":\"{call.Location}\"}}\n\n"));
}
