using Mesh.Rules.Snapshots;

namespace Mesh.ControlPlane.Coordination;

/// <summary>One of a breaker's two thresholds, and the calls it looks at.</summary>
/// <param name="Field">Field of the rule.</param>
/// <param name="Percent">Its value.</param>
/// <param name="IsSlow">It looks at slow calls, else at failed ones.</param>
internal readonly record struct RateThreshold(string Field, double Percent, bool IsSlow)
{
    /// <summary>Both of a rule, in the order in which they are looked at.</summary>
    public static RateThreshold[] Of(BreakerConfig config) =>
        [new("failureRateThreshold", config.FailureRate, IsSlow: false), new("slowCallRateThreshold", config.SlowRate, IsSlow: true)];

    /// <summary>The calls it looks at.</summary>
    public long BadOf(CallCounts counts) => IsSlow ? counts.Slow : counts.Failures;

    /// <summary>Their share in percent.</summary>
    public double RateOf(CallCounts counts) => IsSlow ? counts.SlowRate : counts.FailureRate;
}
