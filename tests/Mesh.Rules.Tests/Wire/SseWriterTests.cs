using System.Buffers;
using System.Net.ServerSentEvents;
using System.Text;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.Rules.Tests.Wire;

public sealed class SseWriterTests
{
    [Fact]
    public void WriteEvent_TwoLines_IsFramedByLine()
    {
        Assert.Equal("id: v1\nevent: push\ndata: a: 1\ndata: b: 2\n\n", Framed("a: 1\nb: 2\n"));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("\n", "")]
    [InlineData("a", "a")]
    [InlineData("a\n\n", "a\n")]
    [InlineData("a\r\nb\rc\n", "a\nb\nc")]
    [InlineData("  indented\n: no comment\ndata: x", "  indented\n: no comment\ndata: x")]
    [InlineData("ü💳\u2028\u0085\f", "ü💳\u2028\u0085\f")]
    public async Task WriteEvent_AnyText_ArrivesButForTheLastLineBreak(string data, string expected)
    {
        SseItem<string> item = Assert.Single(await ReadAsync(Encoding.UTF8.GetBytes(Framed(data)), int.MaxValue));

        Assert.Equal((expected, "v1", "push"), (item.Data, item.EventId, item.EventType));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    public async Task WriteEvent_ReadInPieces_ArrivesWhole(int piece)
    {
        string text = PushMessageWriter.Write(PushMessageTests.Everything);
        ArrayBufferWriter<byte> output = new();
        SseWriter.WritePing(output);
        SseWriter.WriteEvent(output, "v1", SseWriter.PushEvent, text);
        SseWriter.WritePing(output);
        SseWriter.WriteEvent(output, "v2", SseWriter.PushEvent, text);

        List<SseItem<string>> items = await ReadAsync(output.WrittenSpan.ToArray(), piece);

        Assert.Equal(["v1", "v2"], items.Select(i => i.EventId));
        Assert.All(items, item => Assert.Equal(text, PushMessageWriter.Write(PushMessageReader.Read(item.Data).Message!)));
    }

    private static string Framed(string data)
    {
        ArrayBufferWriter<byte> output = new();
        SseWriter.WriteEvent(output, "v1", SseWriter.PushEvent, data);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static async Task<List<SseItem<string>>> ReadAsync(byte[] bytes, int piece)
    {
        List<SseItem<string>> items = [];
        await foreach (SseItem<string> item in SseParser.Create(new Pieces(bytes, piece)).EnumerateAsync())
        {
            items.Add(item);
        }

        return items;
    }

    /// <summary>A stream that gives at most so many bytes at once, as a network may.</summary>
    private sealed class Pieces(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(piece, buffer.Length)]);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult(Read(buffer.Span));
    }
}
