using System.IO.Pipelines;
using System.Text;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Readers that must not care where the network cuts the bytes.</summary>
public sealed class BodyAndReaderTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData("0\r\n\r\n", "")]
    [InlineData("3\r\nabc\r\n0\r\n\r\n", "abc")]
    [InlineData("A;x=\"y\"\r\n0123456789\r\n1\r\nz\r\n000\r\nT: 1\r\nU: 2\r\n\r\n", "0123456789z")]
    public void Chunks_HoweverCut_AreReadAlike(string wire, string payload)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(wire + "NEXT");
        for (int split = 0; split <= bytes.Length; split++)
        {
            Assert.Equal((payload, wire.Length, true), Scan([bytes[..split], bytes[split..]]));
        }

        Assert.Equal((payload, wire.Length, true), Scan([.. bytes.Select(static b => new[] { b })]));
    }

    [Theory]
    [InlineData("\r\n")]
    [InlineData("g\r\n")]
    [InlineData("-1\r\n")]
    [InlineData("0x1\r\na\r\n")]
    [InlineData(" 1\r\na\r\n")]
    [InlineData("1 \r\na\r\n")]
    [InlineData("1\na\r\n")]
    [InlineData("1;a\nb\r\n")]
    [InlineData("1\r\nab\r\n")]
    [InlineData("1\r\na\n")]
    [InlineData("1\r\na\r0")]
    [InlineData("1234567890abcdef0\r\n")]
    [InlineData("0\r\nT: a\nU: b\r\n\r\n")]
    [InlineData("0\r\nT: a\0\r\n\r\n")]
    public void Chunks_Malformed_AreInvalid(string wire)
    {
        ChunkedScanner scanner = default;
        ReadOnlySpan<byte> rest = Encoding.ASCII.GetBytes(wire);
        while (!rest.IsEmpty && !scanner.IsInvalid && !scanner.IsDone)
        {
            rest = rest[scanner.Scan(rest, out _)..];
        }

        Assert.True(scanner.IsInvalid);
    }

    [Fact]
    public void Chunks_EndlessExtensionOrTrailer_AreInvalid()
    {
        foreach (string wire in (string[])["1;" + new string('x', 5000), "0\r\nT: " + new string('x', 17_000)])
        {
            ChunkedScanner scanner = default;
            scanner.Scan(Encoding.ASCII.GetBytes(wire), out _);
            Assert.True(scanner.IsInvalid);
        }
    }

    [Fact]
    public void Chunks_Mutated_NeverThrowAndAlwaysAdvance()
    {
        Random random = new(7);
        byte[] seed = "3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: 1\r\n\r\n"u8.ToArray();
        for (int i = 0; i < 30_000; i++)
        {
            byte[] bytes = [.. seed];
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            bytes[random.Next(bytes.Length)] = (byte)random.Next(128);
            ChunkedScanner scanner = default;
            ReadOnlySpan<byte> rest = bytes;
            while (!rest.IsEmpty && !scanner.IsInvalid && !scanner.IsDone)
            {
                int used = scanner.Scan(rest, out Range payload);
                Assert.InRange(used, 1, rest.Length);
                Assert.InRange(payload.End.GetOffset(used), 0, used);
                rest = rest[used..];
            }
        }
    }

    [Fact]
    public async Task HeadReader_HoweverCut_TakesTheHeadAndLeavesTheRest()
    {
        const string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        byte[] bytes = Encoding.ASCII.GetBytes("\r\n" + head + "BODY");
        for (int split = 1; split < bytes.Length; split++)
        {
            Pipe pipe = new(new PipeOptions(minimumSegmentSize: 16));
            HeadReader reader = new();
            await pipe.Writer.WriteAsync(bytes.AsMemory(0, split));
            ValueTask<HeadStatus> reading = reader.ReadAsync(pipe.Reader);
            await pipe.Writer.WriteAsync(bytes.AsMemory(split));
            Assert.Equal(HeadStatus.Ok, await reading.AsTask().WaitAsync(Patience));
            Assert.Equal(head, Encoding.ASCII.GetString(reader.Bytes, 0, reader.Length));
            reader.Release();
            await pipe.Writer.CompleteAsync();
            ReadResult rest = await pipe.Reader.ReadAtLeastAsync(4);
            Assert.Equal("BODY", Encoding.ASCII.GetString(rest.Buffer));
        }
    }

    [Theory]
    [InlineData("", "Ended")]
    [InlineData("\r\n\r\n\r\n", "Ended")]
    [InlineData("GET / HT", "Truncated")]
    [InlineData("GET / HTTP/1.1\nHost: a\n\n", "Malformed")]
    [InlineData("\nGET", "Malformed")]
    public async Task HeadReader_WithoutAHead_SaysWhy(string text, string expected)
    {
        Pipe pipe = new();
        await pipe.Writer.WriteAsync(Encoding.ASCII.GetBytes(text));
        await pipe.Writer.CompleteAsync();
        Assert.Equal(expected, (await new HeadReader().ReadAsync(pipe.Reader).AsTask().WaitAsync(Patience)).ToString());
    }

    [Fact]
    public async Task HeadReader_Cancelled_SaysSo_AndCanGoOn()
    {
        Pipe pipe = new();
        HeadReader reader = new();
        pipe.Reader.CancelPendingRead();
        Assert.Equal(HeadStatus.Cancelled, await reader.ReadAsync(pipe.Reader));
        await pipe.Writer.WriteAsync("GET / HTTP/1.1\r\n"u8.ToArray());
        Task<HeadStatus> reading = reader.ReadAsync(pipe.Reader).AsTask();
        pipe.Reader.CancelPendingRead();
        Assert.Equal(HeadStatus.Cancelled, await reading.WaitAsync(Patience));
        reading = reader.ReadAsync(pipe.Reader).AsTask();
        await pipe.Writer.WriteAsync("\r\n"u8.ToArray());
        Assert.Equal(HeadStatus.Ok, await reading.WaitAsync(Patience));
        Assert.Equal(18, reader.Length);
        reader.Release();
    }

    [Theory]
    [InlineData("Length", "Done")]
    [InlineData("UntilClose", "SourceEnded")]
    public async Task Copy_FromAPeerThatResets_IsDoneOnlyWhenItIsWhole(string kind, string expected)
    {
        Pipe from = new();
        Pipe to = new();
        await from.Writer.WriteAsync("abc"u8.ToArray());
        BodyCopier copier = new();
        Task<CopyStatus> copying = copier.CopyAsync(from.Reader, to.Writer, new BodyFraming(Enum.Parse<BodyKind>(kind), 3), stripChunks: false).AsTask();
        await from.Writer.CompleteAsync(new IOException("reset"));
        Assert.Equal(expected, (await copying.WaitAsync(Patience)).ToString());
        Assert.Equal(3, copier.PayloadBytes);
    }

    [Fact]
    public async Task Copy_ToAPeerThatClosed_StopsAndLeavesTheSourceReadable()
    {
        Pipe from = new();
        Pipe to = new();
        await to.Reader.CompleteAsync();
        await from.Writer.WriteAsync("abc"u8.ToArray());
        CopyStatus status = await new BodyCopier().CopyAsync(from.Reader, to.Writer, new BodyFraming(BodyKind.Length, 9), stripChunks: false);
        Assert.Equal(CopyStatus.SinkClosed, status);
        from.Reader.CancelPendingRead();
        Assert.True((await from.Reader.ReadAsync()).IsCanceled);
    }

    [Fact]
    public async Task Copy_Stopped_Returns()
    {
        Pipe from = new();
        BodyCopier copier = new();
        Task<CopyStatus> copying = copier.CopyAsync(from.Reader, null, new BodyFraming(BodyKind.Length, 9), stripChunks: false).AsTask();
        copier.Stop(from.Reader);
        Assert.Equal(CopyStatus.Stopped, await copying.WaitAsync(Patience));
    }

    private static (string Payload, int Used, bool IsDone) Scan(IReadOnlyList<byte[]> pieces)
    {
        ChunkedScanner scanner = default;
        StringBuilder text = new();
        int total = 0;
        foreach (byte[] piece in pieces)
        {
            ReadOnlySpan<byte> rest = piece;
            while (!rest.IsEmpty && !scanner.IsDone && !scanner.IsInvalid)
            {
                int used = scanner.Scan(rest, out Range payload);
                text.Append(Encoding.ASCII.GetString(rest[..used][payload]));
                total += used;
                rest = rest[used..];
            }
        }

        return (text.ToString(), total, scanner.IsDone);
    }
}
