using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Calls, and how many of them failed or were slow.</summary>
internal readonly record struct CallCounts(long Calls, long Failures, long Slow)
{
    /// <summary>Failed ones in percent.</summary>
    public double FailureRate => Percent(Failures);

    /// <summary>Slow ones in percent.</summary>
    public double SlowRate => Percent(Slow);

    /// <summary>All calls of the process that reports, but those on trial.</summary>
    public static CallCounts Of(CircuitReport report) => Sane(report.Calls, report.Failures, report.Slow);

    /// <summary>Its calls on trial.</summary>
    public static CallCounts TrialsOf(CircuitReport report) => Sane(report.Trials, report.FailedTrials, report.SlowTrials);

    /// <summary>The sum.</summary>
    public static CallCounts operator +(CallCounts left, CallCounts right) =>
        new(left.Calls + right.Calls, left.Failures + right.Failures, left.Slow + right.Slow);

    /// <summary>The difference.</summary>
    public static CallCounts operator -(CallCounts left, CallCounts right) =>
        new(left.Calls - right.Calls, left.Failures - right.Failures, left.Slow - right.Slow);

    /// <summary>The first threshold of a breaker that these calls reach, if they are enough to say so.</summary>
    /// <param name="limits">The thresholds.</param>
    /// <param name="minimum">Calls that are enough.</param>
    public PassedLimit? Passed(ReadOnlySpan<RateThreshold> limits, int minimum)
    {
        foreach (RateThreshold limit in limits)
        {
            if (Calls >= minimum && limit.RateOf(this) >= limit.Percent)
            {
                return new PassedLimit(limit.Field, (int)limit.Percent, (int)limit.RateOf(this));
            }
        }

        return null;
    }

    // Nobody is trusted to count well: what cannot be must not make rates of more than a hundred, or sums that overflow.
    private static CallCounts Sane(long calls, long failures, long slow)
    {
        const long Most = 1L << 53;
        calls = Math.Clamp(calls, 0, Most);
        return new CallCounts(calls, Math.Clamp(failures, 0, calls), Math.Clamp(slow, 0, calls));
    }

    private double Percent(long part) => Calls == 0 ? 0 : 100.0 * part / Calls;
}

/// <summary>A threshold that was reached.</summary>
/// <param name="Field">Field of the rule.</param>
/// <param name="Limit">Its value.</param>
/// <param name="Now">The value that reached it.</param>
internal readonly record struct PassedLimit(string Field, int Limit, int Now);
