using System.IO.Pipelines;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Messages at their limits pass; one byte or field more is refused, as soon as it is there and not when the message ends.</summary>
public sealed class LimitTests
{
    private const int Line = 64;
    private const int Head = 256;
    private static readonly Http1Limits Limits = new() { MaxStartLineBytes = Line, MaxHeadBytes = Head, MaxFields = 30, MaxConnectionOptions = 2, MaxTrailerBytes = 40, MaxChunkLineBytes = 10 };

    [Theory]
    [InlineData(Line, nameof(HeadError.None))]
    [InlineData(Line + 1, nameof(HeadError.TargetTooLong))]
    public async Task StartLine_OfLength(int length, string expected)
    {
        string line = $"GET /{new string('x', length - 16)} HTTP/1.1\r\n";
        Assert.Equal(length, line.Length);
        Assert.Equal(expected, (await ReadAsync(line + "Host: a\r\n\r\n")).ToString());
    }

    [Theory]
    [InlineData(Head, nameof(HeadError.None))]
    [InlineData(Head + 1, nameof(HeadError.HeadTooLarge))]
    public async Task Head_OfLength(int length, string expected)
    {
        string head = $"GET / HTTP/1.1\r\nHost: a\r\nX: {new string('x', length - 32)}\r\n\r\n";
        Assert.Equal(length, head.Length);
        Assert.Equal(expected, (await ReadAsync(head)).ToString());
    }

    [Theory]
    [InlineData(30, nameof(HeadError.None))]
    [InlineData(31, nameof(HeadError.TooManyHeaders))]
    public async Task Fields_OfNumber(int count, string expected) =>
        Assert.Equal(expected, (await ReadAsync($"GET / HTTP/1.1\r\nHost:a\r\n{string.Concat(Enumerable.Repeat("a:\r\n", count - 1))}\r\n")).ToString());

    [Theory]
    [InlineData("close, x, , y, keep-alive", nameof(HeadError.None))]
    [InlineData("x, close, y, z", nameof(HeadError.BadHeader))]
    public async Task ConnectionOptions_OfNumber(string options, string expected) =>
        Assert.Equal(expected, (await ReadAsync($"GET / HTTP/1.1\r\nHost: a\r\nConnection: {options}\r\n\r\n")).ToString());

    [Theory]
    [InlineData("3;45678\r\nabc\r\n0\r\n\r\n", true)]
    [InlineData("3;456789\r\nabc\r\n0\r\n\r\n", true)]
    [InlineData("3;4567890\r\nabc\r\n0\r\n\r\n", false)]
    [InlineData("0\r\n1:345678901234567\r\n1:3456789012345678\r\n\r\n", true)]
    [InlineData("0\r\n1:345678901234567\r\n1:34567890123456789\r\n\r\n", true)]
    [InlineData("0\r\n1:345678901234567\r\n1:345678901234567890\r\n\r\n", false)]
    public void ChunkLinesAndTrailers_OfLength(string body, bool passes)
    {
        ChunkedTranscoder chunks = new(Limits);
        byte[] bytes = Wire.Bytes(body);
        for (int split = 0; split <= bytes.Length; split++)
        {
            Wire.Chunks(chunks, bytes, split);
            Assert.True((passes, !passes) == (chunks.IsDone, chunks.IsInvalid), $"cut at {split}");
        }
    }

    [Theory]
    [InlineData("GET /", Line, nameof(HeadError.TargetTooLong))]
    [InlineData("GET / HTTP/1.1\r\nX: ", Head + 1, nameof(HeadError.HeadTooLarge))]
    [InlineData("GET / HTTP/1.1\n", 15, nameof(HeadError.BadStartLine))]
    [InlineData("GET / HTTP/1.1\r\nX: y\n", 21, nameof(HeadError.BadHeader))]
    public async Task Head_WithoutAnEnd_IsRefusedAtTheByteThatDecides(string begin, int bytes, string expected)
    {
        NoSynchronizationContext.Use(); // all runs inline
        Pipe pipe = new(new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));
        HeadReader reader = new(Limits, isRequest: true);
        Task<HeadStatus> reading = reader.ReadAsync(pipe.Reader).AsTask();
        string text = begin.PadRight(bytes, 'x');
        for (int i = 0; i < bytes; i++)
        {
            Assert.False(reading.IsCompleted, $"refused after {i}");
            await pipe.Writer.WriteAsync(Wire.Bytes(text[i..(i + 1)]));
        }

        await reading.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(expected, reader.Error.ToString());
    }

    private static async Task<HeadError> ReadAsync(string text)
    {
        Pipe pipe = new();
        await pipe.Writer.WriteAsync(Wire.Bytes(text));
        HeadReader reader = new(Limits, isRequest: true);
        HeadStatus status = await reader.ReadAsync(pipe.Reader).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        return status == HeadStatus.Ok ? new RequestHead(Limits).TryParse(reader.Bytes, reader.Length) : reader.Error;
    }
}
