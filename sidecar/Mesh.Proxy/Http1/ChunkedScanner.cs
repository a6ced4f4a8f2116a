namespace Mesh.Proxy.Http1;

/// <summary>
/// Follows a chunked body byte by byte without changing it: where the payload is, where the body ends, and whether it is well formed. A strict reading (RFC 9112, 7.1):
/// no bare LF, no blanks around sizes. A value type that its owner keeps; holds no bytes.
/// </summary>
internal struct ChunkedScanner
{
    private const int MaxLineBytes = 4096;     // one size line with its extensions
    private const int MaxTrailerBytes = 16384; // all trailers together
    private State _state;
    private long _left;
    private int _lineBytes;
    private int _digits;
    private bool _lineHasText;

    private enum State : byte
    {
        Size,
        Extension,
        SizeLf,
        Data,
        DataCr,
        DataLf,
        Trailer,
        TrailerLf,
        Done,
        Invalid,
    }

    /// <summary>The last chunk and its trailers have passed.</summary>
    public readonly bool IsDone => _state == State.Done;

    /// <summary>The body is malformed.</summary>
    public readonly bool IsInvalid => _state == State.Invalid;

    /// <summary>
    /// Takes bytes up to the end of one piece of payload, the end of the body, or the end of <paramref name="input"/>; returns how many, and which of them are payload.
    /// </summary>
    public int Scan(ReadOnlySpan<byte> input, out Range payload)
    {
        payload = default;
        int at = 0;
        while (at < input.Length && _state is not (State.Done or State.Invalid))
        {
            if (_state == State.Data)
            {
                int piece = (int)Math.Min(_left, input.Length - at);
                payload = at..(at + piece);
                _left -= piece;
                _state = _left == 0 ? State.DataCr : State.Data;
                return at + piece;
            }

            _state = Step(input[at++]);
        }

        return at;
    }

    private State Step(byte b) => _state switch
    {
        State.Size => Size(b),
        State.Extension when b == '\r' => State.SizeLf,
        State.Extension => IsText(b) && ++_lineBytes <= MaxLineBytes ? State.Extension : State.Invalid,
        State.SizeLf when b != '\n' => State.Invalid,
        State.SizeLf => AfterSize(),
        State.DataCr => b == '\r' ? State.DataLf : State.Invalid,
        State.DataLf => b == '\n' ? State.Size : State.Invalid,
        State.Trailer => Trailer(b),
        State.TrailerLf when b != '\n' => State.Invalid,
        State.TrailerLf => AfterTrailer(),
        _ => State.Invalid,
    };

    private State Size(byte b)
    {
        int digit = b switch
        {
            >= (byte)'0' and <= (byte)'9' => b - '0',
            >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
            >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
            _ => -1,
        };
        if (digit >= 0)
        {
            _left = (_left << 4) | (uint)digit;
            return ++_digits <= 15 ? State.Size : State.Invalid; // below 2^60: cannot overflow
        }

        return _digits == 0 ? State.Invalid : b switch
        {
            (byte)'\r' => State.SizeLf,
            (byte)';' => State.Extension,
            _ => State.Invalid,
        };
    }

    private State AfterSize()
    {
        _digits = _lineBytes = 0;
        return _left == 0 ? State.Trailer : State.Data;
    }

    private State Trailer(byte b)
    {
        if (b == '\r')
        {
            return State.TrailerLf;
        }

        _lineHasText = true;
        return IsText(b) && ++_lineBytes <= MaxTrailerBytes ? State.Trailer : State.Invalid;
    }

    private State AfterTrailer()
    {
        bool wasTrailer = _lineHasText;
        _lineHasText = false;
        return wasTrailer ? State.Trailer : State.Done;
    }

    private static bool IsText(byte b) => b is (>= 32 and not 127) or (byte)'\t';
}
