using System.Buffers;
using System.Text;

namespace Mesh.Rules.Wire;

/// <summary>
/// Writes server-sent events (HTML living standard, section 9.2), so that the stream can be read with curl and resumed by
/// <c>Last-Event-ID</c>. The sidecar reads them with the framework's own <c>SseParser</c>. Stateless.
/// </summary>
public static class SseWriter
{
    /// <summary>Content type of the stream.</summary>
    public const string ContentType = "text/event-stream";

    /// <summary>The event type of a push.</summary>
    public const string PushEvent = "push";

    /// <summary>The event type of <see cref="SidecarOrders"/>: JSON, without an id, since it is no version that a stream could go on from.</summary>
    public const string OrdersEvent = "orders";

    /// <summary>One event. Its data arrives as it was, but for the last line break, which the framing drops, and with <c>\n</c> line ends.</summary>
    /// <param name="output">Receives UTF-8.</param>
    /// <param name="id">The event's id, one line; null for an event that changes nothing about where a reader goes on from.</param>
    /// <param name="eventType">The event's type, one line.</param>
    /// <param name="data">Any text.</param>
    public static void WriteEvent(IBufferWriter<byte> output, string? id, string eventType, ReadOnlySpan<char> data)
    {
        Encoding.UTF8.GetBytes(id is null ? $"event: {eventType}\n" : $"id: {id}\nevent: {eventType}\n", output);
        bool more = true;
        while (more)
        {
            int end = data.IndexOfAny('\r', '\n');
            output.Write("data: "u8);
            Encoding.UTF8.GetBytes(end < 0 ? data : data[..end], output);
            output.Write("\n"u8);
            data = end < 0 ? [] : data[(end + (data[end..] is ['\r', '\n', ..] ? 2 : 1))..];
            more = data.Length > 0;
        }

        output.Write("\n"u8);
    }

    /// <summary>A comment, which readers drop: shows both ends that the connection lives.</summary>
    public static void WritePing(IBufferWriter<byte> output) => output.Write(": ping\n\n"u8);
}
