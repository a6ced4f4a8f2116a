using System.Collections.Immutable;
using Mesh.Rules.Kinds;

namespace Mesh.Rules.Compilation;

/// <summary>What both a route and its delegate ask for. The delegate's match must be part of the route's, else it does not count. Pure.</summary>
internal static class DelegateMatch
{
    /// <summary>Every pair of matches that agrees, as one; null when there is none.</summary>
    public static ImmutableArray<HttpMatch>? Join(ImmutableArray<HttpMatch> roots, ImmutableArray<HttpMatch> own)
    {
        if (roots.IsEmpty || own.IsEmpty)
        {
            return own.IsEmpty ? roots : own;
        }

        ImmutableArray<HttpMatch> joint = [.. own.SelectMany(leaf => roots.Where(root => IsWithin(root, leaf)).Select(root => Join(root, leaf)))];
        return joint.IsEmpty ? null : joint;
    }

    private static HttpMatch Join(HttpMatch root, HttpMatch leaf) => leaf with
    {
        Name = string.Join('-', new[] { root.Name, leaf.Name }.Where(static n => !string.IsNullOrEmpty(n))),
        Uri = leaf.Uri ?? root.Uri,
        Scheme = leaf.Scheme ?? root.Scheme,
        Method = leaf.Method ?? root.Method,
        Authority = leaf.Authority ?? root.Authority,
        Headers = root.Headers.SetItems(leaf.Headers),
        WithoutHeaders = root.WithoutHeaders.SetItems(leaf.WithoutHeaders),
        QueryParams = root.QueryParams.SetItems(leaf.QueryParams),
        Port = leaf.Port ?? root.Port,
        SourceLabels = root.SourceLabels,
        SourceNamespace = root.SourceNamespace,
        Gateways = root.Gateways,
        IgnoreUriCase = leaf.IgnoreUriCase ?? root.IgnoreUriCase,
        StatPrefix = leaf.StatPrefix ?? root.StatPrefix,
    };

    private static bool IsWithin(HttpMatch root, HttpMatch leaf) =>
        IsWithin(root.Uri, leaf.Uri) && IsWithin(root.Scheme, leaf.Scheme) && IsWithin(root.Method, leaf.Method) && IsWithin(root.Authority, leaf.Authority)
        && IsWithin(root.Headers, leaf.Headers) && IsWithin(root.WithoutHeaders, leaf.WithoutHeaders) && IsWithin(root.QueryParams, leaf.QueryParams)
        && (root.Port is null || leaf.Port is null || root.Port == leaf.Port)
        && (root.Uri is null || leaf.Uri is null || (root.IgnoreUriCase ?? false) == (leaf.IgnoreUriCase ?? false));

    private static bool IsWithin(ImmutableSortedDictionary<string, TextMatch> root, ImmutableSortedDictionary<string, TextMatch> leaf) =>
        root.All(r => !leaf.TryGetValue(r.Key, out TextMatch? own) || IsWithin(r.Value, own));

    // As Istio: expressions are not compared, so beside one the other side must be silent.
    private static bool IsWithin(TextMatch? root, TextMatch? leaf) => root is null || leaf is null || root == leaf || (root, leaf) switch
    {
        ({ Regex: not null }, _) or (_, { Regex: not null }) => false,
        ({ Prefix: { } prefix }, _) => (leaf.Exact ?? leaf.Prefix ?? "").StartsWith(prefix, StringComparison.Ordinal),
        ({ Exact: not null }, _) => false,
        _ => true, // the root only asks that there is one
    };
}
