using System.Globalization;
using System.Text.RegularExpressions;

namespace Mesh.Rules.Schema;

/// <summary>
/// What an unquoted YAML scalar means: null, bool, number or text. As the Kubernetes tools read YAML (1.1 with 1.2's octals), so that
/// a file means the same here as when applied; the single letters y and n stay text, because as labels they are too common.
/// </summary>
internal static partial class PlainScalar
{
    public static RuleNodeKind Resolve(string text, out string value)
    {
        value = text;
        switch (text)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                value = "";
                return RuleNodeKind.Null;
            case "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON":
                value = "true";
                return RuleNodeKind.Bool;
            case "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF":
                value = "false";
                return RuleNodeKind.Bool;
        }

        if (!char.IsAsciiDigit(text[0]) && text[0] is not ('-' or '+' or '.'))
        {
            return RuleNodeKind.Text;
        }

        return TryNumber(text, out value) ? RuleNodeKind.Number : RuleNodeKind.Text;
    }

    private static bool TryNumber(string text, out string value)
    {
        value = text;
        if (JsonNumber().IsMatch(text))
        {
            return double.IsFinite(double.Parse(text, CultureInfo.InvariantCulture));
        }

        string digits = text.Replace("_", "", StringComparison.Ordinal);
        bool negative = digits is ['-', ..];
        string body = digits is ['-' or '+', ..] ? digits[1..] : digits;
        if (TryRadix(body, out ulong whole))
        {
            value = (negative && whole > 0 ? "-" : "") + whole.ToString(CultureInfo.InvariantCulture);
            return true;
        }

        if (YamlFloat().IsMatch(digits) && double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && double.IsFinite(number))
        {
            value = number.ToString("R", CultureInfo.InvariantCulture);
            return true;
        }

        value = text;
        return false;
    }

    private static bool TryRadix(string body, out ulong value)
    {
        (int radix, string digits) = body switch
        {
            ['0', 'x', ..] => (16, body[2..]),
            ['0', 'o', ..] => (8, body[2..]),
            ['0', 'b', ..] => (2, body[2..]),
            ['0', _, ..] => (8, body[1..]),
            _ => (10, body),
        };
        value = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : radix;
            if (digit >= radix || value > (ulong.MaxValue - (ulong)digit) / (ulong)radix)
            {
                return false;
            }

            value = (value * (ulong)radix) + (ulong)digit;
        }

        return digits.Length > 0;
    }

    [GeneratedRegex(@"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\z")]
    private static partial Regex JsonNumber();

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\z")]
    private static partial Regex YamlFloat();
}
