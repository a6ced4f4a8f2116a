using System.Collections.Immutable;

namespace Mesh.Rules.Snapshots;

/// <summary>One HTTP route of a virtual host: the first whose match fits a request decides all that becomes of it. Immutable.</summary>
public sealed record HttpRouteConfig
{
    /// <summary>Name for the access log: that of the rule's route, or the virtual host's.</summary>
    public required string Name { get; init; }

    /// <summary>Rule and path it comes from, <c>default/products#spec.http[0]</c>; null for the default route.</summary>
    public string? Source { get; init; }

    /// <summary>Matches of which one must fit; empty fits every request.</summary>
    public ImmutableArray<HttpMatchConfig> Matches { get; init; } = [];

    /// <summary>Where requests go, by weight; empty with <see cref="Redirect"/> and <see cref="DirectResponse"/>.</summary>
    public ImmutableArray<WeightedClusterConfig> Clusters { get; init; } = [];

    /// <summary>Answer with another place; null for none.</summary>
    public RedirectConfig? Redirect { get; init; }

    /// <summary>Answer at once; null for none.</summary>
    public DirectResponseConfig? DirectResponse { get; init; }

    /// <summary>Changes of path and authority; null for none.</summary>
    public RewriteConfig? Rewrite { get; init; }

    /// <summary>Changes of request headers, before those of the cluster.</summary>
    public HeaderChanges RequestHeaders { get; init; } = HeaderChanges.None;

    /// <summary>Changes of response headers, before those of the cluster.</summary>
    public HeaderChanges ResponseHeaders { get; init; } = HeaderChanges.None;

    /// <summary>Time for all attempts together, from the end of the request on; zero is none.</summary>
    public TimeSpan Timeout { get; init; }

    /// <summary>Retries; null is none.</summary>
    public RetryConfig? Retry { get; init; }

    /// <summary>Injected faults; null is none.</summary>
    public FaultConfig? Fault { get; init; }

    /// <summary>Copies of requests, sent and forgotten.</summary>
    public ImmutableArray<MirrorConfig> Mirrors { get; init; } = [];

    /// <summary>Cross-origin policy; null is none.</summary>
    public CorsConfig? Cors { get; init; }
}

/// <summary>What a request must look like; everything given must fit.</summary>
public sealed record HttpMatchConfig
{
    /// <summary>Its name, which the access log shows behind that of the route; null for none.</summary>
    public string? Name { get; init; }

    /// <summary>Name under which requests that fit are counted apart; null for none.</summary>
    public string? StatPrefix { get; init; }

    /// <summary>Path without its query; null fits every path.</summary>
    public StringMatch? Path { get; init; }

    /// <summary>Letters of <see cref="Path"/> may differ in case (exact and prefix only).</summary>
    public bool IgnorePathCase { get; init; }

    /// <summary>Method; null fits every method.</summary>
    public StringMatch? Method { get; init; }

    /// <summary>Authority; null fits every authority.</summary>
    public StringMatch? Authority { get; init; }

    /// <summary>Scheme; null fits every scheme.</summary>
    public StringMatch? Scheme { get; init; }

    /// <summary>Header fields, names in lower case.</summary>
    public ImmutableArray<NamedMatch> Headers { get; init; } = [];

    /// <summary>Query parameters.</summary>
    public ImmutableArray<NamedMatch> QueryParameters { get; init; } = [];
}

/// <summary>How a text is compared.</summary>
public enum StringMatchKind
{
    /// <summary>The whole text.</summary>
    Exact,

    /// <summary>Its beginning.</summary>
    Prefix,

    /// <summary>RE2 over the whole text.</summary>
    Regex,

    /// <summary>There is one, whatever it says.</summary>
    Present,
}

/// <summary>A comparison of a text.</summary>
/// <param name="Kind">How.</param>
/// <param name="Value">With what; empty for <see cref="StringMatchKind.Present"/>.</param>
public sealed record StringMatch(StringMatchKind Kind, string Value);

/// <summary>A comparison of a named value.</summary>
/// <param name="Name">Name of the header field (lower case) or query parameter.</param>
/// <param name="Match">What its value must be.</param>
/// <param name="IsInverted">It must not be that; a missing one counts as empty, or as absent with <see cref="StringMatchKind.Present"/>.</param>
public sealed record NamedMatch(string Name, StringMatch Match, bool IsInverted = false);

/// <summary>A cluster with its share of a route.</summary>
/// <param name="Cluster">Name; one that does not exist answers 503 NC.</param>
/// <param name="Weight">Share, above 0; relative to the others.</param>
public sealed record WeightedClusterConfig(string Cluster, int Weight = 1)
{
    /// <summary>New authority for this cluster; null leaves it, as it always is when the route's <see cref="RewriteConfig.Authority"/> says one.</summary>
    public string? Authority { get; init; }

    /// <summary>Changes of request headers for this cluster.</summary>
    public HeaderChanges RequestHeaders { get; init; } = HeaderChanges.None;

    /// <summary>Changes of response headers for this cluster.</summary>
    public HeaderChanges ResponseHeaders { get; init; } = HeaderChanges.None;
}

/// <summary>Changes of header fields in this order: set, add, remove. Names in lower case.</summary>
/// <param name="Set">Fields that replace what is there. <c>:authority</c> and <c>host</c> stand in <see cref="RewriteConfig"/> or <see cref="WeightedClusterConfig"/> instead.</param>
/// <param name="Add">Fields added to what is there.</param>
/// <param name="Remove">Fields taken away.</param>
public sealed record HeaderChanges(ImmutableArray<KeyValuePair<string, string>> Set, ImmutableArray<KeyValuePair<string, string>> Add, ImmutableArray<string> Remove)
{
    /// <summary>No change.</summary>
    public static HeaderChanges None { get; } = new([], [], []);

    /// <summary>True when nothing changes.</summary>
    public bool IsEmpty => Set.IsEmpty && Add.IsEmpty && Remove.IsEmpty;
}

/// <summary>Another place to ask. What is null stays as the request has it.</summary>
public sealed record RedirectConfig
{
    /// <summary>Status code.</summary>
    public int Code { get; init; } = 301;

    /// <summary>Whole new path; excludes <see cref="PathPrefix"/>.</summary>
    public string? Path { get; init; }

    /// <summary>Replaces the matched prefix.</summary>
    public string? PathPrefix { get; init; }

    /// <summary>New authority.</summary>
    public string? Authority { get; init; }

    /// <summary>New scheme.</summary>
    public string? Scheme { get; init; }

    /// <summary>New port; null takes it from the scheme or the request.</summary>
    public int? Port { get; init; }

    /// <summary>Take the port from the request (FROM_REQUEST_PORT) rather than from the scheme.</summary>
    public bool UsesRequestPort { get; init; }
}

/// <summary>An answer given at once.</summary>
/// <param name="Status">Status code.</param>
/// <param name="Body">Body, UTF-8.</param>
public sealed record DirectResponseConfig(int Status, string Body);

/// <summary>Changes of the request line and authority.</summary>
public sealed record RewriteConfig
{
    /// <summary>Replaces the matched prefix, or the whole of an exactly matched path; null leaves the path.</summary>
    public string? Path { get; init; }

    /// <summary>RE2 whose every match in the path is replaced by <see cref="Substitution"/>; null for none.</summary>
    public string? Pattern { get; init; }

    /// <summary>Substitution for <see cref="Pattern"/>, with <c>\1</c> for groups.</summary>
    public string? Substitution { get; init; }

    /// <summary>New authority; null leaves it.</summary>
    public string? Authority { get; init; }
}

/// <summary>Faults for testing, made before anything is sent.</summary>
public sealed record FaultConfig
{
    /// <summary>Wait before the request goes on.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Share of requests that are delayed, 0 to 100.</summary>
    public double DelayPercent { get; init; }

    /// <summary>Status answered; 0 is none.</summary>
    public int AbortStatus { get; init; }

    /// <summary>Share of requests that are aborted, 0 to 100.</summary>
    public double AbortPercent { get; init; }
}

/// <summary>Where copies of requests go.</summary>
/// <param name="Cluster">Name of the cluster.</param>
/// <param name="Percent">Share of requests that are copied, 0 to 100.</param>
public sealed record MirrorConfig(string Cluster, double Percent = 100);

/// <summary>Cross-origin policy of a route.</summary>
public sealed record CorsConfig
{
    /// <summary>Origins that are allowed.</summary>
    public ImmutableArray<StringMatch> AllowOrigins { get; init; } = [];

    /// <summary>Value of access-control-allow-methods; empty for none.</summary>
    public string AllowMethods { get; init; } = "";

    /// <summary>Value of access-control-allow-headers; empty for none.</summary>
    public string AllowHeaders { get; init; } = "";

    /// <summary>Value of access-control-expose-headers; empty for none.</summary>
    public string ExposeHeaders { get; init; } = "";

    /// <summary>Value of access-control-max-age in seconds; null for none.</summary>
    public long? MaxAgeSeconds { get; init; }

    /// <summary>Whether access-control-allow-credentials is sent.</summary>
    public bool AllowCredentials { get; init; }

    /// <summary>Preflights from other origins go to the upstream (FORWARD); else they are answered without permission.</summary>
    public bool ForwardsUnmatchedPreflights { get; init; } = true;
}
