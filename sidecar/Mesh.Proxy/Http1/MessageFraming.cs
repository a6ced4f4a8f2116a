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
    private const int MaxLengthDigits = 18; // below 2^63

    /// <summary>Decides for a request.</summary>
    public static HeadError DecideRequest(HeaderBlock headers, int minorVersion, bool isConnect, out BodyFraming framing)
    {
        HeadError error = Read(headers, minorVersion, out framing);
        if (error == HeadError.None && isConnect && framing.Kind != BodyKind.None)
        {
            return HeadError.BadFraming; // what follows CONNECT is the tunnel's, never a body
        }

        return error;
    }

    /// <summary>Decides for the response to a request.</summary>
    public static HeadError DecideResponse(HeaderBlock headers, int minorVersion, int status, bool isHead, out BodyFraming framing)
    {
        HeadError error = Read(headers, minorVersion, out framing);
        if (error != HeadError.None)
        {
            return error;
        }

        bool announcesBody = framing.Kind != BodyKind.None;
        bool hasLength = announcesBody || headers.Find(KnownHeader.ContentLength) >= 0;
        if (status is < 200 or 204)
        {
            // Such an answer ends with its head (RFC 9112, 6.3): one that announces a body has bytes behind it that would open the next answer.
            framing = default;
            return announcesBody || (status == 101 && headers.Find(KnownHeader.Upgrade) < 0) ? HeadError.BadFraming : HeadError.None;
        }

        framing = isHead || status == 304 ? default : hasLength ? framing : new BodyFraming(BodyKind.UntilClose);
        return HeadError.None;
    }

    private static HeadError Read(HeaderBlock headers, int minorVersion, out BodyFraming framing)
    {
        framing = default;
        int coding = headers.Find(KnownHeader.TransferEncoding);
        int lengthAt = headers.Find(KnownHeader.ContentLength);
        if (coding >= 0)
        {
            // Both lengths, a coding from HTTP/1.0, or the field twice: the classic ways to make two readers disagree.
            if (lengthAt >= 0 || minorVersion == 0 || headers.Find(KnownHeader.TransferEncoding, coding + 1) >= 0)
            {
                return HeadError.BadFraming;
            }

            // Any other coding would have to be undone to be understood.
            if (!KnownHeaders.Is(headers.Value(coding), "chunked"u8))
            {
                return HeadError.BadCoding;
            }

            framing = new BodyFraming(BodyKind.Chunked);
        }
        else if (lengthAt >= 0)
        {
            ReadOnlySpan<byte> text = headers.Value(lengthAt);
            if (headers.Find(KnownHeader.ContentLength, lengthAt + 1) >= 0 || text.Length is 0 or > MaxLengthDigits ||
                text.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !Utf8Parser.TryParse(text, out long length, out _))
            {
                return HeadError.BadFraming;
            }

            framing = length == 0 ? default : new BodyFraming(BodyKind.Length, length);
        }

        return HeadError.None;
    }
}
