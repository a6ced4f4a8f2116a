using Mesh.Rules.Schema;

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

    internal static ObjectSchema<LoadBalancerSettings> Schema { get; } = new ObjectSchema<LoadBalancerSettings>()
        .Enum("simple", static (o, v) => o with { Simple = v },
            "The algorithm. Default LEAST_REQUEST. PASSTHROUGH: connections go to the address that the caller dialled; 503 where it is not known, as through http_proxy by name.",
            "UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST")
        .Field("consistentHash", ConsistentHash.Schema, static (o, v) => o with { ConsistentHash = v },
            "Stickiness by hash.")
        .Field("localityLbSetting", LocalityLbSetting.Schema, static (o, v) => o with { LocalityLbSetting = v },
            "Weights and failover between localities; replaces the mesh's setting whole.")
        .Field("zoneAwareLbSetting", ZoneAwareLbSetting.Schema, static (o, v) => o with { ZoneAwareLbSetting = v },
            "Zone-aware routing; excludes localityLbSetting.")
        .Duration("warmupDurationSecs", static (o, v) => o with { WarmupDurationSecs = v },
            "Slow start of new endpoints; use warmup.")
            .Deprecated("deprecated; write warmup with its duration")
        .Field("warmup", WarmupConfiguration.Schema, static (o, v) => o with { Warmup = v },
            "Slow start of new endpoints.");
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

    internal static ObjectSchema<WarmupConfiguration> Schema { get; } = new ObjectSchema<WarmupConfiguration>()
        .Duration("duration", static (o, v) => o with { Duration = v },
            "Length of the window.")
            .Required("duration is required in warmup")
        .Number("minimumPercent", static (o, v) => o with { MinimumPercent = v },
            "Weight at the start in percent. Default 10.", 0, 100, "percentage is out of 0..100 range")
        .Number("aggression", static (o, v) => o with { Aggression = v },
            "Shape of the ramp. Default 1.0, linear.", 0, double.MaxValue);
}
