using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Http1;

/// <summary>How reading a head ended.</summary>
internal enum HeadStatus : byte
{
    /// <summary>The head is in <see cref="HeadReader.Bytes"/>.</summary>
    Ok,

    /// <summary>The peer closed before the first byte.</summary>
    Ended,

    /// <summary>The peer closed in the middle.</summary>
    Truncated,

    /// <summary>Longer than a limit; <see cref="HeadReader.Error"/> says which.</summary>
    TooLarge,

    /// <summary>A line ends without CR.</summary>
    Malformed,

    /// <summary>The read was cancelled: somebody wants its reader to look around. What came stays in the pipe; reading can go on.</summary>
    Cancelled,
}

/// <summary>
/// Takes message heads from a pipe into one contiguous buffer, held from the first byte of a head until <see cref="Release"/>: an idle connection holds none.
/// However finely a head is cut, each of its bytes is looked at once. Used by one connection.
/// </summary>
/// <param name="limits">Limits.</param>
/// <param name="isRequest">Heads of requests, before which empty lines are allowed; before a response they are bytes that nobody announced.</param>
internal sealed class HeadReader(Http1Limits limits, bool isRequest)
{
    private long _scanned;
    private bool _hasLine;
    private byte _last;

    /// <summary>The head, the empty line included; valid until <see cref="Release"/> or the next read.</summary>
    public byte[] Bytes { get; private set; } = [];

    /// <summary>Its length.</summary>
    public int Length { get; private set; }

    /// <summary>What is wrong, after <see cref="HeadStatus.TooLarge"/> and <see cref="HeadStatus.Malformed"/>.</summary>
    public HeadError Error { get; private set; }

    /// <summary>Waits for a whole head and takes it from <paramref name="input"/>; what follows it stays there.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    public async ValueTask<HeadStatus> ReadAsync(PipeReader input)
    {
        Begin();
        HeadStatus status;
        ReadResult read;
        do
        {
            if (!SafePipe.TryRead(input, out read))
            {
                read = await SafePipe.ReadAsync(input);
            }
        }
        while (!TryTake(input, read, out status));

        return status;
    }

    /// <summary>A new head is to be read.</summary>
    public void Begin()
    {
        _scanned = 0;
        _hasLine = false;
        _last = 0;
        Error = HeadError.None;
    }

    /// <summary>Takes what one read gave: false when more is needed, else <paramref name="status"/> says how it ended.</summary>
    public bool TryTake(PipeReader input, in ReadResult read, out HeadStatus status)
    {
        ReadOnlySequence<byte> buffer = read.Buffer;
        SequencePosition start = isRequest ? SkipEmptyLines(buffer) : buffer.Start;
        HeadStatus? taken = TryTake(buffer.Slice(start), out SequencePosition end);
        if (taken is not null)
        {
            SafePipe.Advance(input, read, end, end);
            status = taken.Value;
            return true;
        }

        bool isEmpty = buffer.Slice(start).IsEmpty;
        SafePipe.Advance(input, read, start, buffer.End);
        status = !read.IsCompleted ? HeadStatus.Cancelled : isEmpty ? HeadStatus.Ended : HeadStatus.Truncated;
        return read.IsCompleted || read.IsCanceled;
    }

    /// <summary>Gives the buffer back; spans into the head are dead from here on.</summary>
    public void Release()
    {
        if (Bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(Bytes);
            Bytes = [];
            Length = 0;
        }
    }

    // A client may send an empty line after a body (RFC 9112, 2.2); more than that is still harmless.
    private SequencePosition SkipEmptyLines(in ReadOnlySequence<byte> buffer)
    {
        if (buffer.FirstSpan is [not (byte)'\r', ..])
        {
            return buffer.Start;
        }

        SequenceReader<byte> reader = new(buffer);
        while (reader.IsNext("\r\n"u8, advancePast: true))
        {
            Begin();
        }

        return reader.Position;
    }

    private HeadStatus? TryTake(in ReadOnlySequence<byte> buffer, out SequencePosition end)
    {
        end = buffer.Start;
        long length = FindEnd(buffer);
        if (length < 0)
        {
            Error = FindFault(buffer);
            return Error switch
            {
                HeadError.None => null,
                HeadError.TargetTooLong or HeadError.HeadTooLarge => HeadStatus.TooLarge,
                _ => HeadStatus.Malformed,
            };
        }

        if (length > limits.MaxHeadBytes)
        {
            Error = HeadError.HeadTooLarge;
            return HeadStatus.TooLarge;
        }

        end = buffer.GetPosition(length);
        Keep(buffer.Slice(0, end), (int)length);
        return HeadStatus.Ok;
    }

    private long FindEnd(in ReadOnlySequence<byte> buffer)
    {
        long from = Math.Max(0, _scanned - 3);
        if (buffer.IsSingleSegment)
        {
            int at = buffer.FirstSpan[(int)from..].IndexOf("\r\n\r\n"u8);
            return at < 0 ? -1 : from + at + 4;
        }

        SequenceReader<byte> reader = new(buffer.Slice(from));
        return reader.TryReadTo(out ReadOnlySequence<byte> before, "\r\n\r\n"u8) ? from + before.Length + 4 : -1;
    }

    // Without this a client that ends its lines with LF alone would wait for an answer that never comes, and a long line for its limit.
    private HeadError FindFault(in ReadOnlySequence<byte> buffer)
    {
        foreach (ReadOnlyMemory<byte> segment in buffer.Slice(_scanned))
        {
            ReadOnlySpan<byte> fresh = segment.Span;
            while (fresh.IndexOf((byte)'\n') is >= 0 and int lf)
            {
                if ((lf == 0 ? _last : fresh[lf - 1]) != '\r')
                {
                    return _hasLine ? HeadError.BadHeader : HeadError.BadStartLine;
                }

                _hasLine = true;
                _last = (byte)'\n';
                fresh = fresh[(lf + 1)..];
            }

            _last = fresh.IsEmpty ? _last : fresh[^1];
        }

        _scanned = buffer.Length;
        return !_hasLine && _scanned >= limits.MaxStartLineBytes ? HeadError.TargetTooLong
            : _scanned > limits.MaxHeadBytes ? HeadError.HeadTooLarge : HeadError.None;
    }

    private void Keep(in ReadOnlySequence<byte> head, int length)
    {
        if (Bytes.Length < length)
        {
            Release();
            Bytes = ArrayPool<byte>.Shared.Rent(length);
        }

        head.CopyTo(Bytes);
        Length = length;
    }
}
