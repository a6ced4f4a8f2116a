using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>How many requests one host gets in a time: a token bucket in the sidecar (semantics 11.4). Unset fields are null.</summary>
public sealed record RateLimit : IHostPolicy
{
    /// <summary>Value of <see cref="Mode"/> that refuses nothing.</summary>
    public const string ShadowMode = "shadow";

    /// <summary>Value of <see cref="Side"/> for the application's own sidecar.</summary>
    public const string CalleeSide = "callee";

    /// <summary>Value of <see cref="Scope"/> for a number that all sidecars share.</summary>
    public const string MeshScope = "mesh";

    /// <summary>The host that is limited, as in a DestinationRule.</summary>
    public string? Host { get; init; }

    /// <summary>Only for this subset of the host.</summary>
    public string? Subset { get; init; }

    /// <summary>Only for this port of the host.</summary>
    public int? Port { get; init; }

    /// <summary>enforce (default) or shadow.</summary>
    public string? Mode { get; init; }

    /// <summary>Where the bucket stands: caller (default) or callee.</summary>
    public string? Side { get; init; }

    /// <summary>Whose requests share a bucket: sidecar (default) or mesh.</summary>
    public string? Scope { get; init; }

    /// <summary>Requests for each interval.</summary>
    public int? Tokens { get; init; }

    /// <summary>Time in which <see cref="Tokens"/> come.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>Most tokens that the bucket holds.</summary>
    public int? Burst { get; init; }

    /// <summary>Requests over a longer time, in place of <see cref="Tokens"/>, which is then the most that is made up at; null for none.</summary>
    public RateLimitPlan? Plan { get; init; }

    /// <summary>What requests are told apart by; null for one bucket.</summary>
    public RateLimitKey? Key { get; init; }

    /// <summary>Most buckets at one time.</summary>
    public int? MaxKeys { get; init; }

    /// <summary>Paths that count; empty for all.</summary>
    public ImmutableArray<string> Paths { get; init; } = [];

    /// <summary>Paths that never count.</summary>
    public ImmutableArray<string> ExemptPaths { get; init; } = [];

    /// <summary>Requests that count; null for all.</summary>
    public RateLimitMatch? Match { get; init; }

    /// <summary>Hours of the day in which requests are let through; null for all.</summary>
    public AllowedHours? AllowedHours { get; init; }

    /// <summary>What becomes of a request without a token.</summary>
    public RateLimitExcess? WhenExceeded { get; init; }

    /// <summary>Whether it stands in front of the application, not of the destination.</summary>
    internal bool IsCallee => Side == CalleeSide;

    bool IHostPolicy.IsCallee => IsCallee;

    int IHostPolicy.MostTogether => Snapshots.RateLimitConfigs.Most;

    bool IHostPolicy.IsPassedOver => Mode == ShadowMode;

    internal static ObjectSchema<RateLimit> Schema { get; } = new ObjectSchema<RateLimit>()
        .Text("host", static (o, v) => o with { Host = v },
            "The host whose requests are limited; a short name means a service of the limit's own namespace. Each subset has buckets of its own. Up to 8 limits that select the same hold together, and as many in shadow mode are evaluated beside them: a request needs a token of each that counts it.")
            .Required("host is required: the service whose requests are limited, such as products")
        .Text("subset", static (o, v) => o with { Subset = v },
            "Only for this subset of the host; side caller alone.")
        .Port("port", static (o, v) => o with { Port = v },
            "Only for this port of the host.")
        .Enum("mode", static (o, v) => o with { Mode = v },
            "enforce (default), or shadow: counts what would be limited (rate_limit.shadow_limited), and limits nothing.", "enforce", ShadowMode)
        .Enum("side", static (o, v) => o with { Side = v },
            "Where the bucket stands. caller (default): in each caller's sidecar, in front of the host. callee: in the host's own sidecar, in front of the application.", "caller", CalleeSide)
        .Enum("scope", static (o, v) => o with { Scope = v },
            "Whose requests share the tokens. sidecar (default): each sidecar has as many. mesh: all sidecars together; the control plane gives each a share of tokens and burst, at least one for each interval; side caller alone. With key each key has an even part of them in every sidecar that is called; one that wants more gets a share of its own within a second or two. A key then passes at most its tokens, and as many again or one for each further sidecar, whichever is more.", "sidecar", MeshScope)
        .Whole("tokens", static (o, v) => o with { Tokens = v },
            "Requests that are let through for each interval; a retry is one more. Required without plan; beside one it is the most at which is made up for requests that did not come before.",
            min: 1, max: Snapshots.RateLimitConfig.MostTokens)
        .Duration("interval", static (o, v) => o with { Interval = v },
            "Time in which the tokens come, one by one and evenly. Default 1s, at most 24h.")
        .Whole("burst", static (o, v) => o with { Burst = v },
            "Most tokens that wait to be used: so many requests may come at once. Default: as tokens; with plan 1.", min: 1, max: Snapshots.RateLimitConfig.MostTokens)
        .Field("plan", RateLimitPlan.Schema, static (o, v) => o with { Plan = v },
            "Requests over a longer time: each second the rate is what is left of total over what is left of the window, but no more than total over window, or than tokens where they are written. What is left is rate_limit.plan_left. scope sidecar alone, without key. A sidecar that starts within a window takes it that what was due until then is done.")
        .Field("key", RateLimitKey.Schema, static (o, v) => o with { Key = v },
            "What requests are told apart by: each value has a bucket of its own. Unset: one bucket for all.")
        .Whole("maxKeys", static (o, v) => o with { MaxKeys = v },
            "Most buckets at one time; then the one that was not used for longest goes, and its value begins with a full one when it comes back. Default 10000.",
            min: 1, max: Snapshots.RateLimitConfig.MostKeys)
        .List("paths", TextType.Any, static (o, v) => o with { Paths = v },
            "Only requests for these paths count, such as /orders; one that ends in * stands for all that begin so. Unset: all.")
        .List("exemptPaths", TextType.Any, static (o, v) => o with { ExemptPaths = v },
            "Paths whose requests always pass and never count, such as /healthz; one that ends in * stands for all that begin so.")
        .Field("match", RateLimitMatch.Schema, static (o, v) => o with { Match = v },
            "Only requests that look like this count; all others pass, unless another limit of the host counts them. With burst: 1 and whenExceeded.wait such a class of calls is paced: spread evenly at its rate.")
        .Field("allowedHours", Kinds.AllowedHours.Schema, static (o, v) => o with { AllowedHours = v },
            "Hours of the day in which requests that count are let through; outside they are answered 429 with retry-after, or wait if that is soon enough. Unset: all hours.")
        .Field("whenExceeded", RateLimitExcess.Schema, static (o, v) => o with { WhenExceeded = v },
            "What becomes of a request without a token: reject (default) or wait.");
}

/// <summary>Which requests count.</summary>
public sealed record RateLimitMatch
{
    /// <summary>Header fields that must all look like this.</summary>
    public ImmutableSortedDictionary<string, TextMatch> Headers { get; init; } = ImmutableSortedDictionary<string, TextMatch>.Empty;

    internal static ObjectSchema<RateLimitMatch> Schema { get; } = new ObjectSchema<RateLimitMatch>()
        .Field("headers", new MapType<TextMatch>(TextMatch.Schema), static (o, v) => o with { Headers = v },
            "Header fields that must all look like this; one without a comparison must only be there.");
}

/// <summary>What requests are told apart by; one of the four.</summary>
public sealed record RateLimitKey
{
    /// <summary>Value of this header field.</summary>
    public string? Header { get; init; }

    /// <summary>Value of this cookie.</summary>
    public string? Cookie { get; init; }

    /// <summary>The path without its query.</summary>
    public bool? Path { get; init; }

    /// <summary>Address of who sends it.</summary>
    public bool? ClientIp { get; init; }

    internal static ObjectSchema<RateLimitKey> Schema { get; } = new ObjectSchema<RateLimitKey>()
        .Text("header", static (o, v) => o with { Header = v },
            "Value of this header field; requests without it share a bucket.")
        .Text("cookie", static (o, v) => o with { Cookie = v },
            "Value of this cookie; requests without it share a bucket.")
        .Flag("path", static (o, v) => o with { Path = v },
            "The path without its query.")
        .Flag("clientIp", static (o, v) => o with { ClientIp = v },
            "Address of the connection's other end; with side callee the calling pod.");
}

/// <summary>What becomes of a request without a token; one of the two.</summary>
public sealed record RateLimitExcess
{
    /// <summary>It is answered 429 at once.</summary>
    public bool? Reject { get; init; }

    /// <summary>It waits for a token.</summary>
    public RateLimitWait? Wait { get; init; }

    internal static ObjectSchema<RateLimitExcess> Schema { get; } = new ObjectSchema<RateLimitExcess>()
        .Flag("reject", static (o, v) => o with { Reject = v },
            "true (default): it is answered 429 at once, with retry-after.")
        .Field("wait", RateLimitWait.Schema, static (o, v) => o with { Wait = v },
            "It waits in line for a token; who would wait too long is answered 429 at once.");
}

/// <summary>Bounds of a wait for a token.</summary>
public sealed record RateLimitWait
{
    /// <summary>Longest wait.</summary>
    public TimeSpan? MaxWait { get; init; }

    /// <summary>Most requests in the line of one bucket.</summary>
    public int? MaxQueue { get; init; }

    internal static ObjectSchema<RateLimitWait> Schema { get; } = new ObjectSchema<RateLimitWait>()
        .Duration("maxWait", static (o, v) => o with { MaxWait = v },
            "Longest wait; it counts towards the route's timeout. Default 2s, at most 5m.")
        .Whole("maxQueue", static (o, v) => o with { MaxQueue = v },
            "Most requests that wait at one time, for each bucket. Default 100.", min: 1, max: Snapshots.RateLimitConfig.LongestLine);
}
