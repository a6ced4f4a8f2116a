using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>
/// Gives endpoints the priorities and weights that their localities have for one proxy (semantics 8.4). As in Istio the mesh's setting, on, holds for a rule without one,
/// and orders by distance as soon as there is an outlier detection: without it nothing would ever fail over. Pure.
/// </summary>
internal static class LocalityCompiler
{
    private const int WeightScale = 1000; // so that a weight of 1 can be divided among many localities

    /// <summary>The endpoints that get traffic from <paramref name="proxy"/>, placed.</summary>
    /// <param name="proxy">The caller.</param>
    /// <param name="peers">Zones of all instances of the caller's service.</param>
    /// <param name="policy">Policy in force.</param>
    /// <param name="endpoints">Endpoints of the service or subset, each address once.</param>
    public static ImmutableArray<EndpointConfig> Place(
        ProxyIdentity proxy, ImmutableArray<string> peers, in EffectivePolicy policy, ImmutableArray<LabelledEndpoint> endpoints)
    {
        if (policy.LoadBalancer.Value?.ZoneAwareLbSetting is { } zoneAware)
        {
            return ZoneAwareCompiler.Place(proxy.Zone, peers, zoneAware, [.. endpoints.Select(static e => e.Endpoint)]);
        }

        LocalityLbSetting setting = policy.LoadBalancer.Value?.LocalityLbSetting ?? new LocalityLbSetting();
        if (setting.Enabled != false)
        {
            if (!setting.Distribute.IsEmpty)
            {
                return Distribute(proxy, setting, endpoints);
            }

            if (policy.Outlier.Value is not null)
            {
                return Prioritize(proxy, setting, endpoints);
            }
        }

        return [.. endpoints.Select(static e => e.Endpoint)];
    }

    private static ImmutableArray<EndpointConfig> Distribute(ProxyIdentity proxy, LocalityLbSetting setting, ImmutableArray<LabelledEndpoint> endpoints)
    {
        Locality own = Locality.Parse(proxy.Zone);
        LocalityDistribute? from = proxy.Zone.Length == 0 ? null : setting.Distribute.FirstOrDefault(d => own.IsMeantBy(d.From ?? "*"));
        if (from is null)
        {
            return [.. endpoints.Select(static e => e.Endpoint)];
        }

        // The more exactly a place is named, the earlier it takes its endpoints.
        List<LabelledEndpoint> rest = [.. endpoints];
        ImmutableArray<EndpointConfig>.Builder placed = ImmutableArray.CreateBuilder<EndpointConfig>();
        foreach ((string to, int weight) in from.To.OrderBy(static t => Wildness(t.Key)))
        {
            List<EndpointConfig> meant = [.. rest.Where(e => Locality.Parse(e.Endpoint.Zone).IsMeantBy(to)).Select(static e => e.Endpoint)];
            rest.RemoveAll(e => Locality.Parse(e.Endpoint.Zone).IsMeantBy(to));
            long total = meant.Sum(static e => (long)e.Weight);
            foreach (IGrouping<string, EndpointConfig> zone in meant.GroupBy(static e => e.Zone))
            {
                long share = Math.Max(1, (long)weight * WeightScale * zone.Sum(static e => (long)e.Weight) / total);
                placed.AddRange(zone.Select(e => e with { LocalityWeight = (int)share }));
            }
        }

        return [.. placed.OrderBy(static e => e.Address, StringComparer.Ordinal)]; // places that are not listed get nothing
    }

    private static int Wildness(string place) => 3 - place.Split('/').TakeWhile(static p => p is not ("*" or "")).Count();

    private static ImmutableArray<EndpointConfig> Prioritize(ProxyIdentity proxy, LocalityLbSetting setting, ImmutableArray<LabelledEndpoint> endpoints)
    {
        bool byLabels = !setting.FailoverPriority.IsEmpty;
        bool byLocality = proxy.Zone.Length > 0 && (!byLabels || !setting.Failover.IsEmpty);
        Locality own = Locality.Parse(proxy.Zone);
        int[] priorities = new int[endpoints.Length];
        for (int i = 0; i < endpoints.Length; i++)
        {
            priorities[i] = (byLabels ? LabelPriority(proxy, setting.FailoverPriority, endpoints[i]) * 5 : 0)
                + (byLocality ? Distance(own, setting.Failover, Locality.Parse(endpoints[i].Endpoint.Zone)) : 0);
        }

        // Without gaps: 0 is what is nearest, however far that is.
        int[] inUse = [.. priorities.Distinct().Order()];
        return [.. endpoints.Select((e, i) => e.Endpoint with { Priority = Array.BinarySearch(inUse, priorities[i]) })];
    }

    private static int Distance(Locality own, ImmutableArray<LocalityFailover> failover, Locality other)
    {
        int distance = own.DistanceTo(other);
        return distance == 3 && failover.FirstOrDefault(f => f.From == own.Region) is { } mine && mine.To != other.Region ? 4 : distance;
    }

    // A label counts only if all before it match: with N labels, all of them make 0, none makes N.
    private static int LabelPriority(ProxyIdentity proxy, ImmutableArray<string> labels, LabelledEndpoint endpoint)
    {
        for (int i = 0; i < labels.Length; i++)
        {
            string[] pair = labels[i].Split('=', 2);
            string wanted = pair.Length == 2 ? pair[1] : LabelOf(proxy.Labels, proxy.Zone, pair[0]);
            if (wanted != LabelOf(endpoint.Labels, endpoint.Endpoint.Zone, pair[0]))
            {
                return labels.Length - i;
            }
        }

        return 0;
    }

    // Kubernetes' labels of a place stand for the locality where the workload does not carry them itself.
    private static string LabelOf(ImmutableSortedDictionary<string, string> labels, string zone, string name) =>
        labels.TryGetValue(name, out string? value) ? value : name switch
        {
            "topology.kubernetes.io/region" => Locality.Parse(zone).Region,
            "topology.kubernetes.io/zone" => Locality.Parse(zone).Zone,
            "topology.istio.io/subzone" => Locality.Parse(zone).Subzone,
            _ => "",
        };
}
