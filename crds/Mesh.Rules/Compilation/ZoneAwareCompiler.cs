using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>
/// zoneAwareLbSetting: as much traffic stays in the caller's zone as can without overloading it there, as Envoy reckons from how callers and endpoints are spread over
/// zones. Pure.
/// </summary>
internal static class ZoneAwareCompiler
{
    private const int DefaultMinClusterSize = 6;
    private const int WeightScale = 100_000;

    /// <summary>The endpoints, placed for a caller in <paramref name="zone"/>.</summary>
    /// <param name="zone">Zone of the caller; empty when it does not know.</param>
    /// <param name="peers">Zones of all instances of the caller's service.</param>
    /// <param name="setting">What the rule says.</param>
    /// <param name="endpoints">Endpoints of the service that is called.</param>
    public static ImmutableArray<EndpointConfig> Place(
        string zone, ImmutableArray<string> peers, ZoneAwareLbSetting setting, ImmutableArray<EndpointConfig> endpoints)
    {
        double callersHere = Share(peers, zone);
        ImmutableArray<string> places = [.. endpoints.Select(static e => e.Zone)];
        double capacityHere = Share(places, zone);
        if (setting.Enabled == false || zone.Length == 0 || endpoints.Length < (setting.MinClusterSize ?? DefaultMinClusterSize) ||
            callersHere == 0 || capacityHere == 0)
        {
            return endpoints;
        }

        if (capacityHere >= callersHere)
        {
            return [.. endpoints.Select(e => e with { Priority = e.Zone == zone ? 0 : 1 })]; // the others only when those here fail
        }

        // What this zone cannot carry goes where endpoints outnumber callers.
        double stays = capacityHere / callersHere;
        Dictionary<string, double> spare = places.Distinct().ToDictionary(static z => z, z => z == zone ? 0 : Math.Max(0, Share(places, z) - Share(peers, z)));
        double allSpare = spare.Values.Sum();
        return [.. endpoints.Select(e => e with { LocalityWeight = Weight(e.Zone == zone ? stays : (1 - stays) * spare[e.Zone] / allSpare) })];
    }

    // At least the smallest: a zone without spare capacity is still there when all others fail.
    private static int Weight(double share) => Math.Max(1, (int)Math.Round(share * WeightScale));

    private static double Share(ImmutableArray<string> zones, string zone) => zones.IsEmpty ? 0 : zones.Count(z => z == zone) / (double)zones.Length;
}
