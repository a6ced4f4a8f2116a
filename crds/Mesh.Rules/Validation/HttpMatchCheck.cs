using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Checks of HTTP matches. Texts are Istio's where it has one.</summary>
internal static class HttpMatchCheck
{
    public static void Check(HttpMatch match, bool isDelegate, Cursor at)
    {
        CheckText(match.Uri, "uri", at.Field("uri"));
        CheckText(match.Scheme, "scheme", at.Field("scheme"));
        CheckText(match.Method, "method", at.Field("method"));
        CheckText(match.Authority, "authority", at.Field("authority"));
        CheckNames(match.Headers, at.Field("headers"));
        CheckNames(match.WithoutHeaders, at.Field("withoutHeaders"), allowStar: true);
        foreach ((string name, TextMatch text) in match.QueryParams)
        {
            CheckText(text, $"queryParams[{name}]", at.Field("queryParams").Field(name));
        }

        if (match.IgnoreUriCase == true && match.Uri?.Regex is not null)
        {
            at.Field("ignoreUriCase").Warn("has no effect on a regex; begin the expression with (?i)");
        }

        if (isDelegate && (!match.SourceLabels.IsEmpty || !match.Gateways.IsEmpty || match.SourceNamespace is not null))
        {
            at.Error("delegate HTTP route cannot contain sourceLabels, sourceNamespace or gateways; they stand in the rule that refers to it");
        }
    }

    /// <summary>Checks one comparison; <paramref name="what"/> names it in the message.</summary>
    public static void CheckText(TextMatch? match, string what, Cursor at)
    {
        if (match is null)
        {
            return;
        }

        if ((match.Exact is null ? 0 : 1) + (match.Prefix is null ? 0 : 1) + (match.Regex is null ? 0 : 1) > 1)
        {
            at.Error($"{RuleNode.Quote(what)}: only one of exact, prefix and regex may be set");
        }

        if (match.Prefix is "" && what != "uri")
        {
            at.Field("prefix").Error($"{RuleNode.Quote(what)}: prefix string match should not be empty");
        }

        if (match.Regex is { } regex && RegexText.Check(regex) is { } problem)
        {
            at.Field("regex").Error($"{RuleNode.Quote(what)}: {problem}");
        }
    }

    /// <summary>Checks header fields and what their values are compared with.</summary>
    public static void CheckNames(ImmutableSortedDictionary<string, TextMatch> headers, Cursor at, bool allowStar = false)
    {
        foreach ((string name, TextMatch match) in headers)
        {
            Cursor here = at.Field(name);
            if (HeaderName.Check(name) is { } problem)
            {
                here.Error(problem);
            }

            if (!(allowStar && match.Regex == "*")) // Istio's way to say that the field must be absent
            {
                CheckText(match, $"headers[{name}]", here);
            }
        }
    }
}

/// <summary>Names of header fields.</summary>
internal static class HeaderName
{
    private const string Marks = "!#$%&'*+-.^_`|~";

    /// <summary>Null when good, else what is wrong. A pseudo header such as <c>:authority</c> is good.</summary>
    public static string? Check(string name) => name.Length == 0
        ? "header name cannot be empty"
        : (name[0] == ':' ? name[1..] : name) is { Length: > 0 } rest && rest.All(static c => char.IsAsciiLetterOrDigit(c) || Marks.Contains(c, StringComparison.Ordinal))
            ? null
            : $"header name {RuleNode.Quote(name)} is not a valid header name";

    /// <summary>Whether the field stands for the authority.</summary>
    public static bool IsAuthority(string name) => name.Equals("host", StringComparison.OrdinalIgnoreCase) || name.Equals(":authority", StringComparison.OrdinalIgnoreCase);
}
