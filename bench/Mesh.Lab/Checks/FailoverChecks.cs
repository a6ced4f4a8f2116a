using Mesh.Lab.World;
using Mesh.Load.Measuring;

namespace Mesh.Lab.Checks;

/// <summary>Which region served the calls. Instances are <c>near-1</c>, <c>near-2</c>, <c>second</c> and <c>third</c>. Pure.</summary>
internal static class FailoverChecks
{
    /// <summary>All about one run.</summary>
    /// <param name="load">What the user saw.</param>
    /// <param name="near">Share of the calls that the own region must have served.</param>
    /// <param name="ejected">Instances that must have got nothing.</param>
    /// <param name="counts">What the instances counted.</param>
    public static IEnumerable<LabCheck> Regions(LoadReport load, double near, IReadOnlyList<string> ejected, IReadOnlyDictionary<string, InstanceCounts> counts)
    {
        yield return PoolChecks.NobodyFails("user", load);
        yield return ShareChecks.AllArrived(load.Requests, counts.Values.Select(static c => c.Requests));
        yield return ShareChecks.Drawn("own region", near, load.Requests, counts["near-1"].Requests + counts["near-2"].Requests);
        yield return ShareChecks.Drawn("second region", 1 - near, load.Requests, counts["second"].Requests);
        yield return LabCheck.Equal("third region, which the rule does not name first", 0, counts["third"].Requests);
        foreach (string name in ejected)
        {
            yield return LabCheck.Equal($"{name}, which is ejected", 0, counts[name].Requests);
        }
    }
}
