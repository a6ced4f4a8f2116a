using System.Globalization;
using System.Text;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>What a credulous peer takes a message for.</summary>
/// <param name="IsWhole">The message has an end.</param>
/// <param name="Length">Bytes up to its end.</param>
/// <param name="Payload">Bytes of its body.</param>
/// <param name="Status">Status of a response.</param>
internal readonly record struct GullibleMessage(bool IsWhole, int Length = 0, long Payload = 0, int Status = 0);

/// <summary>
/// The most credulous reader of HTTP that somebody might run behind or before the proxy, written apart from our parsers: lines end at LF, folded lines are joined,
/// blanks are trimmed everywhere, anything with "chunked" in it is chunked, numbers end where their digits do. What we write, it must read as we meant it.
/// </summary>
internal static class GullibleReader
{
    private static readonly char[] Blanks = [' ', '\t', '\r', '\v', '\f', '\0'];

    public static GullibleMessage Request(ReadOnlySpan<byte> bytes) => Read(bytes, isResponse: false, isHead: false);

    public static GullibleMessage Response(ReadOnlySpan<byte> bytes, bool isHead) => Read(bytes, isResponse: true, isHead);

    private static GullibleMessage Read(ReadOnlySpan<byte> bytes, bool isResponse, bool isHead)
    {
        int at = 0;
        string? start = Line(bytes, ref at);
        while (start is "")
        {
            start = Line(bytes, ref at);
        }

        if (start is null || ReadFields(bytes, ref at) is not { } fields || fields.Lengths > 1)
        {
            return default; // one that says its length twice is whole to nobody
        }

        int status = isResponse ? (int)Digits(start[(start.IndexOf(' ', StringComparison.Ordinal) + 1)..], 10) : 0;
        if (isResponse && (isHead || status is < 200 or 204 or 304))
        {
            return new GullibleMessage(true, at, 0, status);
        }

        if (fields.IsChunked)
        {
            bool isWhole = ReadChunks(bytes, ref at, out long payload);
            return new GullibleMessage(isWhole, at, payload, status);
        }

        if (isResponse && fields.Length < 0)
        {
            return new GullibleMessage(true, bytes.Length, bytes.Length - at, status);
        }

        long length = Math.Max(0, fields.Length);
        return new GullibleMessage(bytes.Length - at >= length, at + (int)Math.Min(length, bytes.Length - at), length, status);
    }

    private static (bool IsChunked, long Length, int Lengths)? ReadFields(ReadOnlySpan<byte> bytes, ref int at)
    {
        bool isChunked = false;
        long length = -1;
        int lengths = 0;
        string name = "";
        while (Line(bytes, ref at) is { } line)
        {
            if (line.Length == 0)
            {
                return (isChunked, length, lengths);
            }

            string value = line;
            if (line[0] is not (' ' or '\t'))
            {
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                name = (colon < 0 ? line : line[..colon]).Trim(Blanks);
                value = colon < 0 ? "" : line[(colon + 1)..];
            }

            bool isCoding = name.Equals("transfer-encoding", StringComparison.OrdinalIgnoreCase);
            bool isLength = name.Equals("content-length", StringComparison.OrdinalIgnoreCase);
            isChunked |= isCoding && value.Contains("chunked", StringComparison.OrdinalIgnoreCase);
            length = isLength ? Digits(value, 10) : length;
            lengths += isCoding || isLength ? 1 : 0;
        }

        return null;
    }

    private static bool ReadChunks(ReadOnlySpan<byte> bytes, ref int at, out long payload)
    {
        payload = 0;
        while (Line(bytes, ref at) is { } size)
        {
            long length = Digits(size, 16);
            if (length == 0)
            {
                return ReadFields(bytes, ref at) is { Lengths: 0 }; // trailers must not speak of lengths
            }

            payload += length;
            if (bytes.Length - at < length)
            {
                return false;
            }

            at += (int)length;
            if (Line(bytes, ref at) is not "")
            {
                return false;
            }
        }

        return false;
    }

    private static long Digits(string text, int radix)
    {
        string digits = new([.. text.Trim(Blanks).TrimStart('+').TakeWhile(c => radix == 16 ? char.IsAsciiHexDigit(c) : char.IsAsciiDigit(c)).Take(15)]);
        return digits.Length == 0 ? 0 : long.Parse(digits, radix == 16 ? NumberStyles.HexNumber : NumberStyles.None, CultureInfo.InvariantCulture);
    }

    private static string? Line(ReadOnlySpan<byte> bytes, ref int at)
    {
        int lf = bytes[at..].IndexOf((byte)'\n');
        if (lf < 0)
        {
            return null;
        }

        string line = Encoding.Latin1.GetString(bytes.Slice(at, lf)).TrimEnd('\r');
        at += lf + 1;
        return line;
    }
}
