using System.Globalization;

namespace Mesh.Lab.Checks;

/// <summary>How many calls went where, when chance decides each one. Pure.</summary>
internal static class ShareChecks
{
    /// <summary>Six standard deviations: a right sidecar leaves them once in 500 million runs; 10 % for 9 % shows already with a few thousand calls.</summary>
    private const double Deviations = 6;

    /// <summary>A share of independent draws; a share of 0 or 1 is exact.</summary>
    /// <param name="who">Who got the calls.</param>
    /// <param name="share">Its chance at each call, 0 to 1.</param>
    /// <param name="calls">All calls.</param>
    /// <param name="got">Calls it got.</param>
    public static LabCheck Drawn(string who, double share, long calls, long got)
    {
        double expected = calls * share;
        double slack = Deviations * Math.Sqrt(calls * share * (1 - share));
        return new LabCheck(
            string.Create(CultureInfo.InvariantCulture, $"{who}: calls of {calls}, {share:0.##} of all"),
            calls > 0 && Math.Abs(got - expected) <= slack,
            string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(expected - slack)} to {Math.Floor(expected + slack)}"),
            string.Create(CultureInfo.InvariantCulture, $"{got}"));
    }

    /// <summary>Every call that the user made arrived exactly once.</summary>
    public static LabCheck AllArrived(long calls, IEnumerable<long> got) => LabCheck.Equal("calls that the instances counted together", calls, got.Sum());
}
