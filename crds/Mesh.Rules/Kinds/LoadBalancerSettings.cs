using System.Collections.Immutable;

namespace Mesh.Rules.Kinds;

/// <summary>How an endpoint is chosen.</summary>
public sealed record LoadBalancerSettings
{
    /// <summary>UNSPECIFIED, LEAST_CONN, RANDOM, PASSTHROUGH, ROUND_ROBIN or LEAST_REQUEST (default).</summary>
    public string? Simple { get; init; }

    /// <summary>Stickiness by hash.</summary>
    public ConsistentHash? ConsistentHash { get; init; }

    /// <summary>Weights and failover between localities; replaces the mesh's setting whole.</summary>
    public LocalityLbSetting? LocalityLbSetting { get; init; }

    /// <summary>Zone-aware routing; excludes <see cref="LocalityLbSetting"/>.</summary>
    public ZoneAwareLbSetting? ZoneAwareLbSetting { get; init; }

    /// <summary>Deprecated: same as <see cref="Warmup"/> with defaults.</summary>
    public TimeSpan? WarmupDurationSecs { get; init; }

    /// <summary>Slow start of new endpoints.</summary>
    public WarmupConfiguration? Warmup { get; init; }
}

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
}

/// <summary>An attribute of a generated cookie.</summary>
public sealed record CookieAttributeSettings
{
    /// <summary>Name; required.</summary>
    public string? Name { get; init; }

    /// <summary>Value; may be empty.</summary>
    public string? Value { get; init; }
}

/// <summary>Ring hash settings.</summary>
public sealed record RingHash
{
    /// <summary>Smallest ring; default 1024, at most 8388608.</summary>
    public long? MinimumRingSize { get; init; }
}

/// <summary>Maglev settings.</summary>
public sealed record Maglev
{
    /// <summary>Table size: prime, below 5000011; required.</summary>
    public long? TableSize { get; init; }
}

/// <summary>Locality weights and failover.</summary>
public sealed record LocalityLbSetting
{
    /// <summary>Explicit weights by origin.</summary>
    public ImmutableArray<LocalityDistribute> Distribute { get; init; } = [];

    /// <summary>Where a region fails over to.</summary>
    public ImmutableArray<LocalityFailover> Failover { get; init; } = [];

    /// <summary>Labels that order endpoints into priorities.</summary>
    public ImmutableArray<string> FailoverPriority { get; init; } = [];

    /// <summary>False switches locality load balancing off.</summary>
    public bool? Enabled { get; init; }
}

/// <summary>Weights of one origin.</summary>
public sealed record LocalityDistribute
{
    /// <summary>Origin locality.</summary>
    public string? From { get; init; }

    /// <summary>Weight by target locality; the sum must be 100.</summary>
    public ImmutableSortedDictionary<string, int> To { get; init; } = ImmutableSortedDictionary<string, int>.Empty;
}

/// <summary>Failover of one region.</summary>
public sealed record LocalityFailover
{
    /// <summary>Origin region.</summary>
    public string? From { get; init; }

    /// <summary>Target region.</summary>
    public string? To { get; init; }
}

/// <summary>Zone-aware routing.</summary>
public sealed record ZoneAwareLbSetting
{
    /// <summary>Switches the setting.</summary>
    public bool? Enabled { get; init; }

    /// <summary>Fewest endpoints for it to act; default 6.</summary>
    public int? MinClusterSize { get; init; }
}

/// <summary>Slow start of new endpoints.</summary>
public sealed record WarmupConfiguration
{
    /// <summary>Length of the window; required.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>Weight at the start in percent; default 10.</summary>
    public double? MinimumPercent { get; init; }

    /// <summary>Shape of the ramp; default 1.0 (linear).</summary>
    public double? Aggression { get; init; }
}
