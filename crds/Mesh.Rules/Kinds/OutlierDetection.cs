using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Passive health checking: when a failing endpoint leaves the rotation, and for how long. Unset differs from 0.</summary>
public sealed record OutlierDetection
{
    /// <summary>Deprecated by Istio; here it means <see cref="Consecutive5xxErrors"/> when neither newer field is set.</summary>
    public int? ConsecutiveErrors { get; init; }

    /// <summary>Count local-origin failures apart from the upstream's answers.</summary>
    public bool? SplitExternalLocalOriginErrors { get; init; }

    /// <summary>Local-origin failures in a row before ejection, when split; default 5.</summary>
    public int? ConsecutiveLocalOriginFailures { get; init; }

    /// <summary>502, 503 and 504 in a row before ejection; 0 or unset is off.</summary>
    public int? ConsecutiveGatewayErrors { get; init; }

    /// <summary>5xx in a row before ejection; default 5, 0 is off.</summary>
    public int? Consecutive5xxErrors { get; init; }

    /// <summary>Time between sweeps; default 10 s.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>Time of the first ejection; multiplied by the number of ejections. Default 30 s.</summary>
    public TimeSpan? BaseEjectionTime { get; init; }

    /// <summary>Most endpoints out at once, in percent; default 10, 0 means the default.</summary>
    public int? MaxEjectionPercent { get; init; }

    /// <summary>Below this share of healthy endpoints health is ignored (panic); default 0, never.</summary>
    public int? MinHealthPercent { get; init; }

    /// <summary>If set, only these codes count as errors.</summary>
    public ImmutableArray<int> OutlierDetectionHttpErrorCodes { get; init; } = [];

    private const string ConsecutiveErrorsAdvice =
        "deprecated; write consecutive5xxErrors, or consecutiveGatewayErrors for 502, 503 and 504 alone. "
        + "Here it counts as consecutive5xxErrors when neither is set; current Istio ignores it";

    internal static ObjectSchema<OutlierDetection> Schema { get; } = new ObjectSchema<OutlierDetection>()
        .Whole("consecutiveErrors", static (o, v) => o with { ConsecutiveErrors = v },
            "Counts as consecutive5xxErrors when neither newer field is set.", min: 0)
            .Deprecated(ConsecutiveErrorsAdvice)
        .Flag("splitExternalLocalOriginErrors", static (o, v) => o with { SplitExternalLocalOriginErrors = v },
            "Count local-origin failures apart from the upstream's answers.")
        .Whole("consecutiveLocalOriginFailures", static (o, v) => o with { ConsecutiveLocalOriginFailures = v },
            "Local-origin failures in a row before ejection, when split. Default 5.", min: 0)
        .Whole("consecutiveGatewayErrors", static (o, v) => o with { ConsecutiveGatewayErrors = v },
            "502, 503 and 504 in a row before ejection. 0 or unset: off.", min: 0)
        .Whole("consecutive5xxErrors", static (o, v) => o with { Consecutive5xxErrors = v },
            "5xx in a row before ejection. Default 5; 0: off.", min: 0)
        .Duration("interval", static (o, v) => o with { Interval = v },
            "Time between sweeps. Default 10s.")
        .Duration("baseEjectionTime", static (o, v) => o with { BaseEjectionTime = v },
            "Time of the first ejection; multiplied by the number of ejections. Default 30s.")
        .Percent("maxEjectionPercent", static (o, v) => o with { MaxEjectionPercent = v },
            "Most endpoints out at once, in percent. Default 10; 0 means the default.")
        .Percent("minHealthPercent", static (o, v) => o with { MinHealthPercent = v },
            "Below this share of healthy endpoints health is ignored. Default 0: never.")
        .Field("outlierDetectionHttpErrorCodes", new ListType<long>(new WholeType(100, 599, "int32")),
            static (o, v) => o with { OutlierDetectionHttpErrorCodes = [.. v.Select(static code => (int)code)] },
            "If set, only these codes count as errors.");
}
