using System.Text.RegularExpressions;

namespace Mesh.Proxy.Routing;

/// <summary>RE2 expressions of rules, run without backtracking: in time linear in the text. Pure.</summary>
internal static class RoutePattern
{
    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;

    /// <summary>Null for one that cannot be run, which rule checks refuse and which fits nothing: one bad rule must not stop a snapshot.</summary>
    public static Regex? TryCreate(string expression)
    {
        try
        {
            return new Regex(expression.Replace("(?P<", "(?<", StringComparison.Ordinal), Options);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>.NET's form of a substitution whose groups are written <c>\1</c>.</summary>
    public static string Substitution(string text)
    {
        System.Text.StringBuilder result = new();
        for (int i = 0; i < text.Length; i++)
        {
            bool isEscape = text[i] == '\\' && i + 1 < text.Length;
            string next = text[i] == '$' ? "$$" : text[i].ToString();
            if (isEscape)
            {
                i++;
                next = char.IsAsciiDigit(text[i]) ? $"${{{text[i]}}}" : text[i] == '$' ? "$$" : text[i].ToString();
            }

            result.Append(next);
        }

        return result.ToString();
    }
}
