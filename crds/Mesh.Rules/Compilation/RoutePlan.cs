using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>
/// What the virtual services of a mesh say to one proxy. Holds as long as rules, proxy and the names of services, ports and subsets stay the same; until then the same
/// question gets the same object, so that a change of endpoints changes no route. One caller at a time.
/// </summary>
internal sealed class RoutePlan
{
    private const int DefaultHttpPort = 80;
    private readonly ProxyIdentity _proxy;
    private readonly RuleSet _rules;
    private readonly KnownHosts _known;
    private readonly VirtualServiceTable _table;
    private readonly RouteCompiler _compiler;
    private readonly Dictionary<string, ImmutableArray<HttpRouteConfig>> _routes = new(StringComparer.Ordinal);
    private readonly ConnectionRouteCompiler _connectionCompiler;
    private readonly Dictionary<string, ImmutableArray<ConnectionRouteConfig>> _connections = new(StringComparer.Ordinal);
    private ImmutableArray<VirtualHostConfig>? _ownHosts;

    public RoutePlan(ProxyIdentity proxy, RuleSet rules, KnownHosts known, SidecarScope scope)
    {
        (_proxy, _rules, _known) = (proxy, rules, known);
        _table = new VirtualServiceTable(rules, proxy.Namespace, scope.Imports);
        _compiler = new RouteCompiler(proxy, _table, known, rules.Resilience);
        _connectionCompiler = new ConnectionRouteCompiler(proxy, _table, _compiler);
    }

    /// <summary>What is to be said about the rules asked for so far.</summary>
    public IEnumerable<(RuleKey Rule, Diagnostic Finding)> Findings => _compiler.Findings
        .Concat(_table.Conflicts().Select(static c => (c.Loser.Key, VirtualServiceConflicts.Finding(c.Host, c.Loser, c.Winner))))
        .Concat(_table.Hosts.Where(IsMisspelt).Select(h => (h.Value.Key, RuleSetCheck.Warning("spec.hosts", _known.FindProblem(h.Key, 0, "") + "; only callers of that very name meet the rule"))));

    /// <summary>Whether a plan for these would be the same.</summary>
    public bool IsFor(ProxyIdentity proxy, RuleSet rules, KnownHosts known) => ReferenceEquals(rules, _rules) && proxy == _proxy && known.AreThoseOf(_known);

    /// <summary>Routes of a service port; empty when no virtual service has any for this proxy.</summary>
    public ImmutableArray<HttpRouteConfig> RoutesFor(VirtualHostConfig virtualHost, ServicePortModel service) =>
        virtualHost.IsTunnelOnly ? TunnelsFor(virtualHost, service) : _table.Find(service.Host) is { } rule ? Routes(rule, virtualHost.Name, virtualHost.Port) : [];

    /// <summary>Virtual hosts for names that no service has, on every port of HTTP services, as Istio: <c>www.example.com</c> that is routed to a service.</summary>
    public ImmutableArray<VirtualHostConfig> OwnHosts() => _ownHosts ??=
    [
        .. from host in _table.Hosts
           where !_known.IsCalled(host.Key) && !(host.Key.StartsWith('*') && _known.HasMatchOf(host.Key))
           from port in _known.HttpPorts.Append(DefaultHttpPort).Distinct()
           let name = string.Create(CultureInfo.InvariantCulture, $"{host.Key}:{port}")
           let routes = Routes(host.Value, name, port, isAdvised: port == DefaultHttpPort)
           where !routes.IsEmpty
           select new VirtualHostConfig(name, port, Domains(host.Key), "") { Routes = routes },
    ];

    /// <summary>
    /// Where the connections of a listener go that leads to <paramref name="services"/>, all of one port; <paramref name="takesLocal"/>: a client of this machine that names
    /// nobody means the first.
    /// </summary>
    public ImmutableArray<ConnectionRouteConfig> ConnectionsFor(ListenerConfig listener, IReadOnlyList<ServicePortModel> services, bool takesLocal)
    {
        string key = $"{listener.Name} {string.Join(' ', services.Select(static s => s.Host))}";
        if (!_connections.TryGetValue(key, out ImmutableArray<ConnectionRouteConfig> routes))
        {
            routes = _connectionCompiler.Compile(services, takesLocal);
            _connections.Add(key, routes);
        }

        return routes;
    }

    private ImmutableArray<HttpRouteConfig> TunnelsFor(VirtualHostConfig virtualHost, ServicePortModel service)
    {
        if (!_routes.TryGetValue(virtualHost.Name, out ImmutableArray<HttpRouteConfig> routes))
        {
            routes = _connectionCompiler.Tunnel(service, virtualHost.Name) is { } tunnel ? [tunnel] : [];
            _routes.Add(virtualHost.Name, routes);
        }

        return routes;
    }

    // A host without a service stands on every port: what is wrong with its routes is said once, not of ports that nobody meant.
    private ImmutableArray<HttpRouteConfig> Routes(RuleDocument rule, string name, int port, bool isAdvised = true)
    {
        if (!_routes.TryGetValue(name, out ImmutableArray<HttpRouteConfig> routes))
        {
            int said = _compiler.Findings.Count;
            routes = _compiler.Compile(rule, name, port);
            _routes.Add(name, routes);
            if (!isAdvised)
            {
                _compiler.Findings.RemoveRange(said, _compiler.Findings.Count - said);
            }
        }

        return routes;
    }

    private bool IsMisspelt(KeyValuePair<string, RuleDocument> host) =>
        host.Value.Key.Namespace == _proxy.Namespace && !host.Key.StartsWith('*') && host.Key.EndsWith(HostMatch.ServiceDomain, StringComparison.Ordinal) && !_known.Has(host.Key);

    // A name of the mesh is called in its short forms too, service or not.
    private ImmutableArray<string> Domains(string host)
    {
        string[] labels = host.Split('.');
        return HostMatch.IsService(labels)
            ? ServiceModel.DomainsOf(host, labels[0], labels[1], _proxy.Namespace)
            : [host.Contains(':') ? $"[{host}]" : host];
    }
}
