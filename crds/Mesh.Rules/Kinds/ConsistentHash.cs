using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Consistent-hash settings; exactly one key.</summary>
public sealed record ConsistentHash
{
    /// <summary>Hash of this header.</summary>
    public string? HttpHeaderName { get; init; }

    /// <summary>Hash of a cookie.</summary>
    public HttpCookie? HttpCookie { get; init; }

    /// <summary>Hash of the caller's IP.</summary>
    public bool? UseSourceIp { get; init; }

    /// <summary>Hash of a query parameter.</summary>
    public string? HttpQueryParameterName { get; init; }

    /// <summary>Ring hash.</summary>
    public RingHash? RingHash { get; init; }

    /// <summary>Maglev.</summary>
    public Maglev? Maglev { get; init; }

    /// <summary>Deprecated: use <see cref="RingHash"/>.</summary>
    public long? MinimumRingSize { get; init; }

    internal static ObjectSchema<ConsistentHash> Schema { get; } = new ObjectSchema<ConsistentHash>()
        .Text("httpHeaderName", static (o, v) => o with { HttpHeaderName = v },
            "Hash of this header.")
        .Field("httpCookie", HttpCookie.Schema, static (o, v) => o with { HttpCookie = v },
            "Hash of a cookie.")
        .Flag("useSourceIp", static (o, v) => o with { UseSourceIp = v },
            "Hash of the caller's IP.")
        .Text("httpQueryParameterName", static (o, v) => o with { HttpQueryParameterName = v },
            "Hash of a query parameter.")
        .Field("ringHash", RingHash.Schema, static (o, v) => o with { RingHash = v },
            "Ring hash.")
        .Field("maglev", Maglev.Schema, static (o, v) => o with { Maglev = v },
            "Maglev.")
        .Long("minimumRingSize", static (o, v) => o with { MinimumRingSize = v },
            "Use ringHash.", min: 0)
            .Deprecated("deprecated; write ringHash with its minimumRingSize");
}

/// <summary>A cookie used as hash key.</summary>
public sealed record HttpCookie
{
    /// <summary>Name of the cookie; required.</summary>
    public string? Name { get; init; }

    /// <summary>Path of a generated cookie.</summary>
    public string? Path { get; init; }

    /// <summary>Unset: only read. Set: generated when missing; 0 makes it a session cookie.</summary>
    public TimeSpan? Ttl { get; init; }

    /// <summary>Further attributes of a generated cookie.</summary>
    public ImmutableArray<CookieAttributeSettings> Attributes { get; init; } = [];

    internal static ObjectSchema<HttpCookie> Schema { get; } = new ObjectSchema<HttpCookie>()
        .Text("name", static (o, v) => o with { Name = v },
            "Name of the cookie.")
            .Required("name required for HttpCookie")
        .Text("path", static (o, v) => o with { Path = v },
            "Path of a generated cookie.")
        .Duration("ttl", static (o, v) => o with { Ttl = v },
            "Unset: only read. Set: generated when missing; 0s makes it a session cookie.", allowZero: true)
        .List("attributes", CookieAttributeSettings.Schema, static (o, v) => o with { Attributes = v },
            "Further attributes of a generated cookie.");
}

/// <summary>An attribute of a generated cookie.</summary>
public sealed record CookieAttributeSettings
{
    /// <summary>Name; required.</summary>
    public string? Name { get; init; }

    /// <summary>Value; may be empty.</summary>
    public string? Value { get; init; }

    internal static ObjectSchema<CookieAttributeSettings> Schema { get; } = new ObjectSchema<CookieAttributeSettings>()
        .Text("name", static (o, v) => o with { Name = v },
            "Name of the attribute.")
            .Required("name required for a cookie attribute")
        .Text("value", static (o, v) => o with { Value = v },
            "Value; may be empty.");
}

/// <summary>Ring hash settings.</summary>
public sealed record RingHash
{
    /// <summary>Smallest ring; default 1024, at most 8388608.</summary>
    public long? MinimumRingSize { get; init; }

    internal static ObjectSchema<RingHash> Schema { get; } = new ObjectSchema<RingHash>()
        .Long("minimumRingSize", static (o, v) => o with { MinimumRingSize = v },
            "Smallest ring. Default 1024.", min: 0, max: 8388608);
}

/// <summary>Maglev settings.</summary>
public sealed record Maglev
{
    /// <summary>Table size: prime, below 5000011; required.</summary>
    public long? TableSize { get; init; }

    internal static ObjectSchema<Maglev> Schema { get; } = new ObjectSchema<Maglev>()
        .Long("tableSize", static (o, v) => o with { TableSize = v },
            "Table size: prime, below 5000011.", min: 0);
}
