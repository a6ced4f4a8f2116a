using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Testing;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Bytes in pieces, as a network may cut them, and the parsers over them.</summary>
internal static class Wire
{
    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    public static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    /// <summary>Reads and parses one request head that comes in two pieces.</summary>
    public static HeadError Request(byte[] bytes, int split, out RequestHead head)
    {
        RequestHead parsed = head = new(Http1Limits.Default);
        return Read(bytes, split, isRequest: true, reader => parsed.TryParse(reader.Bytes, reader.Length));
    }

    /// <summary>Reads and parses one response head that comes in two pieces, its framing included.</summary>
    public static HeadError Response(byte[] bytes, int split, out ResponseHead head, out BodyFraming framing)
    {
        ResponseHead parsed = head = new(Http1Limits.Default);
        BodyFraming decided = default;
        HeadError error = Read(bytes, split, isRequest: false, reader =>
        {
            HeadError error = parsed.TryParse(reader.Bytes, reader.Length);
            return error != HeadError.None ? error
                : MessageFraming.DecideResponse(parsed.Headers, parsed.MinorVersion, parsed.Status, isHead: false, out decided);
        });
        framing = decided;
        return error;
    }

    /// <summary>Takes a chunked body that comes in two pieces; returns what was written and how many bytes were taken.</summary>
    public static (string Written, long Taken) Chunks(ChunkedTranscoder chunks, byte[] bytes, int split, bool payloadOnly = false)
    {
        ArrayBufferWriter<byte> output = new();
        chunks.Begin(output, payloadOnly);
        long taken = chunks.Take(new ReadOnlySequence<byte>(bytes, 0, split));
        taken += chunks.Take(Cut(bytes.AsMemory((int)taken), split - (int)taken));
        return (Text(output.WrittenSpan), taken);
    }

    /// <summary>A sequence of two segments.</summary>
    public static ReadOnlySequence<byte> Cut(ReadOnlyMemory<byte> bytes, int at)
    {
        Segment first = new(bytes[..at], null);
        Segment second = new(bytes[at..], first);
        return new ReadOnlySequence<byte>(first, 0, second, second.Memory.Length);
    }

    private static HeadError Read(byte[] bytes, int split, bool isRequest, Func<HeadReader, HeadError> parse)
    {
        NoSynchronizationContext.Use(); // and inline schedulers, no thresholds: everything has happened when a call returns
        Pipe pipe = new(new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 0, useSynchronizationContext: false));
        HeadReader reader = new(Http1Limits.Default, isRequest);
        pipe.Writer.Write(bytes.AsSpan(0, split));
        _ = pipe.Writer.FlushAsync().AsTask();
        Task<HeadStatus> reading = reader.ReadAsync(pipe.Reader).AsTask();
        pipe.Writer.Write(bytes.AsSpan(split));
        _ = pipe.Writer.FlushAsync().AsTask();
        pipe.Writer.Complete();
        HeadStatus status = reading.GetAwaiter().GetResult();
        HeadError error = status == HeadStatus.Ok ? parse(reader) : reader.Error;
        pipe.Reader.Complete();
        return error;
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            RunningIndex = before is null ? 0 : before.RunningIndex + before.Memory.Length;
            if (before is not null)
            {
                before.Next = this;
            }
        }
    }
}
