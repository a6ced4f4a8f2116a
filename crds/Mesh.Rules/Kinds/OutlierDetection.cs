using System.Collections.Immutable;

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
}
