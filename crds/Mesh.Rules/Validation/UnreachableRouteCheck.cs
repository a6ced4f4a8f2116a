using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Routes that no request can reach, as the rule alone shows; texts are Istio's. Warnings only.</summary>
internal static class UnreachableRouteCheck
{
    public static void Check(ImmutableArray<HttpRoute> routes, Cursor at)
    {
        int catchAll = -1;
        for (int i = 0; i < routes.Length; i++)
        {
            Cursor here = at.Item(i);
            if (catchAll >= 0)
            {
                here.Warn(routes[i].Match.IsEmpty
                    ? $"virtualService rule {Name(routes, i)} not used (only the last rule can have no matches); rule {Name(routes, catchAll)} takes every request"
                    : $"virtualService rule {Name(routes, i)} not used (rule {Name(routes, catchAll)} before it takes every request); move it up");
            }
            else
            {
                CheckMatches(routes, i, here);
            }

            catchAll = catchAll < 0 && IsCatchAll(routes[i]) ? i : catchAll;
        }
    }

    private static void CheckMatches(ImmutableArray<HttpRoute> routes, int index, Cursor at)
    {
        ImmutableArray<HttpMatch> matches = routes[index].Match;
        int hidden = 0;
        for (int m = 0; m < matches.Length; m++)
        {
            int earlier = 0;
            while (earlier < index && !routes[earlier].Match.Any(e => Hides(e, matches[m])))
            {
                earlier++;
            }

            if (earlier < index)
            {
                hidden++;
                at.Field("match").Item(m).Warn(
                    $"virtualService rule {Name(routes, index)} match #{m} is not used (duplicate/overlapping match in rule {Name(routes, earlier)})");
            }
        }

        if (hidden > 0 && hidden == matches.Length)
        {
            at.Warn($"virtualService rule {Name(routes, index)} not used (all matches used by prior rules)");
        }
    }

    private static bool IsCatchAll(HttpRoute route) => route.Match.IsEmpty || route.Match.Any(static m => HasOnlyUri(m) && m.Uri is null or { Prefix: "/" or "" });

    private static bool HasOnlyUri(HttpMatch match) => (match with { Uri = null, Name = null, StatPrefix = null, IgnoreUriCase = null }).IsAny();

    // A match hides those that ask for the same and more; told only where it is plain to see: by path alone, or the very same match.
    private static bool Hides(HttpMatch earlier, HttpMatch later)
    {
        if (HasOnlyUri(earlier) && earlier.Uri?.Prefix is { } prefix && earlier.IgnoreUriCase != true && (later.IgnoreUriCase != true || !prefix.Any(char.IsAsciiLetter)))
        {
            return later.Uri is { } uri && (uri.Prefix ?? uri.Exact ?? "").StartsWith(prefix, StringComparison.Ordinal) && uri.Regex is null;
        }

        return earlier.SameAs(later);
    }

    private static string Name(ImmutableArray<HttpRoute> routes, int index) => routes[index].Name is { Length: > 0 } name ? $"\"{name}\"" : $"#{index}";
}

/// <summary>Comparing matches by content.</summary>
internal static class HttpMatchContent
{
    /// <summary>Whether nothing is asked for.</summary>
    public static bool IsAny(this HttpMatch match) => match.SameAs(new HttpMatch());

    /// <summary>Whether both ask for the same, whatever they are called.</summary>
    public static bool SameAs(this HttpMatch a, HttpMatch b) =>
        (a.Uri, a.Scheme, a.Method, a.Authority, a.Port, a.SourceNamespace, a.IgnoreUriCase ?? false) == (b.Uri, b.Scheme, b.Method, b.Authority, b.Port, b.SourceNamespace, b.IgnoreUriCase ?? false)
        && a.Headers.SequenceEqual(b.Headers) && a.WithoutHeaders.SequenceEqual(b.WithoutHeaders) && a.QueryParams.SequenceEqual(b.QueryParams)
        && a.SourceLabels.SequenceEqual(b.SourceLabels) && a.Gateways.SequenceEqual(b.Gateways);
}
