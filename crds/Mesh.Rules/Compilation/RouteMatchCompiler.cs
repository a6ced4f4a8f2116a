using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>HTTP matches: what concerns the proxy is decided here, once; what concerns the request is left for the route (semantics 6.2). Pure.</summary>
internal static class RouteMatchCompiler
{
    /// <summary>
    /// The matches that a request has to be compared with; empty fits every request. Null when the route is not for this proxy and port.
    /// </summary>
    /// <param name="matches">As written.</param>
    /// <param name="proxy">The calling proxy.</param>
    /// <param name="port">Port of the virtual host.</param>
    public static ImmutableArray<HttpMatchConfig>? Compile(ImmutableArray<HttpMatch> matches, ProxyIdentity proxy, int port)
    {
        if (matches.IsEmpty)
        {
            return [];
        }

        ImmutableArray<HttpMatchConfig> compiled = [.. matches.Where(m => IsFor(m, proxy, port)).Select(One)];
        return compiled.IsEmpty ? null : compiled;
    }

    /// <summary>Whether a route with these matches takes every request.</summary>
    public static bool IsCatchAll(ImmutableArray<HttpMatchConfig> matches) => matches.IsEmpty || matches.Any(static m =>
        m is { Method: null, Authority: null, Scheme: null, Headers.IsEmpty: true, QueryParameters.IsEmpty: true }
        && m.Path is null or { Kind: StringMatchKind.Prefix, Value: "" or "/" });

    /// <summary>Whether the labels, namespace, gateway and port of a match fit the proxy.</summary>
    public static bool IsFor(
        ProxyIdentity proxy, int port, int? wantedPort, ImmutableSortedDictionary<string, string> labels, string? sourceNamespace, ImmutableArray<string> gateways) =>
        (wantedPort is null || wantedPort == port)
        && LabelMatch.HasAll(proxy.Labels, labels)
        && (string.IsNullOrEmpty(sourceNamespace) || sourceNamespace == proxy.Namespace)
        && VirtualServiceTable.IsForSidecars(gateways);

    /// <summary>A comparison; null for one that asks for nothing.</summary>
    public static StringMatch? Text(TextMatch? match) => match switch
    {
        { Exact: { } exact } => new StringMatch(StringMatchKind.Exact, exact),
        { Prefix: { } prefix } => new StringMatch(StringMatchKind.Prefix, prefix),
        { Regex: { } regex } => new StringMatch(StringMatchKind.Regex, regex),
        _ => null,
    };

    private static bool IsFor(HttpMatch match, ProxyIdentity proxy, int port) =>
        IsFor(proxy, port, match.Port, match.SourceLabels, match.SourceNamespace, match.Gateways);

    private static HttpMatchConfig One(HttpMatch match) => new()
    {
        Name = string.IsNullOrEmpty(match.Name) ? null : match.Name,
        StatPrefix = string.IsNullOrEmpty(match.StatPrefix) ? null : match.StatPrefix,
        Path = Text(match.Uri),
        IgnorePathCase = match.IgnoreUriCase == true && match.Uri is { Regex: null },
        Method = Text(match.Method),
        Authority = Text(match.Authority),
        Scheme = Text(match.Scheme),
        Headers = [.. match.Headers.Select(static h => Named(h.Key.ToLowerInvariant(), h.Value)), .. match.WithoutHeaders.Select(static h => Without(h.Key.ToLowerInvariant(), h.Value))],
        QueryParameters = [.. match.QueryParams.Select(static q => Named(q.Key, q.Value))],
    };

    /// <summary>A comparison of a named value; one that asks for nothing wants it to be there.</summary>
    public static NamedMatch Named(string name, TextMatch match) => new(name, Text(match) ?? Present);

    private static NamedMatch Without(string name, TextMatch match) => new(name, match.Regex == "*" ? Present : Text(match) ?? Present, IsInverted: true);

    private static StringMatch Present { get; } = new(StringMatchKind.Present, "");
}
