using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Retry;

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
/// A body of which all is kept can be copied once more: the next copy begins with what was kept and goes on where the last one stopped.
/// Reused from message to message; used by one connection and direction.
/// </summary>
internal sealed class BodyCopier(Http1Limits limits)
{
    private const int TranscodingRoom = 512; // what a piece may grow by: a size's line, blanks in trailers
    private readonly ChunkedTranscoder _chunks = new(limits);
    private BodyFraming _framing;
    private long _left;
    private bool _hasBegun;
    private bool _isAtEnd;
    private volatile bool _isStopped;

    /// <summary>Bytes of the body, without chunk framing.</summary>
    public long PayloadBytes { get; private set; }

    /// <summary>Bytes as they came over the wire.</summary>
    public long WireBytes { get; private set; }

    /// <summary>Bytes as they were written for the receiver.</summary>
    public long WrittenBytes { get; private set; }

    /// <summary>Told of every piece that comes; null when nobody watches.</summary>
    public Deadline? Activity { get; set; }

    /// <summary>Keeps what is taken, for another attempt; null when nothing is kept, or no longer, because it became too much.</summary>
    public KeptBody? Kept { get; private set; }

    /// <summary>Told when the sender's last byte has come, and when the receiver takes its time; null when nobody watches.</summary>
    public RequestTimer? Timer { get; set; }

    /// <summary>Whether all of the body can still be sent, from its first byte on.</summary>
    public bool CanStartOver => WireBytes == 0 || Kept is not null;

    /// <summary>Whether the body's last byte has come.</summary>
    public bool IsAtEnd => _isAtEnd;

    /// <summary>Forgets the last body.</summary>
    public void Reset()
    {
        PayloadBytes = WireBytes = WrittenBytes = 0;
        _isStopped = _hasBegun = _isAtEnd = false;
    }

    /// <summary>Keeps the body from its first byte on in <paramref name="kept"/>; null lets go.</summary>
    public void Keep(KeptBody? kept)
    {
        Kept?.Release();
        Kept = kept;
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
        Begin(to, framing, stripChunks);
        while (!_isAtEnd)
        {
            if (!SafePipe.TryRead(from, out ReadResult read))
            {
                if (to is not null && !await FlushAsync(to))
                {
                    return CopyStatus.SinkClosed;
                }

                Timer?.EndWrite();
                read = await SafePipe.ReadAsync(from);
                Activity?.Touch(); // what was here at once came with the head, or with a piece that was told of
            }

            CopyStatus? ended = TakePiece(from, read, to);
            if (ended is not null)
            {
                return ended.Value;
            }

            if (!_isAtEnd)
            {
                if (to is not null && !await FlushAsync(to))
                {
                    return CopyStatus.SinkClosed;
                }

                Timer?.EndWrite();
                Activity?.Touch(); // it moved: the receiver took a piece
            }
        }

        bool isOut = to is null || await FlushAsync(to);
        Timer?.EndWrite();
        return isOut ? CopyStatus.Done : CopyStatus.SinkClosed;
    }

    /// <summary>Takes a body that is all here already, and drops it; false when there is more to come.</summary>
    public bool TrySwallow(PipeReader from, BodyFraming framing)
    {
        Begin(null, framing, stripChunks: false);
        while (!_isAtEnd && SafePipe.TryRead(from, out ReadResult read))
        {
            if (TakePiece(from, read, null) is not null)
            {
                return false;
            }
        }

        return _isAtEnd && framing.Kind != BodyKind.UntilClose;
    }

    private void Begin(PipeWriter? to, BodyFraming framing, bool stripChunks)
    {
        _framing = framing;
        if (_hasBegun)
        {
            _isStopped = false;
            _chunks.Redirect((IBufferWriter<byte>?)Kept ?? to);
            Kept?.Rewind();
            SendKept(to);
            return;
        }

        _hasBegun = true;
        _isAtEnd = framing.Kind == BodyKind.None;
        _left = framing.Length;
        if (framing.Length > Kept?.MaxLength)
        {
            Abandon(to);
        }

        _chunks.Begin((IBufferWriter<byte>?)Kept ?? to, stripChunks);
    }

    // How it ended, or null when it goes on or is at its end.
    private CopyStatus? TakePiece(PipeReader from, in ReadResult read, PipeWriter? to)
    {
        if (_isStopped)
        {
            SafePipe.Advance(from, read, read.Buffer.Start, read.Buffer.Start); // whoever stopped it counts on what was kept until then
            return CopyStatus.Stopped;
        }

        if (Kept is not null && !Kept.TryReserve(_framing.Kind == BodyKind.Length ? Math.Min(read.Buffer.Length, _left) : read.Buffer.Length + TranscodingRoom))
        {
            Abandon(to);
        }

        SequencePosition consumed = Take(read.Buffer, to, out bool isEnd);
        SafePipe.Advance(from, read, consumed, isEnd ? consumed : read.Buffer.End);
        SendKept(to);
        if (_chunks.IsInvalid)
        {
            return CopyStatus.Malformed;
        }

        if (isEnd || (read.IsCompleted && _framing.Kind == BodyKind.UntilClose && !SafePipe.WasReset(read)))
        {
            _isAtEnd = true;
            Timer?.RequestComplete();
            return null;
        }

        return read.IsCompleted ? CopyStatus.SourceEnded : _isStopped ? CopyStatus.Stopped : null;
    }

    private ValueTask<bool> FlushAsync(PipeWriter to)
    {
        ValueTask<bool> flush = SafePipe.FlushAsync(to);
        if (Timer is not null && !flush.IsCompleted)
        {
            Timer.BeginWrite();
        }

        return flush;
    }

    // Too much to keep: what was kept has been sent already, the rest goes straight through.
    private void Abandon(PipeWriter? to)
    {
        Kept!.Release();
        Kept = null;
        _chunks.Redirect(to);
    }

    private void SendKept(PipeWriter? to)
    {
        if (Kept is not null && to is not null)
        {
            ReadOnlySpan<byte> unsent = Kept.TakeUnsent();
            to.Write(unsent);
            WrittenBytes += unsent.Length;
        }
    }

    private SequencePosition Take(in ReadOnlySequence<byte> buffer, PipeWriter? to, out bool isEnd)
    {
        if (_framing.Kind == BodyKind.Chunked)
        {
            return TakeChunks(buffer, out isEnd);
        }

        long length = _framing.Kind == BodyKind.Length ? Math.Min(_left, buffer.Length) : buffer.Length;
        ReadOnlySequence<byte> piece = buffer.Slice(0, length);
        IBufferWriter<byte>? target = (IBufferWriter<byte>?)Kept ?? to;
        foreach (ReadOnlyMemory<byte> segment in piece)
        {
            target?.Write(segment.Span);
        }

        _left -= length;
        PayloadBytes += length;
        WireBytes += length;
        WrittenBytes += target is null || Kept is not null ? 0 : length;
        isEnd = _framing.Kind == BodyKind.Length && _left == 0;
        return piece.End;
    }

    private SequencePosition TakeChunks(in ReadOnlySequence<byte> buffer, out bool isEnd)
    {
        long before = _chunks.WrittenBytes;
        long taken = _chunks.Take(buffer);
        WireBytes += taken;
        PayloadBytes = _chunks.PayloadBytes;
        WrittenBytes += Kept is null ? _chunks.WrittenBytes - before : 0;
        isEnd = _chunks.IsDone;
        return buffer.GetPosition(taken);
    }
}
