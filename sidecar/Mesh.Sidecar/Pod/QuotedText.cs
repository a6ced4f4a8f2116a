using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Mesh.Sidecar.Pod;

/// <summary>Reads a Go string literal in double quotes, the form in which kubelet writes values into downward API files. Pure.</summary>
internal static class QuotedText
{
    /// <summary>The text between the quotes; false when <paramref name="literal"/> is no whole literal.</summary>
    public static bool TryRead(ReadOnlySpan<char> literal, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (literal.Length < 2 || literal[0] != '"' || literal[^1] != '"')
        {
            return false;
        }

        List<byte> bytes = [];
        ReadOnlySpan<char> rest = literal[1..^1];
        while (!rest.IsEmpty)
        {
            int plain = rest.IndexOfAny('\\', '"');
            plain = plain < 0 ? rest.Length : plain;
            bytes.AddRange(Encoding.UTF8.GetBytes(rest[..plain].ToString()));
            rest = rest[plain..];
            if (!rest.IsEmpty && (rest[0] == '"' || !TryTakeEscape(ref rest, bytes)))
            {
                return false;
            }
        }

        text = Encoding.UTF8.GetString([.. bytes]);
        return true;
    }

    // \xNN is a byte, as Go writes what is no UTF-8; the others are characters.
    private static bool TryTakeEscape(ref ReadOnlySpan<char> rest, List<byte> bytes)
    {
        if (rest.Length < 2)
        {
            return false;
        }

        char kind = rest[1];
        int digits = kind switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        int named = "abfnrtv\\\"'".IndexOf(kind, StringComparison.Ordinal);
        if (digits == 0)
        {
            if (named >= 0)
            {
                bytes.Add((byte)"\a\b\f\n\r\t\v\\\"'"[named]);
                rest = rest[2..];
            }

            return named >= 0;
        }

        if (rest.Length < 2 + digits || !uint.TryParse(rest.Slice(2, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code))
        {
            return false;
        }

        rest = rest[(2 + digits)..];
        if (kind == 'x')
        {
            bytes.Add((byte)code);
            return true;
        }

        bool isCharacter = Rune.IsValid(code);
        bytes.AddRange(isCharacter ? Encoding.UTF8.GetBytes(new Rune(code).ToString()) : []);
        return isCharacter;
    }
}
