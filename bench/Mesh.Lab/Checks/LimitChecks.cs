using System.Globalization;
using Mesh.Load.Measuring;

namespace Mesh.Lab.Checks;

/// <summary>What must hold of a limit that all sidecars share. Pure.</summary>
internal static class LimitChecks
{
    /// <summary>The upstream never saw more than the limit and the bound of what newcomers bring.</summary>
    /// <param name="total">The limit.</param>
    /// <param name="newcomers">Sidecars that came meanwhile: each has one before anybody made room for it.</param>
    /// <param name="connections">Most connections at once, as the upstream counted.</param>
    /// <param name="requests">Most requests at once.</param>
    public static IEnumerable<LabCheck> Bounded(int total, int newcomers, int connections, int requests)
    {
        yield return LabCheck.AtMost("connections at once, counted at the upstream", total + newcomers, connections);
        yield return LabCheck.AtMost("requests at once, counted at the upstream", total + newcomers, requests);
    }

    /// <summary>All shares together are the limit, and each has one at least.</summary>
    public static IEnumerable<LabCheck> Given(int total, IReadOnlyCollection<int> shares)
    {
        yield return LabCheck.AtMost("sum of the shares", total, shares.Sum());
        yield return LabCheck.AtLeast("smallest share", 1, shares.Count == 0 ? 0 : shares.Min());
    }

    /// <summary>The share followed the load in time, was used, and nobody was refused.</summary>
    /// <param name="taken">From the first call until the share was there; null: never.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="least">Connections of which good use must have been made.</param>
    /// <param name="most">Connections at once, as the upstream counted.</param>
    /// <param name="load">What the callers saw.</param>
    public static IEnumerable<LabCheck> Follows(TimeSpan? taken, TimeSpan limit, int least, int most, LoadReport load)
    {
        yield return LabCheck.Within("the share has followed the load", limit, taken);
        yield return LabCheck.AtLeast("connections at once that the load came to", least, most);
        yield return LabCheck.Equal("calls that failed: they wait, none is refused", 0, load.Failed);
    }

    /// <summary>Who wants the same gets the same: nobody has less than so much of what each would have.</summary>
    public static LabCheck Even(IReadOnlyCollection<long> calls, double least) =>
        LabCheck.AtLeast(string.Create(CultureInfo.InvariantCulture, $"calls of the one that got fewest (of {calls.Sum()} by {calls.Count})"), (long)(least * calls.Sum() / calls.Count), calls.Min());
}
