using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>
/// Turns a mesh view into the snapshot of one proxy. The result depends on the arguments alone; what did not change since the last call comes back as the same object, so an
/// applier compares by reference. One caller at a time.
/// </summary>
public sealed class SnapshotCompiler
{
    private ImmutableDictionary<RuleKey, RuleDocument>? _lastRules;
    private RuleSet _rules = RuleSet.Create([]);
    private ImmutableDictionary<string, ClusterConfig> _clusters = ImmutableDictionary<string, ClusterConfig>.Empty;
    private ImmutableDictionary<string, ImmutableArray<EndpointConfig>> _endpoints = ImmutableDictionary<string, ImmutableArray<EndpointConfig>>.Empty;
    private readonly Dictionary<(string Host, string Namespace), EffectiveRule?> _lookups = [];

    /// <summary>Compiles <paramref name="view"/> for <paramref name="proxy"/>.</summary>
    public CompileResult Compile(ProxyIdentity proxy, MeshView view, string version)
    {
        if (!ReferenceEquals(view.Rules, _lastRules))
        {
            _rules = RuleSet.Create(view.Rules.Values);
            _lastRules = view.Rules;
            _lookups.Clear();
        }

        Work work = new(proxy, this);
        foreach (ServicePortModel service in ServiceModel.For(proxy, view, _rules))
        {
            work.AddService(service);
        }

        work.AddInbound();
        work.CheckRules(view);
        _clusters = work.Clusters.ToImmutable();
        _endpoints = work.Endpoints.ToImmutable();
        ProxySnapshot snapshot = new(version, _clusters, _endpoints, new RouteConfig(work.Hosts.ToImmutable()), work.Listeners.ToImmutable());
        return new CompileResult(snapshot, work.Findings.ToImmutable());
    }

    private EffectiveRule? Lookup(ProxyIdentity proxy, string host, string serviceNamespace)
    {
        if (!_lookups.TryGetValue((host, serviceNamespace), out EffectiveRule? rule))
        {
            rule = DestinationRuleLookup.Find(_rules, proxy.Namespace, proxy.Labels, serviceNamespace, host);
            _lookups.Add((host, serviceNamespace), rule);
        }

        return rule;
    }

    private ClusterConfig Reuse(ClusterConfig fresh) => _clusters.TryGetValue(fresh.Name, out ClusterConfig? known) && known == fresh ? known : fresh;

    private ImmutableArray<EndpointConfig> Reuse(string cluster, ImmutableArray<EndpointConfig> fresh) =>
        _endpoints.TryGetValue(cluster, out ImmutableArray<EndpointConfig> known) && known.SequenceEqual(fresh) ? known : fresh;

    /// <summary>What one compile gathers.</summary>
    private sealed class Work(ProxyIdentity proxy, SnapshotCompiler compiler)
    {
        private readonly HashSet<(string Domain, int Port)> _takenDomains = [];
        private readonly HashSet<(string Address, int Port)> _takenAddresses = [];
        private readonly HashSet<string> _hosts = [];
        private readonly HashSet<EffectiveRule> _used = [];
        private ServicePortModel? _own;

        public ImmutableDictionary<string, ClusterConfig>.Builder Clusters { get; } = ImmutableDictionary.CreateBuilder<string, ClusterConfig>();

        public ImmutableDictionary<string, ImmutableArray<EndpointConfig>>.Builder Endpoints { get; } =
            ImmutableDictionary.CreateBuilder<string, ImmutableArray<EndpointConfig>>();

        public ImmutableArray<VirtualHostConfig>.Builder Hosts { get; } = ImmutableArray.CreateBuilder<VirtualHostConfig>();

        public ImmutableArray<ListenerConfig>.Builder Listeners { get; } = ImmutableArray.CreateBuilder<ListenerConfig>();

        public ImmutableArray<(RuleKey Rule, Diagnostic Finding)>.Builder Findings { get; } = ImmutableArray.CreateBuilder<(RuleKey, Diagnostic)>();

        public void AddService(ServicePortModel service)
        {
            string name = ClusterCompiler.OutboundName(service.Host, service.Port);
            if (Clusters.ContainsKey(name))
            {
                Warn(service.Source, "spec.hosts", $"'{service.Host}' port {service.Port} is defined by another service too; the older one counts");
                return;
            }

            _hosts.Add(service.Host);
            EffectiveRule? rule = compiler.Lookup(proxy, service.Host, service.Namespace);
            AddCluster(service, rule, null);
            foreach (EffectiveSubset subset in rule?.Subsets ?? [])
            {
                AddCluster(service, rule, subset);
            }

            AddRoute(service, name);
            AddListeners(service, name);
            if (service.Namespace == proxy.Namespace && service.Name == proxy.Service && service.Port == proxy.ServicePort)
            {
                _own = service;
            }
        }

        public void AddInbound()
        {
            if (proxy.AppAddress.Length == 0)
            {
                return;
            }

            string host = HostMatch.ServiceHost(proxy.Service, proxy.Namespace);
            ServicePortModel own = _own ?? new(host, proxy.Service, proxy.Namespace, proxy.ServicePort, IsHttp: true, [], [], null, []);
            ClusterConfig cluster = compiler.Reuse(ClusterCompiler.Inbound(own, compiler.Lookup(proxy, host, proxy.Namespace)));
            EndpointConfig app = new(
                proxy.AppAddress, 1, proxy.Zone, proxy.Service, proxy.Namespace, proxy.Labels.GetValueOrDefault("version", "latest"));
            Clusters[cluster.Name] = cluster;
            Endpoints[cluster.Name] = compiler.Reuse(cluster.Name, [app]);
        }

        public void CheckRules(MeshView view)
        {
            HashSet<(string, string)> several = [];
            foreach (EffectiveRule rule in _used.Where(static r => r.Rules.Length > 1))
            {
                foreach (RuleDocument document in rule.Rules)
                {
                    foreach (Diagnostic finding in RuleSetCheck.Check(document, view.Rules.Values))
                    {
                        if (several.Add((document.Key.ToString(), finding.Message)))
                        {
                            Findings.Add((document.Key, finding));
                        }
                    }
                }
            }

            foreach (EffectiveRule rule in compiler._rules.AllEffective().Where(r => r.Namespace == proxy.Namespace && !_hosts.Any(h => HostMatch.Matches(r.Host, h))))
            {
                Warn(rule.Rules[0].Key, "spec.host", $"no service or ServiceEntry named '{rule.Host}' is known; the rule waits for one");
            }
        }

        private void AddCluster(ServicePortModel service, EffectiveRule? rule, EffectiveSubset? subset)
        {
            if (rule is not null)
            {
                _used.Add(rule);
            }

            ClusterConfig cluster = compiler.Reuse(ClusterCompiler.Outbound(service, rule, subset));
            ImmutableArray<EndpointConfig> endpoints =
                [.. service.Endpoints.Where(e => subset is null || LabelMatch.HasAll(e.Labels, subset.Subset.Labels)).Select(static e => e.Endpoint).DistinctBy(static e => e.Address)];
            Clusters[cluster.Name] = cluster;
            Endpoints[cluster.Name] = compiler.Reuse(cluster.Name, endpoints);
            if (cluster.Outlier is { } outlier && endpoints.Length > 0 && endpoints.Length * outlier.MaxEjectionPercent / 100 == 0)
            {
                Warn(
                    subset?.Rule.Key ?? rule?.PolicyRule?.Key, "spec.trafficPolicy.outlierDetection.maxEjectionPercent",
                    $"outlier detection can never eject: {outlier.MaxEjectionPercent} % of {endpoints.Length} endpoint(s) of '{service.Host}' is less than one; " +
                    $"write {(int)Math.Ceiling(100.0 / endpoints.Length)} or more");
            }
        }

        private void AddRoute(ServicePortModel service, string cluster)
        {
            if (!service.IsHttp)
            {
                return;
            }

            ImmutableArray<string> domains = [.. service.Domains.Distinct().Where(d => _takenDomains.Add((d, service.Port)))];
            if (domains.Length > 0)
            {
                Hosts.Add(new VirtualHostConfig(string.Create(CultureInfo.InvariantCulture, $"{service.Host}:{service.Port}"), service.Port, domains, cluster));
            }
        }

        private void AddListeners(ServicePortModel service, string cluster)
        {
            foreach (string address in service.Listeners)
            {
                if (_takenAddresses.Add((address, service.Port)))
                {
                    Listeners.Add(new ListenerConfig(
                        string.Create(CultureInfo.InvariantCulture, $"{address}_{service.Port}"), address, service.Port, cluster, service.Source?.ToString() ?? ""));
                }
                else
                {
                    Warn(service.Source, "spec.addresses", $"{address} port {service.Port} leads to another service already; give '{service.Host}' an address of its own");
                }
            }
        }

        private void Warn(RuleKey? rule, string path, string message)
        {
            if (rule is { } key)
            {
                Findings.Add((key, new Diagnostic(Severity.Warning, DiagnosticCode.Advice, path, 0, 0, message)));
            }
        }
    }
}
