using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Reading;

/// <summary>
/// Writes a JSON object as YAML a person can read: block style, two spaces, quotes only where a reader, of YAML 1.1 or 1.2, would otherwise
/// take a text for something else. <see cref="RuleJson.FromYaml"/> gives the same object back. Stateless.
/// </summary>
public static class RuleWriter
{
    /// <summary>The object as one YAML document that ends with a line break.</summary>
    public static string ToYaml(JsonObject obj)
    {
        StringBuilder text = new();
        if (obj.Count == 0)
        {
            return "{}\n";
        }

        WriteMap(text, obj, 0, firstIndented: true);
        return text.ToString();
    }

    private static void WriteMap(StringBuilder text, JsonObject map, int indent, bool firstIndented)
    {
        foreach ((string name, JsonNode? value) in map)
        {
            text.Append(' ', firstIndented ? indent : 0).Append(Scalar(name)).Append(':');
            firstIndented = true;
            switch (value)
            {
                case JsonObject { Count: > 0 } child:
                    text.Append('\n');
                    WriteMap(text, child, indent + 2, firstIndented: true);
                    break;
                case JsonArray { Count: > 0 } list:
                    text.Append('\n');
                    WriteList(text, list, indent, firstIndented: true);
                    break;
                default:
                    text.Append(' ').Append(Leaf(value)).Append('\n');
                    break;
            }
        }
    }

    private static void WriteList(StringBuilder text, JsonArray list, int indent, bool firstIndented)
    {
        foreach (JsonNode? item in list)
        {
            text.Append(' ', firstIndented ? indent : 0).Append("- ");
            firstIndented = true;
            switch (item)
            {
                case JsonObject { Count: > 0 } child:
                    WriteMap(text, child, indent + 2, firstIndented: false);
                    break;
                case JsonArray { Count: > 0 } nested:
                    WriteList(text, nested, indent + 2, firstIndented: false);
                    break;
                default:
                    text.Append(Leaf(item)).Append('\n');
                    break;
            }
        }
    }

    private static string Leaf(JsonNode? value) => value switch
    {
        null => "null",
        JsonObject => "{}",
        JsonArray => "[]",
        _ => value.GetValueKind() == JsonValueKind.String ? Scalar(value.GetValue<string>()) : value.ToJsonString(),
    };

    private static string Scalar(string text) => IsPlain(text) ? text : Quoted(text);

    /// <summary>
    /// True when no reader can take the bare text for anything else. Narrower than YAML: what begins like a number may hold only letters,
    /// digits and dots, for 1.1 also knows dates, base 60 and underscores.
    /// </summary>
    private static bool IsPlain(string text)
    {
        if (text.Length is 0 or > 1000 || text is "y" or "Y" or "n" or "N" || PlainScalar.Resolve(text, out _) != RuleNodeKind.Text)
        {
            return false;
        }

        if (char.IsAsciiDigit(text[0]))
        {
            return text.All(static c => char.IsAsciiLetterOrDigit(c) || c == '.') && text[^1] != '.';
        }

        if (!IsWord(text[0]) && text[0] is not ('/' or '_'))
        {
            return false;
        }

        for (int i = 1; i < text.Length; i++)
        {
            char c = text[i];
            bool last = i == text.Length - 1;
            bool fits = IsWord(c) || c is '_' or '-' or '.' or '/' or '+' or '@' or '='
                || (c is ':' && !last && text[i + 1] is not ' ')
                || (c is ' ' && !last && text[i + 1] is not (' ' or '#' or ':'))
                || (c is ',' or '(' or ')' or ';' or '*' or '%');
            if (!fits)
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || (c is > '\u00BF' and < '\uD800' && char.IsLetter(c));

    private static string Quoted(string text)
    {
        StringBuilder quoted = new("\"");
        foreach (Rune rune in text.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\t' => quoted.Append("\\t"),
                '\r' => quoted.Append("\\r"),
                >= ' ' and < 0x7F => quoted.Append((char)rune.Value),
                > 0xFFFF => quoted.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:X8}"),
                _ when IsWord((char)rune.Value) => quoted.Append((char)rune.Value),
                _ => quoted.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:X4}"),
            };
        }

        return quoted.Append('"').ToString();
    }
}
