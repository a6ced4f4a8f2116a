using System.Buffers;
using System.Buffers.Text;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Http1;

/// <summary>
/// Reads a chunked body and writes it anew (RFC 9112, 7.1): sizes in their shortest form, no extensions, trailers line by line. What is not understood, a bare LF or
/// blanks around a size as much as a trailer that a proxy acts upon, makes the body invalid and is never written. Holds no bytes: an unfinished line is left
/// where it is until the rest has come. Reused from body to body.
/// </summary>
internal sealed class ChunkedTranscoder(Http1Limits limits)
{
    private const int MaxSizeDigits = 15; // below 2^60: cannot overflow
    private State _state;
    private bool _payloadOnly;
    private IBufferWriter<byte>? _output;
    private long _left;
    private int _trailerBytes;
    private int _trailers;

    private enum State : byte
    {
        Size,
        Data,
        DataEnd,
        Trailer,
        Done,
        Invalid,
    }

    /// <summary>The last chunk and its trailers have passed.</summary>
    public bool IsDone => _state == State.Done;

    /// <summary>The body is malformed.</summary>
    public bool IsInvalid => _state == State.Invalid;

    /// <summary>Bytes of the body without its framing.</summary>
    public long PayloadBytes { get; private set; }

    /// <summary>Bytes written.</summary>
    public long WrittenBytes { get; private set; }

    /// <summary>A new body begins.</summary>
    /// <param name="output">Where it goes; null swallows it.</param>
    /// <param name="payloadOnly">Write neither framing nor trailers (for a receiver of HTTP/1.0).</param>
    public void Begin(IBufferWriter<byte>? output, bool payloadOnly)
    {
        (_output, _payloadOnly) = (output, payloadOnly);
        _state = State.Size;
        _trailerBytes = _trailers = 0;
        PayloadBytes = WrittenBytes = 0;
    }

    /// <summary>The rest goes somewhere else.</summary>
    public void Redirect(IBufferWriter<byte>? output) => _output = output;

    /// <summary>Takes what is whole from the front of <paramref name="input"/>; returns how many bytes. The rest must be offered again with more behind it.</summary>
    public long Take(in ReadOnlySequence<byte> input)
    {
        ReadOnlySequence<byte> rest = input;
        while (!rest.IsEmpty && !IsDone && !IsInvalid)
        {
            int taken = Take(rest.FirstSpan);
            if (taken == 0)
            {
                taken = rest.IsSingleSegment || IsInvalid ? 0 : TakeAcrossSegments(rest);
                if (taken == 0)
                {
                    break;
                }
            }

            rest = rest.Slice(taken);
        }

        return input.Length - rest.Length;
    }

    private int Take(ReadOnlySpan<byte> input)
    {
        int at = 0;
        while (at < input.Length)
        {
            ReadOnlySpan<byte> rest = input[at..];
            int taken = _state switch
            {
                State.Size => TakeSize(rest),
                State.Data => TakeData(rest),
                State.DataEnd => TakeLineEnd(rest, State.Size),
                State.Trailer => TakeTrailer(rest),
                _ => 0,
            };
            if (taken == 0)
            {
                break;
            }

            at += taken;
        }

        return at;
    }

    // A line that the end of a segment cuts is copied together; no longer than a line may be.
    private int TakeAcrossSegments(in ReadOnlySequence<byte> rest)
    {
        int length = (int)Math.Min(rest.Length, _state == State.Trailer ? limits.MaxTrailerBytes : limits.MaxChunkLineBytes);
        byte[] line = ArrayPool<byte>.Shared.Rent(length);
        rest.Slice(0, length).CopyTo(line);
        int taken = Take(line.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(line);
        return taken;
    }

    private int TakeSize(ReadOnlySpan<byte> rest)
    {
        long size = 0;
        int at = 0;
        for (; at < rest.Length && HexDigit.Value(rest[at]) is >= 0 and int digit; at++)
        {
            size = (size << 4) | (uint)digit;
            if (at == MaxSizeDigits)
            {
                return Refuse();
            }
        }

        if (at < rest.Length && rest[at] == ';' && at > 0)
        {
            int end = FieldLine.IndexOfControl(rest[at..]);
            at = end < 0 ? rest.Length : at + end;
        }

        bool isWhole = at + 1 < rest.Length;
        if (isWhole ? at + 2 > limits.MaxChunkLineBytes : rest.Length >= limits.MaxChunkLineBytes)
        {
            return Refuse();
        }

        if (at == rest.Length || (at + 1 == rest.Length && rest[at] == '\r' && at > 0))
        {
            return 0;
        }

        if (at == 0 || rest[at] != '\r' || rest[at + 1] != '\n')
        {
            return Refuse();
        }

        _left = size;
        _state = size == 0 ? State.Trailer : State.Data;
        WriteSize(size);
        return at + 2;
    }

    private int TakeData(ReadOnlySpan<byte> rest)
    {
        int length = (int)Math.Min(_left, rest.Length);
        Write(rest[..length]);
        PayloadBytes += length;
        _left -= length;
        _state = _left == 0 ? State.DataEnd : State.Data;
        return length;
    }

    private int TakeLineEnd(ReadOnlySpan<byte> rest, State next)
    {
        if (rest[0] != '\r' || (rest.Length > 1 && rest[1] != '\n'))
        {
            return Refuse();
        }

        if (rest.Length == 1)
        {
            return 0;
        }

        _state = next;
        WriteFraming("\r\n"u8);
        return 2;
    }

    private int TakeTrailer(ReadOnlySpan<byte> rest)
    {
        if (rest[0] == '\r')
        {
            return TakeLineEnd(rest, State.Done);
        }

        int left = limits.MaxTrailerBytes - _trailerBytes;
        if (rest.IndexOf((byte)'\n') < 0)
        {
            return rest.Length >= left ? Refuse() : 0;
        }

        // A field that a proxy acts upon has been acted upon: here it would give the message a second meaning.
        if (!FieldLine.TryParse(rest, out FieldLine line) || line.Length > left || ++_trailers > limits.MaxFields ||
            KnownHeaders.Classify(rest[..line.NameLength]) != KnownHeader.Other)
        {
            return Refuse();
        }

        _trailerBytes += line.Length;
        WriteFraming(rest[..line.NameLength]);
        WriteFraming(": "u8);
        WriteFraming(rest.Slice(line.ValueStart, line.ValueLength));
        WriteFraming("\r\n"u8);
        return line.Length;
    }

    private int Refuse()
    {
        _state = State.Invalid;
        return 0;
    }

    private void WriteSize(long size)
    {
        if (_output is not null && !_payloadOnly)
        {
            Span<byte> line = _output.GetSpan(MaxSizeDigits + 3);
            Utf8Formatter.TryFormat(size, line, out int length, new StandardFormat('x'));
            "\r\n"u8.CopyTo(line[length..]);
            _output.Advance(length + 2);
            WrittenBytes += length + 2;
        }
    }

    private void WriteFraming(ReadOnlySpan<byte> bytes)
    {
        if (!_payloadOnly)
        {
            Write(bytes);
        }
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        if (_output is not null)
        {
            _output.Write(bytes);
            WrittenBytes += bytes.Length;
        }
    }
}
