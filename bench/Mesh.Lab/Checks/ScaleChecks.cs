using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh.Lab.World;

namespace Mesh.Lab.Checks;

/// <summary>What must hold of a mesh with many services: counts, never times. Pure.</summary>
internal static partial class ScaleChecks
{
    private const int SubsetsAndWhole = 3;

    /// <summary>Every service has its clusters, every cluster its endpoints.</summary>
    /// <param name="page">The page <c>/clusters?format=json</c>.</param>
    /// <param name="services">How many services there are.</param>
    public static IEnumerable<LabCheck> AllArrived(string page, int services)
    {
        using JsonDocument json = JsonDocument.Parse(page);
        List<JsonElement> clusters = [.. json.RootElement.GetProperty("cluster_statuses").EnumerateArray()
            .Where(static c => c.GetProperty("name").GetString()!.EndsWith(".scale.lab", StringComparison.Ordinal))];
        int endpoints = clusters.Sum(static c => c.GetProperty("host_statuses").GetArrayLength());
        return
        [
            LabCheck.Equal("clusters, each service and its two subsets", SubsetsAndWhole * services, clusters.Count),
            LabCheck.Equal("endpoints of all of them", 2L * ScaleRules.Endpoints * services, endpoints),
        ];
    }

    /// <summary>How many clusters each configuration that a sidecar put in force was new or changed for, from what it printed.</summary>
    public static List<int> TouchedClusters(string log) =>
        [.. InForce().Matches(log).Select(static m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))];

    [GeneratedRegex(@"Snapshot \S+ in force: (\d+) clusters new or changed")]
    private static partial Regex InForce();
}
