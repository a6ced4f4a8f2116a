using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
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

    /// <summary>Longer than <see cref="HeadReader.MaxBytes"/>.</summary>
    TooLarge,

    /// <summary>A line ends without CR.</summary>
    Malformed,

    /// <summary>The read was cancelled: somebody wants its reader to look around. What came stays in the pipe; reading can go on.</summary>
    Cancelled,
}

/// <summary>
/// Takes message heads from a pipe into one contiguous buffer, held from the first byte of a head until <see cref="Release"/>: an idle connection holds none.
/// Used by one connection.
/// </summary>
internal sealed class HeadReader
{
    /// <summary>Longest head (Envoy's default).</summary>
    public const int MaxBytes = 60 * 1024;

    /// <summary>The head, the empty line included; valid until <see cref="Release"/> or the next read.</summary>
    public byte[] Bytes { get; private set; } = [];

    /// <summary>Its length.</summary>
    public int Length { get; private set; }

    /// <summary>Waits for a whole head and takes it from <paramref name="input"/>; what follows it stays there.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<HeadStatus> ReadAsync(PipeReader input)
    {
        while (true)
        {
            if (!SafePipe.TryRead(input, out ReadResult read))
            {
                read = await SafePipe.ReadAsync(input);
            }

            ReadOnlySequence<byte> buffer = read.Buffer;
            SequencePosition start = SkipEmptyLines(buffer);
            HeadStatus? status = TryTake(buffer.Slice(start), out SequencePosition end);
            if (status is not null)
            {
                SafePipe.Advance(input, read, end, end);
                return status.Value;
            }

            bool isEmpty = buffer.Slice(start).IsEmpty;
            SafePipe.Advance(input, read, start, buffer.End);
            if (read.IsCompleted)
            {
                return isEmpty ? HeadStatus.Ended : HeadStatus.Truncated;
            }

            if (read.IsCanceled)
            {
                return HeadStatus.Cancelled;
            }
        }
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
    private static SequencePosition SkipEmptyLines(in ReadOnlySequence<byte> buffer)
    {
        SequenceReader<byte> reader = new(buffer);
        while (reader.IsNext("\r\n"u8, advancePast: true))
        {
        }

        return reader.Position;
    }

    private HeadStatus? TryTake(in ReadOnlySequence<byte> buffer, out SequencePosition end)
    {
        end = buffer.Start;
        SequenceReader<byte> reader = new(buffer);
        if (reader.TryReadTo(out ReadOnlySequence<byte> head, "\r\n\r\n"u8))
        {
            int length = (int)Math.Min(head.Length + 4, MaxBytes + 1);
            if (length > MaxBytes)
            {
                return HeadStatus.TooLarge;
            }

            Keep(buffer.Slice(0, length), length);
            end = buffer.GetPosition(length);
            return HeadStatus.Ok;
        }

        return buffer.Length > MaxBytes ? HeadStatus.TooLarge : HasBareLf(buffer) ? HeadStatus.Malformed : null;
    }

    // Without this a client that ends its lines with LF alone would wait for an answer that never comes.
    private static bool HasBareLf(in ReadOnlySequence<byte> buffer)
    {
        SequenceReader<byte> reader = new(buffer);
        while (reader.TryReadTo(out ReadOnlySequence<byte> line, (byte)'\n'))
        {
            if (line.IsEmpty || line.Slice(line.Length - 1).FirstSpan[0] != '\r')
            {
                return true;
            }
        }

        return false;
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
