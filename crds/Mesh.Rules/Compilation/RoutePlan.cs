using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Kinds;
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
    private readonly Dictionary<string, CompiledRoutes> _routes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, CompiledRoutes> _former = [];
    private readonly ConnectionRouteCompiler _connectionCompiler;
    private readonly Dictionary<string, Advised<ConnectionRouteConfig>> _connections = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Advised<HttpRouteConfig>> _tunnels = new(StringComparer.Ordinal);
    private readonly List<(RuleKey Rule, Diagnostic Finding)> _ofConnections = []; // of this compile
    private ImmutableArray<VirtualHostConfig>? _ownHosts;
    private ImmutableArray<(RuleKey Rule, Diagnostic Finding)>? _tableFindings;

    public RoutePlan(ProxyIdentity proxy, RuleSet rules, KnownHosts known, SidecarScope scope, RoutePlan? former)
    {
        (_proxy, _rules, _known) = (proxy, rules, known);
        if (former is not null && proxy == former._proxy && ReferenceEquals(rules.Policies, former._rules.Policies) && known.AreThoseOf(former._known))
        {
            _former = former._routes;
        }

        _table = new VirtualServiceTable(rules, proxy.Namespace, scope.Imports);
        _compiler = new RouteCompiler(proxy, _table, known, rules.Policies.Resilience);
        _connectionCompiler = new ConnectionRouteCompiler(proxy, _table, _compiler);
    }

    /// <summary>What is to be said about the rules asked for so far.</summary>
    public IEnumerable<(RuleKey Rule, Diagnostic Finding)> Findings => _compiler.Findings.Concat(_ofConnections).Concat(_tableFindings ??=
    [
        .. _table.Conflicts().Select(static c => (c.Loser.Key, VirtualServiceConflicts.Finding(c.Host, c.Loser, c.Winner))),
        .. _table.Hosts.Where(IsMisspelt).Select(h => (h.Value.Key, RuleSetCheck.Warning("spec.hosts", _known.FindProblem(h.Key, 0, "") + "; only callers of that very name meet the rule"))),
    ]);

    /// <summary>A compile begins: what was said about connections in the one before is said again by those that ask again.</summary>
    public void Begin() => _ofConnections.Clear();

    /// <summary>Whether a plan for these would be the same.</summary>
    public bool IsFor(ProxyIdentity proxy, RuleSet rules, KnownHosts known) => rules.HasSameOthers(_rules) && rules.ServiceEntries == _rules.ServiceEntries && proxy == _proxy && known.AreThoseOf(_known);

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
        if (!_connections.TryGetValue(key, out Advised<ConnectionRouteConfig>? last) || !last.IsOf(services))
        {
            _connections[key] = last = Advise([.. services], () => _connectionCompiler.Compile(services, takesLocal));
        }

        _ofConnections.AddRange(last.Findings);
        return last.Routes;
    }

    private ImmutableArray<HttpRouteConfig> TunnelsFor(VirtualHostConfig virtualHost, ServicePortModel service)
    {
        if (!_tunnels.TryGetValue(virtualHost.Name, out Advised<HttpRouteConfig>? last) || !last.IsOf([service]))
        {
            _tunnels[virtualHost.Name] = last = Advise<HttpRouteConfig>([service], () => _connectionCompiler.Tunnel(service, virtualHost.Name) is { } tunnel ? [tunnel] : []);
        }

        _ofConnections.AddRange(last.Findings);
        return last.Routes;
    }

    private Advised<T> Advise<T>(ServicePortModel[] of, Func<ImmutableArray<T>> compile)
    {
        (ImmutableArray<T> routes, List<(RuleKey Rule, Diagnostic Finding)> findings) = Apart(compile);
        return new Advised<T>(of, routes, findings);
    }

    // What the compiler says meanwhile is kept with its outcome, to be said again whenever that is used.
    private (T Outcome, List<(RuleKey Rule, Diagnostic Finding)> Findings) Apart<T>(Func<T> compile)
    {
        int said = _compiler.Findings.Count;
        T outcome = compile();
        List<(RuleKey Rule, Diagnostic Finding)> findings = _compiler.Findings.GetRange(said, _compiler.Findings.Count - said);
        _compiler.Findings.RemoveRange(said, findings.Count);
        return (outcome, findings);
    }

    // A host without a service stands on every port: what is wrong with its routes is said once, not of ports that nobody meant.
    private ImmutableArray<HttpRouteConfig> Routes(RuleDocument rule, string name, int port, bool isAdvised = true)
    {
        if (!_routes.TryGetValue(name, out CompiledRoutes? compiled))
        {
            compiled = _former.TryGetValue(name, out CompiledRoutes? same) && ReferenceEquals(same.Rule, rule) && !HasDelegates(rule) ? same : Compile(rule, name, port, isAdvised);
            _compiler.Findings.AddRange(compiled.Findings);
            _routes.Add(name, compiled);
        }

        return compiled.Routes;
    }

    // Their routes stand in other documents, which may have changed.
    private static bool HasDelegates(RuleDocument rule) => ((VirtualService)rule.Spec).Http.Any(static r => r.Delegate is not null);

    private CompiledRoutes Compile(RuleDocument rule, string name, int port, bool isAdvised)
    {
        (ImmutableArray<HttpRouteConfig> routes, List<(RuleKey Rule, Diagnostic Finding)> findings) = Apart(() => _compiler.Compile(rule, name, port));
        return new CompiledRoutes(rule, routes, isAdvised ? findings : []);
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

    /// <summary>Routes of one virtual host, what they were made of, and what is to be said about them.</summary>
    private sealed record CompiledRoutes(RuleDocument Rule, ImmutableArray<HttpRouteConfig> Routes, List<(RuleKey Rule, Diagnostic Finding)> Findings);

    /// <summary>Routes of connections, the services they are for, and what is to be said about them.</summary>
    private sealed record Advised<T>(ServicePortModel[] Of, ImmutableArray<T> Routes, List<(RuleKey Rule, Diagnostic Finding)> Findings)
    {
        /// <summary>Whether they are for these very objects.</summary>
        public bool IsOf(IReadOnlyList<ServicePortModel> services) => Of.SequenceEqual(services, ReferenceEqualityComparer.Instance);
    }
}
