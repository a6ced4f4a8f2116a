namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// Whose failures they are: the destination's, or those of one caller alone. One is alone when it is the one with the most bad calls, there are at least three callers, at least two
/// of the others call, together enough to decide, and their rate is below half of the threshold. Then the sum opens nothing. Who is alone and reaches the threshold by itself is
/// named also where the sum does not. Pure.
/// </summary>
/// <param name="Passed">The threshold that the sum reaches; null when it reaches none.</param>
/// <param name="HingesOnOne">The sum reaches it by one caller; the others by themselves do not.</param>
/// <param name="Sick">The caller that fails alone; null when there is none.</param>
internal readonly record struct Blame(PassedLimit? Passed, bool HingesOnOne, Reporter? Sick)
{
    private const int FewestCallers = 3;
    private const int FewestCalls = 5; // that one caller is named for

    /// <summary>Whether the circuit is to open.</summary>
    public bool IsDestinations => Passed is not null && Sick is null;

    /// <summary>Looks at the calls in a window.</summary>
    /// <param name="callers">The callers.</param>
    /// <param name="sum">Their calls.</param>
    /// <param name="limits">The thresholds of the rule.</param>
    /// <param name="minimum">Calls that are enough to decide.</param>
    public static Blame Of(Dictionary<string, CircuitCaller>.ValueCollection callers, CallCounts sum, ReadOnlySpan<RateThreshold> limits, int minimum)
    {
        Blame found = default;
        foreach (RateThreshold limit in limits)
        {
            if (limit.BadOf(sum) == 0)
            {
                continue;
            }

            Blame one = Of(callers, sum, limit, minimum);
            if (one.IsDestinations)
            {
                return one;
            }

            found = found.Sick is null ? one : found;
        }

        return found;
    }

    private static Blame Of(Dictionary<string, CircuitCaller>.ValueCollection callers, CallCounts sum, RateThreshold limit, int minimum)
    {
        PassedLimit? passed = sum.Passed([limit], minimum);
        if (callers.Count < FewestCallers)
        {
            return new Blame(passed, false, null);
        }

        (CircuitCaller? worst, int calling) = Worst(callers, limit);
        if (worst is null)
        {
            return new Blame(passed, false, null);
        }

        CallCounts others = sum - worst.InWindow;
        bool isAlone = others.Calls >= minimum && limit.RateOf(others) < limit.Percent / 2 && calling >= FewestCallers;
        bool isBad = passed is not null
            || (worst.InWindow.Calls >= Math.Max(FewestCalls, minimum / callers.Count) && limit.RateOf(worst.InWindow) >= limit.Percent);
        return new Blame(passed, passed is not null && others.Passed([limit], minimum) is null, isAlone && isBad ? worst.Reporter : null);
    }

    /// <summary>Who has most bad calls, and how many call at all. One pass without a call out: a thousand callers are looked at ten times a second.</summary>
    private static (CircuitCaller? Worst, int Calling) Worst(Dictionary<string, CircuitCaller>.ValueCollection callers, RateThreshold limit)
    {
        CircuitCaller? worst = null;
        long most = 0;
        int calling = 0;
        foreach (CircuitCaller caller in callers)
        {
            calling += caller.InWindow.Calls > 0 ? 1 : 0;
            long bad = limit.BadOf(caller.InWindow);
            if (bad > most || (bad == most && worst is not null && string.CompareOrdinal(caller.Reporter.Id, worst.Reporter.Id) < 0)) // of equals always the same
            {
                (worst, most) = (caller, bad);
            }
        }

        return (worst, calling);
    }
}
