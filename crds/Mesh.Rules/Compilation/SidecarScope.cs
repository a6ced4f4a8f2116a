using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>
/// What the Sidecar in force lets one proxy see and do (semantics 7). A port has its own egress listener, or else the one without port, and that listener's hosts decide.
/// Without a Sidecar, or without egress, everything is seen. Not thread-safe.
/// </summary>
internal sealed class SidecarScope
{
    private readonly ProxyIdentity _proxy;
    private readonly RuleSet _rules;
    private readonly RuleDocument? _rule;
    private readonly Sidecar _spec;
    private readonly ImmutableArray<ImmutableArray<EgressHost>> _egress;
    private readonly Dictionary<string, HashSet<string>> _namespacesByHost = new(StringComparer.Ordinal);
    private HashSet<string>? _destinations;

    public SidecarScope(RuleSet rules, ProxyIdentity proxy)
    {
        (_rules, _proxy) = (rules, proxy);
        _rule = rules.Sidecars.Find(proxy.Namespace, proxy.Labels);
        _spec = _rule?.Spec as Sidecar ?? new Sidecar();
        _egress = [.. _spec.Egress.Select(e => e.Hosts.Select(h => EgressHost.Read(h, proxy.Namespace)).OfType<EgressHost>().ToImmutableArray())];
    }

    /// <summary>What happens to calls for what is not seen. A block without mode means REGISTRY_ONLY, although the mesh's own default is ALLOW_ANY: so it is in Istio.</summary>
    public OutboundTrafficPolicy OutboundPolicy =>
        _spec.OutboundTrafficPolicy is null or { Mode: OutboundPolicySettings.AllowAny } ? OutboundTrafficPolicy.AllowAny : OutboundTrafficPolicy.RegistryOnly;

    /// <summary>
    /// The service port as the proxy sees it: as it is; without names and listeners when only routes lead to it; null when it is hidden.
    /// </summary>
    public ServicePortModel? View(ServicePortModel service)
    {
        Remember(service);
        if (_egress.IsEmpty)
        {
            return service;
        }

        int listener = ListenerOf(service.Port);
        if (listener >= 0 && Covers(_egress[listener], service.Namespace, service.Host))
        {
            string? bind = _spec.Egress[listener].Bind;
            return IPAddress.TryParse(bind, out IPAddress? ip) && !service.IsHttp ? service with { Listeners = [ip.ToString()], IsForAnyAddress = false } : service;
        }

        return Destinations().Contains(service.Host) ? service with { Domains = [], Listeners = [] } : null;
    }

    /// <summary>Whether routes of that virtual service count: one of its hosts is let in from its namespace.</summary>
    public bool Imports(RuleDocument virtualService) =>
        _egress.IsEmpty || VirtualServiceTable.HostsOf(virtualService).Any(host => _egress.Any(l => Covers(l, virtualService.Key.Namespace, host, isPattern: true)));

    /// <summary>Where the application listens, if the ingress listener of <paramref name="port"/> says so; else <paramref name="known"/>, which the sidecar was started with.</summary>
    public string AppAddress(int port, string known)
    {
        if (Ingress(port) < 0 || !IPEndPoint.TryParse(_spec.Ingress[Ingress(port)].DefaultEndpoint ?? "", out IPEndPoint? written))
        {
            return known;
        }

        bool isAny = written.Address.Equals(IPAddress.Any) || written.Address.Equals(IPAddress.IPv6Any);
        return isAny && IPEndPoint.TryParse(known, out IPEndPoint? app) ? new IPEndPoint(app.Address, written.Port).ToString() : written.ToString();
    }

    /// <summary>Limits in front of the application that stand in place of a DestinationRule's; empty when there are none.</summary>
    public SourcedBlock<ConnectionPoolSettings> InboundPool(int port)
    {
        int listener = Ingress(port);
        return listener >= 0 && _spec.Ingress[listener].ConnectionPool is { } own ? new(own, Place(string.Create(CultureInfo.InvariantCulture, $"spec.ingress[{listener}].connectionPool")))
            : _spec.InboundConnectionPool is { } common ? new(common, Place("spec.inboundConnectionPool"))
            : default;
    }

    /// <summary>What is to be said about the Sidecar, of a proxy in front of <paramref name="ports"/>. After all services.</summary>
    public IEnumerable<(RuleKey Rule, Diagnostic Finding)> Findings(ImmutableArray<int> ports)
    {
        if (_rule is null || _rule.Key.Namespace != _proxy.Namespace)
        {
            yield break; // of the root namespace: it is meant for many, and is told by none
        }

        foreach (RuleDocument other in _rules.Sidecars.Selecting(_proxy.Namespace, _proxy.Labels).Where(r => r.Key != _rule.Key))
        {
            yield return (other.Key, RuleSetCheck.Warning(
                "spec.workloadSelector", $"the older Sidecar '{_rule.Key.Name}' selects workloads of '{_proxy.Service}' too, and only that one counts for them; give each workload one Sidecar") with
            {
                Check = "several-sidecars",
            });
        }

        for (int i = 0; ports.Length > 0 && i < _spec.Ingress.Length; i++)
        {
            if (_spec.Ingress[i].Port?.Number is { } port && !ports.Contains(port))
            {
                string problem = _proxy.PodAddresses.IsEmpty
                    ? $"the sidecars of '{_proxy.Service}' stand in front of port {ports[0]} alone, so nothing listens on {port}; start a sidecar for that port"
                    : $"no service leads to port {port} of '{_proxy.Service}', so its connections pass without limits; name the port in a service (targetPort)";
                yield return (_rule.Key, RuleSetCheck.Warning($"spec.ingress[{i}].port", problem));
            }
        }

        for (int i = 0; i < _egress.Length; i++)
        {
            for (int j = 0; j < _egress[i].Length; j++)
            {
                if (Unknown(_egress[i][j]) is { } problem)
                {
                    yield return (_rule.Key, RuleSetCheck.Warning($"spec.egress[{i}].hosts[{j}]", problem) with { Check = "egress-host-unknown" });
                }
            }
        }
    }

    // Names only: a wildcard that fits nothing yet is a fence, no mistake.
    private string? Unknown(EgressHost host)
    {
        if (host.Pattern.StartsWith('*') || host.Namespace == "~")
        {
            return null;
        }

        if (!_namespacesByHost.TryGetValue(host.Pattern, out HashSet<string>? namespaces))
        {
            string hint = !host.Pattern.Contains('.') ? $"; write {HostMatch.ServiceHost(host.Pattern, host.Namespace == "*" ? _proxy.Namespace : host.Namespace)}" : "";
            return $"no service or ServiceEntry named '{host.Pattern}' is known; the sidecar waits for one{hint}";
        }

        return host.Namespace == "*" || namespaces.Contains(host.Namespace)
            ? null
            : $"'{host.Pattern}' is not in namespace '{host.Namespace}'; write {namespaces.Order(StringComparer.Ordinal).First()}/{host.Pattern}";
    }

    private void Remember(ServicePortModel service)
    {
        if (!_namespacesByHost.TryGetValue(service.Host, out HashSet<string>? namespaces))
        {
            _namespacesByHost.Add(service.Host, namespaces = new HashSet<string>(StringComparer.Ordinal));
        }

        namespaces.Add(service.Namespace);
    }

    private int ListenerOf(int port)
    {
        int catchAll = -1;
        for (int i = 0; i < _spec.Egress.Length; i++)
        {
            if (_spec.Egress[i].Port?.Number == port)
            {
                return i;
            }

            catchAll = _spec.Egress[i].Port is null ? i : catchAll;
        }

        return catchAll;
    }

    private int Ingress(int port)
    {
        for (int i = 0; i < _spec.Ingress.Length; i++)
        {
            if (_spec.Ingress[i].Port?.Number == port)
            {
                return i;
            }
        }

        return -1;
    }

    // The host of a virtual service may be a pattern that fits more than what is let in: that is enough for it to count.
    private static bool Covers(ImmutableArray<EgressHost> hosts, string serviceNamespace, string host, bool isPattern = false) =>
        hosts.Any(h => !h.IsExclusion && (h.Covers(serviceNamespace, host) || (isPattern && h.Covers(serviceNamespace, h.Pattern) && HostMatch.Matches(host, h.Pattern)))) && !hosts.Any(h => h.IsExclusion && h.Covers(serviceNamespace, host));

    // Who may use a route may use what it leads to, wherever that is.
    private HashSet<string> Destinations() => _destinations ??=
        [.. new VirtualServiceTable(_rules, _proxy.Namespace, Imports).AllDestinations()];

    private string Place(string path) => $"{_rule!.Key.Namespace}/{_rule.Key.Name}#{path}";
}
