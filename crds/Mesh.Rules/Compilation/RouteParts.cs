using System.Collections.Immutable;
using System.Text;
using Mesh.Rules.Kinds;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>Parts of a route that need no more than what is written there (semantics 6.3). Pure.</summary>
internal static class RouteParts
{
    private const int DefaultRedirect = 301;

    /// <summary>Changes without the authority, which is no header field.</summary>
    public static HeaderChanges Headers(HeaderOperations? changes)
    {
        if (changes is null)
        {
            return HeaderChanges.None;
        }

        HeaderChanges compiled = new(Fields(changes.Set), Fields(changes.Add), [.. changes.Remove.Select(static n => n.ToLowerInvariant())]);
        return compiled.IsEmpty ? HeaderChanges.None : compiled;
    }

    /// <summary>The authority that header changes set, or null.</summary>
    public static string? Authority(HeaderSettings? headers) => headers?.Request is { } request
        ? request.Set.Concat(request.Add).Where(static f => HeaderName.IsAuthority(f.Key)).Select(static f => f.Value).FirstOrDefault()
        : null;

    /// <summary>Null when nothing of the request line changes.</summary>
    public static RewriteConfig? Rewrite(HttpRoute route)
    {
        string? authority = NotEmpty(route.Rewrite?.Authority) ?? NotEmpty(Authority(route.Headers));
        return authority is null && route.Rewrite is null or { Uri: null or "", UriRegexRewrite: null, Authority: null or "" }
            ? null
            : new RewriteConfig
            {
                Path = NotEmpty(route.Rewrite?.Uri),
                Pattern = route.Rewrite?.UriRegexRewrite?.Match,
                Substitution = route.Rewrite?.UriRegexRewrite?.Rewrite,
                Authority = authority,
            };
    }

    /// <summary>Null for a code that clients do not follow: Istio makes no route of it.</summary>
    public static RedirectConfig? Redirect(HttpRedirect redirect) => (redirect.RedirectCode ?? DefaultRedirect) is (301 or 302 or 303 or 307 or 308) and int code
        ? new RedirectConfig
        {
            Code = code,
            Path = NotEmpty(redirect.Uri),
            PathPrefix = NotEmpty(redirect.PrefixRewrite),
            Authority = NotEmpty(redirect.Authority),
            Scheme = NotEmpty(redirect.Scheme),
            Port = redirect.Port,
            UsesRequestPort = redirect.DerivePort == "FROM_REQUEST_PORT",
        }
        : null;

    /// <summary>The answer to give at once.</summary>
    public static DirectResponseConfig DirectResponse(HttpDirectResponse response) => new(
        response.Status ?? 200,
        response.Body?.String ?? (response.Body?.Bytes is { } base64 ? Encoding.UTF8.GetString(Convert.FromBase64String(base64)) : ""));

    /// <summary>Null when nobody is hit: an absent percentage is none (semantics 6.3).</summary>
    public static FaultConfig? Fault(FaultInjection? fault)
    {
        double delayed = fault?.Delay is { FixedDelay: not null } delay ? delay.Percentage?.Value ?? (delay.Percentage is null ? delay.Percent ?? 0 : 0) : 0;
        double aborted = fault?.Abort is { HttpStatus: not null } abort ? abort.Percentage?.Value ?? 0 : 0;
        return delayed <= 0 && aborted <= 0
            ? null
            : new FaultConfig
            {
                Delay = delayed > 0 ? fault!.Delay!.FixedDelay!.Value : TimeSpan.Zero,
                DelayPercent = delayed,
                AbortStatus = aborted > 0 ? fault!.Abort!.HttpStatus!.Value : 0,
                AbortPercent = aborted,
            };
    }

    /// <summary>Null for no policy.</summary>
    public static CorsConfig? Cors(CorsPolicy? cors) => cors is null
        ? null
        : new CorsConfig
        {
            AllowOrigins = [.. cors.AllowOrigins.Select(Origin), .. cors.AllowOrigin.Select(static o => Origin(new TextMatch { Exact = o }))],
            AllowMethods = string.Join(',', cors.AllowMethods),
            AllowHeaders = string.Join(',', cors.AllowHeaders),
            ExposeHeaders = string.Join(',', cors.ExposeHeaders),
            MaxAgeSeconds = cors.MaxAge is { } age ? (long)age.TotalSeconds : null,
            AllowCredentials = cors.AllowCredentials ?? false,
            ForwardsUnmatchedPreflights = cors.UnmatchedPreflights != "IGNORE",
        };

    // "*" is Istio's way to say every origin.
    private static StringMatch Origin(TextMatch origin) =>
        origin.Exact == "*" ? new StringMatch(StringMatchKind.Prefix, "") : RouteMatchCompiler.Text(origin) ?? new StringMatch(StringMatchKind.Present, "");

    private static ImmutableArray<KeyValuePair<string, string>> Fields(ImmutableSortedDictionary<string, string> fields) =>
        [.. fields.Where(static f => !HeaderName.IsAuthority(f.Key)).Select(static f => KeyValuePair.Create(f.Key.ToLowerInvariant(), f.Value))];

    private static string? NotEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
