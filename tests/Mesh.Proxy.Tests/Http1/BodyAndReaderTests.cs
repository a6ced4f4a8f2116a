using System.IO.Pipelines;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Readers that must not care where the network cuts the bytes.</summary>
public sealed class BodyAndReaderTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task HeadReader_HoweverCut_TakesTheHeadAndLeavesTheRest()
    {
        const string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        byte[] bytes = Encoding.ASCII.GetBytes("\r\n" + head + "BODY");
        for (int split = 1; split < bytes.Length; split++)
        {
            Pipe pipe = new(new PipeOptions(minimumSegmentSize: 16));
            HeadReader reader = new(Http1Limits.Default, isRequest: true);
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
        Assert.Equal(expected, (await new HeadReader(Http1Limits.Default, isRequest: true).ReadAsync(pipe.Reader).AsTask().WaitAsync(Patience)).ToString());
    }

    [Fact]
    public async Task HeadReader_Cancelled_SaysSo_AndCanGoOn()
    {
        Pipe pipe = new();
        HeadReader reader = new(Http1Limits.Default, isRequest: true);
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
        BodyCopier copier = new(Http1Limits.Default);
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
        CopyStatus status = await new BodyCopier(Http1Limits.Default).CopyAsync(from.Reader, to.Writer, new BodyFraming(BodyKind.Length, 9), stripChunks: false);
        Assert.Equal(CopyStatus.SinkClosed, status);
        from.Reader.CancelPendingRead();
        Assert.True((await from.Reader.ReadAsync()).IsCanceled);
    }

    [Fact]
    public async Task Copy_Stopped_Returns()
    {
        Pipe from = new();
        BodyCopier copier = new(Http1Limits.Default);
        Task<CopyStatus> copying = copier.CopyAsync(from.Reader, null, new BodyFraming(BodyKind.Length, 9), stripChunks: false).AsTask();
        copier.Stop(from.Reader);
        Assert.Equal(CopyStatus.Stopped, await copying.WaitAsync(Patience));
    }

    [Fact]
    public async Task Copy_StoppedWhileTheReceiverTakesNothing_LeavesWhatComesNext()
    {
        Pipe from = new();
        Pipe to = new(new PipeOptions(pauseWriterThreshold: 1, resumeWriterThreshold: 1, useSynchronizationContext: false));
        BodyCopier copier = new(Http1Limits.Default);
        await from.Writer.WriteAsync("abc"u8.ToArray());
        Task<CopyStatus> copying = copier.CopyAsync(from.Reader, to.Writer, new BodyFraming(BodyKind.Length, 9), stripChunks: false).AsTask();
        await from.Writer.WriteAsync("def"u8.ToArray());
        copier.Stop(from.Reader);
        ReadResult sent = await to.Reader.ReadAsync();
        to.Reader.AdvanceTo(sent.Buffer.End);
        Assert.Equal(CopyStatus.Stopped, await copying.WaitAsync(Patience));
        Assert.Equal(3, copier.WireBytes);
        Assert.Equal(3, (await from.Reader.ReadAsync()).Buffer.Length);
    }
}
