using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What a request must look like; everything given must fit.</summary>
public sealed record HttpMatch
{
    /// <summary>Name for the access log.</summary>
    public string? Name { get; init; }

    /// <summary>Path without query.</summary>
    public TextMatch? Uri { get; init; }

    /// <summary>Scheme.</summary>
    public TextMatch? Scheme { get; init; }

    /// <summary>Method.</summary>
    public TextMatch? Method { get; init; }

    /// <summary>Authority.</summary>
    public TextMatch? Authority { get; init; }

    /// <summary>Header fields; one without a comparison must only be there.</summary>
    public ImmutableSortedDictionary<string, TextMatch> Headers { get; init; } = ImmutableSortedDictionary<string, TextMatch>.Empty;

    /// <summary>Header fields that must not look like this; one without a comparison must not be there.</summary>
    public ImmutableSortedDictionary<string, TextMatch> WithoutHeaders { get; init; } = ImmutableSortedDictionary<string, TextMatch>.Empty;

    /// <summary>Query parameters.</summary>
    public ImmutableSortedDictionary<string, TextMatch> QueryParams { get; init; } = ImmutableSortedDictionary<string, TextMatch>.Empty;

    /// <summary>Service port that was called.</summary>
    public int? Port { get; init; }

    /// <summary>Labels that the calling workload must all carry.</summary>
    public ImmutableSortedDictionary<string, string> SourceLabels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Namespace of the calling workload.</summary>
    public string? SourceNamespace { get; init; }

    /// <summary>Gateways that obey this match; overrides the rule's.</summary>
    public ImmutableArray<string> Gateways { get; init; } = [];

    /// <summary>Letters of the path may differ in case (exact and prefix only).</summary>
    public bool? IgnoreUriCase { get; init; }

    /// <summary>Prefix for statistics of the route.</summary>
    public string? StatPrefix { get; init; }

    internal static ObjectSchema<HttpMatch> Schema { get; } = new ObjectSchema<HttpMatch>()
        .Text("name", static (o, v) => o with { Name = v },
            "Name for the access log, which shows route.match.")
        .Field("uri", TextMatch.Schema, static (o, v) => o with { Uri = v },
            "Path without query. A prefix is a plain text: /foo fits /foobar too.")
        .Field("scheme", TextMatch.Schema, static (o, v) => o with { Scheme = v },
            "Scheme.")
        .Field("method", TextMatch.Schema, static (o, v) => o with { Method = v },
            "Method.")
        .Field("authority", TextMatch.Schema, static (o, v) => o with { Authority = v },
            "Authority (host and, if sent, port).")
        .Field("headers", new MapType<TextMatch>(TextMatch.Schema), static (o, v) => o with { Headers = v },
            "Header fields; one without a comparison must only be there.")
        .Field("withoutHeaders", new MapType<TextMatch>(TextMatch.Schema), static (o, v) => o with { WithoutHeaders = v },
            "Header fields that must not look like this; one without a comparison must not be there.")
        .Field("queryParams", new MapType<TextMatch>(TextMatch.Schema), static (o, v) => o with { QueryParams = v },
            "Query parameters; one without a comparison must only be there.")
        .Port("port", static (o, v) => o with { Port = v },
            "Service port that was called.")
        .TextMap("sourceLabels", static (o, v) => o with { SourceLabels = v },
            "Labels that the calling workload must all carry.")
        .Text("sourceNamespace", static (o, v) => o with { SourceNamespace = v },
            "Namespace of the calling workload.")
        .List("gateways", TextType.Any, static (o, v) => o with { Gateways = v },
            "Gateways that obey this match; overrides those of the rule.")
        .Flag("ignoreUriCase", static (o, v) => o with { IgnoreUriCase = v },
            "Letters of the path may differ in case (exact and prefix only).")
        .Text("statPrefix", static (o, v) => o with { StatPrefix = v },
            "Requests that fit are counted apart, as vhost.HOST.route.PREFIX.upstream_rq_*.");
}

/// <summary>A comparison of a text; at most one of the three.</summary>
public sealed record TextMatch
{
    /// <summary>The whole text.</summary>
    public string? Exact { get; init; }

    /// <summary>Its beginning.</summary>
    public string? Prefix { get; init; }

    /// <summary>RE2 expression over the whole text.</summary>
    public string? Regex { get; init; }

    internal static ObjectSchema<TextMatch> Schema { get; } = new ObjectSchema<TextMatch>()
        .Text("exact", static (o, v) => o with { Exact = v },
            "The whole text.")
        .Text("prefix", static (o, v) => o with { Prefix = v },
            "Its beginning.")
        .Text("regex", static (o, v) => o with { Regex = v },
            "RE2 expression over the whole text.");
}
