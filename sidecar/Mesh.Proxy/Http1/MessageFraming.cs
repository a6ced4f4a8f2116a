using System.Buffers.Text;

namespace Mesh.Proxy.Http1;

/// <summary>How the end of a body is found.</summary>
internal enum BodyKind : byte
{
    /// <summary>There is no body.</summary>
    None,

    /// <summary>After Content-Length bytes.</summary>
    Length,

    /// <summary>After the last chunk and the trailers.</summary>
    Chunked,

    /// <summary>When the sender closes (responses only).</summary>
    UntilClose,
}

/// <summary>How long a body is.</summary>
/// <param name="Kind">How its end is found.</param>
/// <param name="Length">Bytes, for <see cref="BodyKind.Length"/>.</param>
internal readonly record struct BodyFraming(BodyKind Kind, long Length = 0);

/// <summary>
/// How long a message body is, or why it must be refused (RFC 9112, 6). Two readers that disagree here are a smuggling hole, so whatever
/// could be read in two ways is refused. Pure.
/// </summary>
internal static class MessageFraming
{
    /// <summary>Decides for a request.</summary>
    public static HeadError DecideRequest(HeaderBlock headers, int minorVersion, out BodyFraming framing)
    {
        framing = default;
        HeadError error = Read(headers, minorVersion, out bool chunked, out bool otherCoding, out long? length);
        if (error != HeadError.None)
        {
            return error;
        }

        if (otherCoding)
        {
            return HeadError.UnsupportedCoding;
        }

        framing = chunked ? new(BodyKind.Chunked) : length is > 0 ? new(BodyKind.Length, length.Value) : new(BodyKind.None);
        return HeadError.None;
    }

    /// <summary>Decides for the response to a request.</summary>
    public static HeadError DecideResponse(HeaderBlock headers, int minorVersion, int status, bool isHead, out BodyFraming framing)
    {
        framing = default;
        HeadError error = Read(headers, minorVersion, out bool chunked, out bool otherCoding, out long? length);
        if (error != HeadError.None)
        {
            return error;
        }

        if (isHead || status is < 200 or 204 or 304)
        {
            return HeadError.None;
        }

        if (otherCoding)
        {
            return HeadError.UnsupportedCoding;
        }

        framing = chunked ? new(BodyKind.Chunked)
            : length is { } known ? new(known == 0 ? BodyKind.None : BodyKind.Length, known)
            : new(BodyKind.UntilClose);
        return HeadError.None;
    }

    private static HeadError Read(HeaderBlock headers, int minorVersion, out bool chunked, out bool otherCoding, out long? length)
    {
        chunked = otherCoding = false;
        length = null;
        int coding = headers.Find(KnownHeader.TransferEncoding);
        int lengthAt = headers.Find(KnownHeader.ContentLength);
        if (coding >= 0)
        {
            // Both lengths, a coding from HTTP/1.0, or the field twice: the classic ways to make two readers disagree.
            if (lengthAt >= 0 || minorVersion == 0 || headers.Find(KnownHeader.TransferEncoding, coding + 1) >= 0)
            {
                return HeadError.BadFraming;
            }

            chunked = KnownHeaders.Is(headers.Value(coding), "chunked"u8);
            otherCoding = !chunked;
        }
        else if (lengthAt >= 0)
        {
            ReadOnlySpan<byte> text = headers.Value(lengthAt);
            if (headers.Find(KnownHeader.ContentLength, lengthAt + 1) >= 0 || text.Length is 0 or > 18 ||
                text.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !Utf8Parser.TryParse(text, out long value, out _))
            {
                return HeadError.BadFraming;
            }

            length = value;
        }

        return HeadError.None;
    }
}
