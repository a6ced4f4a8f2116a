using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What a <see cref="ResiliencePolicy"/> adds to retries. Unset fields are null and leave what the route has.</summary>
public sealed record ResilienceRetries
{
    /// <summary>Item of <see cref="Methods"/> that lets every method through.</summary>
    public const string EveryMethod = "*";

    /// <summary>Retries after the first attempt; 0 switches them off.</summary>
    public int? Attempts { get; init; }

    /// <summary>Pauses.</summary>
    public ResilienceBackoff? Backoff { get; init; }

    /// <summary>Methods that may be tried again once a byte was sent, or <c>*</c> alone.</summary>
    public ImmutableArray<string> Methods { get; init; } = [];

    /// <summary>Longest Retry-After that is waited for; zero ignores the header.</summary>
    public TimeSpan? MaxRetryAfter { get; init; }

    /// <summary>A request that is a retry itself is not tried again.</summary>
    public bool? SingleLayer { get; init; }

    /// <summary>Bound on the extra load.</summary>
    public RetryBudget? Budget { get; init; }

    internal static ObjectSchema<ResilienceRetries> Schema { get; } = new ObjectSchema<ResilienceRetries>()
        .Whole("attempts", static (o, v) => o with { Attempts = v },
            "Retries after the first attempt. 0: none. Unset: as the route says.", min: 0, outOfRange: "attempts cannot be negative")
        .Field("backoff", ResilienceBackoff.Schema, static (o, v) => o with { Backoff = v },
            "Pauses between attempts.")
        .List("methods", TextType.Any, static (o, v) => o with { Methods = v },
            "Methods that may be tried again once a byte of the request was sent; \"*\" alone: every method. Unset: every method, with profile safe the idempotent ones.")
        .Duration("maxRetryAfter", static (o, v) => o with { MaxRetryAfter = v },
            "Longest Retry-After that is waited for; 0s ignores the header. Unset: ignored, with profile safe 30s.", allowZero: true)
        .Flag("singleLayer", static (o, v) => o with { SingleLayer = v },
            "A request that is made for another one (its application passes x-envoy-attempt-count on) is left to the layer above, so that layers do not multiply. Unset: false, with profile safe true.")
        .Field("budget", RetryBudget.Schema, static (o, v) => o with { Budget = v },
            "Bound on the extra load of retries; takes the place of maxRetries. Unset: the DestinationRule's, with profile safe 20 percent.");
}

/// <summary>Pauses between attempts.</summary>
public sealed record ResilienceBackoff
{
    /// <summary>exponential (default), fixed or linear.</summary>
    public string? Strategy { get; init; }

    /// <summary>First pause.</summary>
    public TimeSpan? Base { get; init; }

    /// <summary>Longest pause.</summary>
    public TimeSpan? Max { get; init; }

    /// <summary>full (default), none, equal or ratio.</summary>
    public string? Jitter { get; init; }

    /// <summary>Share for the jitter <c>ratio</c>, 0 to 1.</summary>
    public double? JitterRatio { get; init; }

    internal static ObjectSchema<ResilienceBackoff> Schema { get; } = new ObjectSchema<ResilienceBackoff>()
        .Enum("strategy", static (o, v) => o with { Strategy = v },
            "How the pause grows. exponential (default) doubles it, fixed keeps it, linear adds the base each time.", "exponential", "fixed", "linear")
        .Duration("base", static (o, v) => o with { Base = v },
            "First pause. Default: that of the route, else 25ms.")
        .Duration("max", static (o, v) => o with { Max = v },
            "Longest pause. Default: ten times the base.")
        .Enum("jitter", static (o, v) => o with { Jitter = v },
            "What chance does. full (default): anything up to the pause. equal: half of it and anything up to the other half. ratio: jitterRatio more or less. none.",
            "full", "none", "equal", "ratio")
        .Number("jitterRatio", static (o, v) => o with { JitterRatio = v },
            "Share of the pause for jitter: ratio. Default 0.1.", 0, 1);
}
