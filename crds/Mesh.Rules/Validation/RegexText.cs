using System.Text.RegularExpressions;

namespace Mesh.Rules.Validation;

/// <summary>
/// RE2 expressions of rules, run by .NET's engine without backtracking, which like RE2 takes time linear in the text. Pure.
/// </summary>
public static class RegexText
{
    /// <summary>Longest expression, as in Istio.</summary>
    public const int MaxLength = 1024;

    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;

    /// <summary>Null when the expression can be run, else what is wrong.</summary>
    public static string? Check(string expression)
    {
        if (expression.Length == 0)
        {
            return "regex string match should not be empty";
        }

        if (expression.Length > MaxLength)
        {
            return $"regex is too large, max length allowed is {MaxLength}";
        }

        try
        {
            _ = Create(expression);
            return null;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return $"{e.Message.TrimEnd('.')}; RE2 style expressions are used (https://github.com/google/re2/wiki/Syntax)";
        }
    }

    /// <summary>An expression that must fit a whole text. Throws on one that <see cref="Check"/> refuses.</summary>
    public static Regex CreateWhole(string expression) => new($@"\A(?:{Translate(expression)})\z", Options);

    /// <summary>An expression that is looked for in a text. Throws on one that <see cref="Check"/> refuses.</summary>
    public static Regex Create(string expression) => new(Translate(expression), Options);

    // The one spelling of RE2 in common use that .NET lacks: named groups.
    private static string Translate(string expression) => expression.Replace("(?P<", "(?<", StringComparison.Ordinal);
}
