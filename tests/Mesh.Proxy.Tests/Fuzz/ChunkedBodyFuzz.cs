using System.Buffers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Proxy.Tests.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>However a body is cut, the same is written and taken; what was written for a whole body is itself a body of the same payload, and writes itself.</summary>
internal static class ChunkedBodyFuzz
{
    public static void Run(ReadOnlySpan<byte> input)
    {
        byte[] bytes = input.ToArray();
        ChunkedTranscoder chunks = new(Http1Limits.Default);
        (string written, long taken) = Wire.Chunks(chunks, bytes, bytes.Length);
        (bool isDone, bool isInvalid, long payload) = (chunks.IsDone, chunks.IsInvalid, chunks.PayloadBytes);
        Assert.Equal(written.Length, chunks.WrittenBytes);

        int cut = bytes.Length == 0 ? 0 : bytes[^1] % (bytes.Length + 1);
        Assert.Equal((written, taken), Wire.Chunks(chunks, bytes, cut));
        Assert.Equal((isDone, isInvalid, payload), (chunks.IsDone, chunks.IsInvalid, chunks.PayloadBytes));
        Assert.Equal(written, ByteByByte(bytes));

        GullibleMessage read = GullibleReader.Request([.. "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"u8, .. Wire.Bytes(written)]);
        Assert.Equal(isDone, read.IsWhole);
        if (isDone)
        {
            Assert.Equal(payload, read.Payload);
            Assert.Equal((written, (long)written.Length), Wire.Chunks(chunks, Wire.Bytes(written), written.Length));
            Assert.True(chunks.IsDone);
        }
    }

    private static string ByteByByte(byte[] bytes)
    {
        ChunkedTranscoder chunks = new(Http1Limits.Default);
        ArrayBufferWriter<byte> output = new();
        chunks.Begin(output, payloadOnly: false);
        int taken = 0;
        for (int end = 1; end <= bytes.Length && !chunks.IsInvalid && !chunks.IsDone; end++)
        {
            taken += (int)chunks.Take(new ReadOnlySequence<byte>(bytes, taken, end - taken));
        }

        return Wire.Text(output.WrittenSpan);
    }
}
