using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Http1;

/// <summary>How copying a body ended.</summary>
internal enum CopyStatus : byte
{
    /// <summary>The whole body was copied and sent.</summary>
    Done,

    /// <summary>The sender closed or reset before the end.</summary>
    SourceEnded,

    /// <summary>The receiver takes nothing any more.</summary>
    SinkClosed,

    /// <summary>The chunked coding is broken.</summary>
    Malformed,

    /// <summary><see cref="BodyCopier.Stop"/> was called.</summary>
    Stopped,
}

/// <summary>
/// Streams one body from pipe to pipe, bytes as they come, counting them. Holds at most what one read gave: back-pressure of the receiver reaches the sender.
/// Reused from message to message; used by one connection and direction.
/// </summary>
internal sealed class BodyCopier(Http1Limits limits)
{
    private readonly ChunkedTranscoder _chunks = new(limits);
    private BodyFraming _framing;
    private long _left;
    private volatile bool _isStopped;

    /// <summary>Bytes of the body, without chunk framing.</summary>
    public long PayloadBytes { get; private set; }

    /// <summary>Bytes as they came over the wire.</summary>
    public long WireBytes { get; private set; }

    /// <summary>Bytes as they were written for the receiver.</summary>
    public long WrittenBytes { get; private set; }

    /// <summary>Told of every piece that comes; null when nobody watches.</summary>
    public Deadline? Activity { get; set; }

    /// <summary>Forgets the last body.</summary>
    public void Reset()
    {
        PayloadBytes = WireBytes = WrittenBytes = 0;
        _isStopped = false;
    }

    /// <summary>Ends a copy that waits for the sender: it returns <see cref="CopyStatus.Stopped"/>. Any thread.</summary>
    public void Stop(PipeReader from)
    {
        _isStopped = true;
        from.CancelPendingRead();
    }

    /// <summary>Copies a body. What was written to <paramref name="to"/> before goes out together with its first bytes.</summary>
    /// <param name="from">Sender; bytes after the body stay in it.</param>
    /// <param name="to">Receiver; null swallows the body.</param>
    /// <param name="framing">How the end is found.</param>
    /// <param name="stripChunks">Write the payload only (for HTTP/1.0 receivers).</param>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    public async ValueTask<CopyStatus> CopyAsync(PipeReader from, PipeWriter? to, BodyFraming framing, bool stripChunks)
    {
        _chunks.Begin(to, stripChunks);
        _framing = framing;
        _left = framing.Length;
        while (framing.Kind != BodyKind.None)
        {
            if (!SafePipe.TryRead(from, out ReadResult read))
            {
                if (to is not null && !await SafePipe.FlushAsync(to))
                {
                    return CopyStatus.SinkClosed;
                }

                read = await SafePipe.ReadAsync(from);
                Activity?.Touch(); // what was here at once came with the head, or with a piece that was told of
            }

            SequencePosition consumed = Take(read.Buffer, to, out bool isEnd);
            SafePipe.Advance(from, read, consumed, isEnd ? consumed : read.Buffer.End);
            if (_chunks.IsInvalid)
            {
                return CopyStatus.Malformed;
            }

            if (isEnd || (read.IsCompleted && framing.Kind == BodyKind.UntilClose && !SafePipe.WasReset(read)))
            {
                break;
            }

            if (read.IsCompleted)
            {
                return CopyStatus.SourceEnded;
            }

            if (_isStopped)
            {
                return CopyStatus.Stopped;
            }

            if (to is not null && !await SafePipe.FlushAsync(to))
            {
                return CopyStatus.SinkClosed;
            }

            Activity?.Touch(); // it moved: the receiver took a piece
        }

        return to is null || await SafePipe.FlushAsync(to) ? CopyStatus.Done : CopyStatus.SinkClosed;
    }

    private SequencePosition Take(in ReadOnlySequence<byte> buffer, PipeWriter? to, out bool isEnd)
    {
        if (_framing.Kind == BodyKind.Chunked)
        {
            return TakeChunks(buffer, out isEnd);
        }

        long length = _framing.Kind == BodyKind.Length ? Math.Min(_left, buffer.Length) : buffer.Length;
        ReadOnlySequence<byte> piece = buffer.Slice(0, length);
        foreach (ReadOnlyMemory<byte> segment in piece)
        {
            to?.Write(segment.Span);
        }

        _left -= length;
        PayloadBytes += length;
        WireBytes += length;
        WrittenBytes += to is null ? 0 : length;
        isEnd = _framing.Kind == BodyKind.Length && _left == 0;
        return piece.End;
    }

    private SequencePosition TakeChunks(in ReadOnlySequence<byte> buffer, out bool isEnd)
    {
        long taken = _chunks.Take(buffer);
        WireBytes += taken;
        PayloadBytes = _chunks.PayloadBytes;
        WrittenBytes = _chunks.WrittenBytes;
        isEnd = _chunks.IsDone;
        return buffer.GetPosition(taken);
    }
}
