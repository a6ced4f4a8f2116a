using System.Buffers;
using System.IO.Pipelines;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>One message as it went on.</summary>
/// <param name="Bytes">What was written.</param>
/// <param name="IsWhole">Whether it came to its end.</param>
/// <param name="Payload">Bytes of its body.</param>
/// <param name="EndsStream">Nothing after it is a message: a tunnel, a broken message, an answer until close.</param>
internal sealed record Relayed(byte[] Bytes, bool IsWhole, long Payload, bool EndsStream);

/// <summary>Takes messages from bytes with the product's own reader, parser, framing, copier and writer; nothing here ever waits.</summary>
internal static class StreamRelay
{
    private static readonly byte[] RequestId = "00000000-0000-4000-8000-000000000000"u8.ToArray();

    public static List<Relayed> Requests(ReadOnlySequence<byte> bytes)
    {
        PipeReader input = PipeReader.Create(bytes);
        HeadReader reader = new(Http1Limits.Default, isRequest: true);
        RequestHead head = new(Http1Limits.Default);
        List<Relayed> messages = [];
        while (Done(reader.ReadAsync(input)) == HeadStatus.Ok && head.TryParse(reader.Bytes, reader.Length) == HeadError.None && !head.IsConnect)
        {
            ArrayBufferWriter<byte> output = new();
            HeadWriter.WriteRequest(output, head, RequestId, 1);
            messages.Add(Body(input, output, head.Framing, endsStream: head.IsUpgrade || !head.KeepsAlive));
            if (messages[^1].EndsStream)
            {
                break;
            }
        }

        return messages;
    }

    public static List<Relayed> Responses(ReadOnlySequence<byte> bytes)
    {
        PipeReader input = PipeReader.Create(bytes);
        HeadReader reader = new(Http1Limits.Default, isRequest: false);
        ResponseHead head = new(Http1Limits.Default);
        List<Relayed> messages = [];
        while (Done(reader.ReadAsync(input)) == HeadStatus.Ok && head.TryParse(reader.Bytes, reader.Length) == HeadError.None &&
            MessageFraming.DecideResponse(head.Headers, head.MinorVersion, head.Status, isHead: false, out BodyFraming framing) == HeadError.None)
        {
            ArrayBufferWriter<byte> output = new();
            HeadWriter.WriteResponse(output, head, framing.Kind, head.IsInterim ? -1 : 7, default);
            messages.Add(Body(input, output, framing, endsStream: head.Status == 101 || framing.Kind == BodyKind.UntilClose || !head.KeepsAlive));
            if (messages[^1].EndsStream)
            {
                break;
            }
        }

        return messages;
    }

    private static Relayed Body(PipeReader input, ArrayBufferWriter<byte> output, BodyFraming framing, bool endsStream)
    {
        Pipe pipe = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
        BodyCopier copier = new(Http1Limits.Default);
        CopyStatus status = Done(copier.CopyAsync(input, pipe.Writer, framing, stripChunks: false));
        pipe.Writer.Complete();
        int headLength = output.WrittenCount;
        if (pipe.Reader.TryRead(out ReadResult read))
        {
            foreach (ReadOnlyMemory<byte> segment in read.Buffer)
            {
                output.Write(segment.Span);
            }
        }

        pipe.Reader.Complete();
        Assert.Equal(copier.WrittenBytes, output.WrittenCount - headLength);
        return new Relayed(output.WrittenSpan.ToArray(), status == CopyStatus.Done, copier.PayloadBytes, endsStream || status != CopyStatus.Done);
    }

    private static T Done<T>(ValueTask<T> task)
    {
        Assert.True(task.IsCompleted, "a read of bytes that are there waits");
        return task.AsTask().GetAwaiter().GetResult();
    }
}
