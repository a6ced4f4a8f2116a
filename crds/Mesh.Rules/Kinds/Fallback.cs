using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What callers of one host get instead of a refusal: the last good answer, another host's, or a fixed one. Unset fields are null.</summary>
public sealed record Fallback : IHostPolicy
{
    /// <summary>Value of <see cref="Mode"/> that changes no answer.</summary>
    public const string ShadowMode = "shadow";

    /// <summary>The host the fallback is for, as in a DestinationRule.</summary>
    public string? Host { get; init; }

    /// <summary>Only for this subset of the host.</summary>
    public string? Subset { get; init; }

    /// <summary>Only for this port of the host.</summary>
    public int? Port { get; init; }

    /// <summary>enforce (default) or shadow.</summary>
    public string? Mode { get; init; }

    /// <summary>What it answers for: words and status codes. Not named <c>on</c>, which kubectl's YAML reads as true.</summary>
    public ImmutableArray<string> Triggers { get; init; } = [];

    /// <summary>Methods that it answers.</summary>
    public ImmutableArray<string> Methods { get; init; } = [];

    /// <summary>The last good answer; tried first.</summary>
    public LastGood? LastGood { get; init; }

    /// <summary>Another host; tried second.</summary>
    public Destination? Destination { get; init; }

    /// <summary>A fixed answer; the last resort.</summary>
    public StaticAnswer? Static { get; init; }

    bool IHostPolicy.IsPassedOver => Mode == ShadowMode;

    internal static ObjectSchema<Fallback> Schema { get; } = new ObjectSchema<Fallback>()
        .Text("host", static (o, v) => o with { Host = v },
            "The host the fallback is for; a short name means a service of the fallback's own namespace.")
            .Required("host is required: the service that the fallback is for, such as products")
        .Text("subset", static (o, v) => o with { Subset = v },
            "Only for this subset of the host.")
        .Port("port", static (o, v) => o with { Port = v },
            "Only for this port of the host.")
        .Enum("mode", static (o, v) => o with { Mode = v },
            "enforce (default), or shadow: counts (fallback_shadow), and changes no answer.", "enforce", ShadowMode)
        .List("triggers", TextType.Any, static (o, v) => o with { Triggers = v },
            "What it answers for: open (circuit breaker), overflow (limits and bulkheads), rate-limited (a RateLimit's 429), timeout, no-healthy-upstream, connect-failure, reset, or a status code of the upstream's own answers such as \"503\". Default open, overflow, timeout, no-healthy-upstream, connect-failure.")
        .List("methods", TextType.Any, static (o, v) => o with { Methods = v },
            "Methods of the requests that it answers. Default GET, HEAD, OPTIONS.")
        .Field("lastGood", LastGood.Schema, static (o, v) => o with { LastGood = v },
            "The last good answer (200) to the same GET, with its age; tried first.")
        .Field("destination", Destination.Schema, static (o, v) => o with { Destination = v },
            "Another service gets the request, once; tried second. Not when its body has begun to leave and is not kept for a retry, nor when the timeout of the route is over. Its port is that of the host if none is named.")
        .Field("static", StaticAnswer.Schema, static (o, v) => o with { Static = v },
            "A fixed answer; the last resort.");
}

/// <summary>How good answers are kept.</summary>
public sealed record LastGood
{
    /// <summary>Oldest answer that is given.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>Most answers that are kept.</summary>
    public int? MaxEntries { get; init; }

    /// <summary>Most bytes that they take together.</summary>
    public long? MaxBytes { get; init; }

    /// <summary>Request fields that tell answers apart, besides path, query and authority.</summary>
    public ImmutableArray<string> Vary { get; init; } = [];

    /// <summary>Whether answers to requests with credentials are kept and given too.</summary>
    public bool? Shared { get; init; }

    internal static ObjectSchema<LastGood> Schema { get; } = new ObjectSchema<LastGood>()
        .Duration("maxAge", static (o, v) => o with { MaxAge = v },
            "Oldest answer that is given. Default 5m.")
        .Whole("maxEntries", static (o, v) => o with { MaxEntries = v },
            "Most answers that each sidecar keeps; the one kept longest ago goes first. Default 100.", min: 1, max: 100_000)
        .Field("maxBytes", BytesType.Any, static (o, v) => o with { MaxBytes = v },
            "Most bytes of all kept answers of each sidecar, such as 512Ki or 4Mi; an answer of more than half of it is not kept. Default 1Mi.")
        .List("vary", TextType.Any, static (o, v) => o with { Vary = v },
            "Request header fields that tell answers apart, besides authority, path, query and accept-encoding. An answer whose Vary names any other is not kept.")
        .Flag("shared", static (o, v) => o with { Shared = v },
            "Whether answers to requests with authorization or cookie are kept, and given to everybody. Default false.");
}

/// <summary>A fixed answer.</summary>
public sealed record StaticAnswer
{
    /// <summary>Status; default 200.</summary>
    public int? Status { get; init; }

    /// <summary>Media type of the bodies.</summary>
    public string? ContentType { get; init; }

    /// <summary>Header fields besides.</summary>
    public ImmutableSortedDictionary<string, string> Headers { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Body for those who want none of the languages of <see cref="Bodies"/>.</summary>
    public string? Body { get; init; }

    /// <summary>Bodies by language.</summary>
    public ImmutableSortedDictionary<string, string> Bodies { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    internal static ObjectSchema<StaticAnswer> Schema { get; } = new ObjectSchema<StaticAnswer>()
        .Whole("status", static (o, v) => o with { Status = v },
            "Status of the answer. Default 200.", min: 200, max: 599)
        .Text("contentType", static (o, v) => o with { ContentType = v },
            "Media type of the body. Default text/plain; charset=utf-8.")
        .TextMap("headers", static (o, v) => o with { Headers = v },
            "Header fields of the answer besides.")
        .Text("body", static (o, v) => o with { Body = v },
            "Body, for those who ask for none of the languages of bodies. Default empty.")
        .TextMap("bodies", static (o, v) => o with { Bodies = v },
            "Bodies by language tag (ko, en, pt-BR), chosen by accept-language as RFC 4647 looks up.");
}
