using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Advice;

/// <summary>Advice about a rule that needs the service entries of its hosts: what an integration guide would say to its author. Pure.</summary>
internal static class RuleAdvice
{
    private static readonly TimeSpan LongestConnect = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan DefaultConnect = TimeSpan.FromSeconds(10);

    /// <summary>What holds wherever the rule is used; for callers and for the status alike.</summary>
    public static IEnumerable<Diagnostic> Check(RuleDocument rule, ExternalHosts hosts) => rule.Spec switch
    {
        DestinationRule destination => OnDestination(destination, HostMatch.Expand(destination.Host ?? "", rule.Key.Namespace), hosts),
        VirtualService service => OnRoutes(service, rule.Key.Namespace, hosts),
        ServiceEntry => EntryAdvice.Check(rule, hosts),
        ResiliencePolicy => PolicyAdvice.Check(rule, hosts.All),
        WorkloadEntry => WorkloadAdvice.OnWorkload(rule, hosts.Selecting(rule.Key.Namespace)),
        _ => [],
    };

    /// <summary>
    /// What the endpoints that entries list say of a destination rule. The status has it from the endpoints that are really there (<c>SnapshotAdvice</c>), hence apart.
    /// </summary>
    public static IEnumerable<Diagnostic> CheckEndpoints(RuleDocument rule, ExternalHosts hosts)
    {
        string host = HostMatch.Expand((rule.Spec as DestinationRule)?.Host ?? "", rule.Key.Namespace);
        if (FullNameOf(host) is { } full && !hosts.Has(host))
        {
            yield return Of("dotted-host", "spec.host", $"'{host}' is taken as it is, and no ServiceEntry has that host; for the service of that name and namespace write {full}");
        }

        foreach (Diagnostic empty in OnSubsets(rule.Spec as DestinationRule, host, hosts))
        {
            yield return empty;
        }

        if (rule.Spec is not DestinationRule { TrafficPolicy: { OutlierDetection: { } outlier } policy })
        {
            yield break;
        }

        foreach (ServiceEntry entry in hosts.Entries(host).Where(static e => !e.Endpoints.IsEmpty))
        {
            int count = entry.Endpoints.Length;
            if (outlier.MaxEjectionPercent is > 0 and int percent && count * percent / 100 == 0) // unset is said by the rule's own check
            {
                yield return Of(
                    "never-ejects", "spec.trafficPolicy.outlierDetection.maxEjectionPercent",
                    string.Create(CultureInfo.InvariantCulture, $"outlier detection can never eject: {percent} % of the {count} endpoint(s) of '{entry.Hosts[0]}' is less than one; write {(int)Math.Ceiling(100.0 / count)} or more"));
            }

            if (ZoneAffinity(policy.LoadBalancer, entry.Endpoints.Select(static e => e.Locality ?? "")) is { } surprise)
            {
                yield return surprise with { Path = "spec.trafficPolicy.outlierDetection" };
            }
        }
    }

    /// <summary>A subset that fits none of a service's endpoints.</summary>
    public static Diagnostic EmptySubset(Subset subset, int index, string service) => Of(
        "subset-empty", $"spec.subsets[{index}].labels",
        $"no endpoint of {service} has {string.Join(", ", subset.Labels.Select(static l => $"{l.Key}: {l.Value}"))}; what is sent to subset '{subset.Name}' is answered 503 (UH, no healthy upstream)");

    /// <summary>The name in full that <c>reviews.prod</c> or <c>reviews.prod.svc</c> may stand for; null for every other host.</summary>
    public static string? FullNameOf(string host) => host.Split('.') switch
    {
        [['*', ..], ..] => null,
        [string service, string space] => HostMatch.ServiceHost(service, space),
        [string service, string space, "svc"] => HostMatch.ServiceHost(service, space),
        _ => null,
    };

    /// <summary>Outlier detection that makes callers prefer their own zone although nobody wrote so (semantics 12, thread 16), or null.</summary>
    private static Diagnostic? ZoneAffinity(LoadBalancerSettings? balancer, IEnumerable<string> localities) =>
        balancer?.LocalityLbSetting is not null || localities.Where(static l => l.Length > 0).Distinct(StringComparer.Ordinal).Count() < 2
            ? null
            : Of(
                "zone-affinity", "",
                "with endpoints in several zones, outlierDetection makes callers stay in their own zone while it is healthy; " +
                "write loadBalancer: {localityLbSetting: {enabled: false}} to use all, or enabled: true to say that it is meant");

    private static IEnumerable<Diagnostic> OnSubsets(DestinationRule? rule, string host, ExternalHosts hosts)
    {
        WorkloadEntry[] listed = [.. hosts.Entries(host).SelectMany(static e => e.Endpoints)];
        for (int i = 0; listed.Length > 0 && i < rule?.Subsets.Length; i++)
        {
            if (!listed.Any(e => LabelMatch.HasAll(e.Labels, rule.Subsets[i].Labels)))
            {
                yield return EmptySubset(rule.Subsets[i], i, $"'{host}'");
            }
        }
    }

    private static IEnumerable<Diagnostic> OnDestination(DestinationRule rule, string host, ExternalHosts hosts)
    {
        if (rule.TrafficPolicy is not { } policy)
        {
            yield break;
        }

        if (hosts.IsExternal(host))
        {
            TimeSpan? written = policy.ConnectionPool?.Tcp?.ConnectTimeout;
            if ((written ?? DefaultConnect) > LongestConnect)
            {
                string now = written is { } value ? DurationText.Short(value) : $"unset, which is {DurationText.Short(DefaultConnect)},";
                yield return Of(
                    "long-connect-timeout", "spec.trafficPolicy.connectionPool.tcp.connectTimeout",
                    $"{now} is long for a host outside the mesh: callers wait that long when it is down; write 3s to {DurationText.Short(LongestConnect)}");
            }
        }

        if (policy.ConnectionPool is { Tcp.MaxConnections: > 0 } and not { Http.Http2MaxRequests: > 0 } && hosts.Entries(host).Any(IsGrpc))
        {
            yield return Of(
                "grpc-tcp-limit", "spec.trafficPolicy.connectionPool.tcp.maxConnections",
                "hardly limits gRPC, which sends all requests over few connections; write http: {http2MaxRequests: N}");
        }
    }

    // Once for each host, at the first route to it: the others lack the same.
    private static IEnumerable<Diagnostic> OnRoutes(VirtualService rule, string ruleNamespace, ExternalHosts hosts)
    {
        HashSet<string> told = new(StringComparer.Ordinal);
        for (int i = 0; i < rule.Http.Length; i++)
        {
            HttpRoute route = rule.Http[i];
            string? external = route.Timeout > TimeSpan.Zero ? null : route.Route
                .Select(d => HostMatch.Expand(d.Destination?.Host ?? "", ruleNamespace))
                .FirstOrDefault(hosts.IsExternal);
            if (external is not null && told.Add(external))
            {
                yield return Of(
                    "no-timeout", $"spec.http[{i}].timeout",
                    $"'{external}' is outside the mesh, and without a timeout its callers wait for it as long as it likes; write timeout: 10s, or what it promises");
            }
        }
    }

    private static bool IsGrpc(ServiceEntry entry) =>
        entry.Ports.Any(static p => p.Protocol?.StartsWith("GRPC", StringComparison.OrdinalIgnoreCase) == true);

    private static Diagnostic Of(string check, string path, string message) => RuleSetCheck.Warning(path, message) with { Check = check };
}
