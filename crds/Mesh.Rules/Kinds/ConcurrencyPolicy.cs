using Mesh.Rules.Schema;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Kinds;

/// <summary>The bulkhead of a <see cref="ResiliencePolicy"/>: how many calls are under way at one time. Names and defaults are resilience4j's. Unset fields are null.</summary>
public sealed record ConcurrencyPolicy
{
    /// <summary>Most calls under way at one time.</summary>
    public int? MaxConcurrentCalls { get; init; }

    /// <summary>Longest wait of a call for a place.</summary>
    public TimeSpan? MaxWaitDuration { get; init; }

    /// <summary>Most calls that wait at one time.</summary>
    public int? MaxQueue { get; init; }

    /// <summary>Lets the limit follow what the upstream can do; null leaves it where it is.</summary>
    public AdaptiveConcurrency? Adaptive { get; init; }

    internal static ObjectSchema<ConcurrencyPolicy> Schema { get; } = new ObjectSchema<ConcurrencyPolicy>()
        .Whole("maxConcurrentCalls", static (o, v) => o with { MaxConcurrentCalls = v },
            "Most calls under way at one time, from before they have a connection until their answers have ended; retries keep their place. On TCP ports a connection counts as a call from its beginning to its end; what passes as bytes on a port of HTTP takes no place. Default 25.", min: 1, max: ConcurrencyConfig.MostCalls)
        .Duration("maxWaitDuration", static (o, v) => o with { MaxWaitDuration = v },
            "Longest wait of a call or connection for a place, first come, first served; it counts towards the route's timeout. Default 0s: refused at once. At most 5m.", allowZero: true)
        .Whole("maxQueue", static (o, v) => o with { MaxQueue = v },
            "Most calls that wait at one time. Default 100.", min: 1, max: ConcurrencyConfig.LongestLine)
        .Field("adaptive", AdaptiveConcurrency.Schema, static (o, v) => o with { Adaptive = v },
            "Lets the limit, which begins at maxConcurrentCalls, follow what the upstream can work on at one time, by measured latency. Has no effect on TCP ports, where there are no answers to measure. Unset: it stays where it is.");
}

/// <summary>Bounds and pace of an adaptive limit; Envoy's names where there are some.</summary>
public sealed record AdaptiveConcurrency
{
    /// <summary>The limit never goes below.</summary>
    public int? MinConcurrency { get; init; }

    /// <summary>The limit never goes above.</summary>
    public int? MaxConcurrency { get; init; }

    /// <summary>Least time between two changes.</summary>
    public TimeSpan? ConcurrencyUpdateInterval { get; init; }

    /// <summary>Fewest answers between two changes.</summary>
    public int? RequestCount { get; init; }

    /// <summary>How much slower than usual answers may become, in percent.</summary>
    public int? Buffer { get; init; }

    internal static ObjectSchema<AdaptiveConcurrency> Schema { get; } = new ObjectSchema<AdaptiveConcurrency>()
        .Whole("minConcurrency", static (o, v) => o with { MinConcurrency = v },
            "The limit never goes below. Default 3.", min: 1, max: ConcurrencyConfig.MostCalls)
        .Whole("maxConcurrency", static (o, v) => o with { MaxConcurrency = v },
            "The limit never goes above. Default 1000.", min: 1, max: ConcurrencyConfig.MostCalls)
        .Duration("concurrencyUpdateInterval", static (o, v) => o with { ConcurrencyUpdateInterval = v },
            "Least time between two changes of the limit. Default 1s, at most 1h.")
        .Whole("requestCount", static (o, v) => o with { RequestCount = v },
            "Fewest answers that are measured between two changes. Default 50.", min: 5, max: 100_000)
        .Whole("buffer", static (o, v) => o with { Buffer = v },
            "How much slower than usual answers may become, in percent, before the limit goes down. Default 10.", min: 1, max: 1000);
}
