using System.Buffers;

namespace Mesh.Proxy.Http1;

/// <summary>One line <c>name: value</c> as places in its bytes.</summary>
/// <param name="NameLength">Bytes of the name, which comes first.</param>
/// <param name="ValueStart">Where the value begins, blanks passed over.</param>
/// <param name="ValueLength">Bytes of the value without the blanks around it.</param>
/// <param name="Length">Bytes of the line, its end included.</param>
internal readonly record struct FieldLine(int NameLength, int ValueStart, int ValueLength, int Length)
{
    private static readonly SearchValues<byte> TokenBytes = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<byte> ControlBytes = SearchValues.Create(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127]);

    /// <summary>True for a non-empty run of token characters (method, header name).</summary>
    public static bool IsToken(ReadOnlySpan<byte> text) => !text.IsEmpty && text.IndexOfAnyExcept(TokenBytes) < 0;

    /// <summary>Place of the first control byte, a tab not being one, or -1: in a well-formed line that is the CR of its end.</summary>
    public static int IndexOfControl(ReadOnlySpan<byte> text) => text.IndexOfAny(ControlBytes);

    /// <summary>
    /// Reads the first line of <paramref name="bytes"/>; false when it is malformed or has no end. Two passes over the bytes: the first byte that no name can
    /// have must be the colon (a blank before it, or at the beginning, is how folding and smuggling look), the first control byte after that the line's CR LF.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out FieldLine line)
    {
        line = default;
        int colon = bytes.IndexOfAnyExcept(TokenBytes);
        if (colon <= 0 || bytes[colon] != ':')
        {
            return false;
        }

        int start = colon + 1;
        int end = IndexOfControl(bytes[start..]) + start;
        if (end < start || end + 1 >= bytes.Length || bytes[end] != '\r' || bytes[end + 1] != '\n')
        {
            return false;
        }

        int length = end + 2;
        while (start < end && bytes[start] is (byte)' ' or (byte)'\t')
        {
            start++;
        }

        while (end > start && bytes[end - 1] is (byte)' ' or (byte)'\t')
        {
            end--;
        }

        line = new FieldLine(colon, start, end - start, length);
        return true;
    }
}
