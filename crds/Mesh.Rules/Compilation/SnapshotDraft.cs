using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Mesh.Rules.Advice;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>What one compile gathers, service port by service port. Not thread-safe; used once.</summary>
/// <param name="proxy">Whose snapshot it is.</param>
/// <param name="peers">Zones of all instances of the proxy's service.</param>
/// <param name="scope">What the proxy sees.</param>
/// <param name="compiler">Keeps what the last call made.</param>
internal sealed class SnapshotDraft(ProxyIdentity proxy, ImmutableArray<string> peers, SidecarScope scope, SnapshotCompiler compiler)
{
    private readonly Dictionary<(string Domain, int Port), string> _domains = [];
    private readonly HashSet<string> _hosts = [];
    private readonly HashSet<RuleKey> _served = [];
    private readonly HashSet<EffectiveRule> _used = new(ReferenceEqualityComparer.Instance);
    private readonly List<(VirtualHostConfig VirtualHost, ServicePortModel Service)> _virtualHosts = [];
    private readonly ListenerDrafts _listeners = new();
    private readonly KnownHosts _known = new();
    private readonly List<(RuleKey Rule, Diagnostic Finding)> _findings = [];
    private readonly List<string> _fresh = []; // names of the clusters that are not the very same as after the last call
    private ServicePortModel? _own;

    /// <summary>Clusters so far.</summary>
    public Dictionary<string, CompiledCluster> Clusters { get; } = new(compiler.ClusterCount);

    /// <summary>Adds the clusters, routes and listeners of a service port; of two with one host and port the first counts.</summary>
    public void AddService(ServicePortModel service)
    {
        string name = ClusterCompiler.OutboundName(service.Host, service.Port);
        if (Clusters.ContainsKey(name))
        {
            Warn(service, "spec.hosts", $"'{service.Host}' port {service.Port} is defined by another service too; the older one counts");
            return;
        }

        Note(service);
        EffectiveRule? rule = compiler.Lookup(proxy, service.Host, service.Namespace);
        EffectiveRule? shadow = compiler.Lookup(proxy, service.Host, service.Namespace, inShadow: true);
        AddCluster(service, rule, null, shadow);
        foreach (EffectiveSubset subset in rule?.Subsets ?? [])
        {
            if (!string.IsNullOrEmpty(subset.Subset.Name)) // refused when read; without a name it would be the cluster of the whole service
            {
                AddCluster(service, rule, subset, shadow);
            }
        }

        _known.Add(service, rule?.Subsets.Select(static s => s.Subset.Name ?? "") ?? []);
        AddRoute(service, name);
        AddListeners(service);
    }

    /// <summary>Takes note of a service that the proxy does not see: it is there all the same.</summary>
    public void AddHidden(ServicePortModel service) => Note(service);

    /// <summary>Adds the clusters of the own application, if there is one. After the services.</summary>
    /// <param name="ports">Ports of the pod that services lead to; none beside one application.</param>
    public void AddInbound(ImmutableArray<OwnPort> ports)
    {
        foreach (OwnPort port in ports)
        {
            AddInbound(port.Service, port.Number, new IPEndPoint(proxy.PodAddresses[0], port.Number).ToString());
        }

        if (proxy.AppAddress.Length > 0)
        {
            string host = HostMatch.ServiceHost(proxy.Service, proxy.Namespace);
            AddInbound(_own ?? new(host, proxy.Service, proxy.Namespace, proxy.ServicePort, IsHttp: false, [], [], null, []), proxy.ServicePort, proxy.AppAddress);
        }

        _findings.AddRange(scope.Findings(proxy.AppAddress.Length > 0 ? [proxy.ServicePort] : [.. ports.Select(static p => p.Number)]));
    }

    private void AddInbound(ServicePortModel own, int port, string known)
    {
        // A workload selector says which clients a rule is for; in front of the own application it selects nobody.
        EffectiveRule? rule = Rule(inShadow: false);
        string address = scope.AppAddress(port, known);
        ClusterInputs inputs = new(own, rule, null)
        {
            Shadow = Rule(inShadow: true),
            InboundPool = scope.InboundPool(port),
            InboundPort = port,
            Policies = compiler.Rules.Policies.For(new PolicyTarget(proxy.Namespace, own.Namespace, own.Host, own.Port, IsCallee: true)),
            IsDialledByDestination = !proxy.PodAddresses.IsEmpty && address == known, // as Istio: it may listen on any address of its pod
        };
        EndpointConfig app = new(address, 1, proxy.Zone, proxy.Service, proxy.Namespace, proxy.Labels.GetValueOrDefault("version", "latest"));
        string name = ClusterCompiler.InboundName(port);
        _fresh.Add(name);
        CompiledCluster cluster = compiler.Cluster(name, inputs, inputs.IsDialledByDestination ? [] : [app], static i => ShadowCompiler.Apply(PolicyCompiler.Apply(ClusterCompiler.Inbound(i), i.Policies), i));
        Clusters.Add(name, cluster);
        if (SnapshotAdvice.OnCallsOfBytes(cluster.Config, inputs.Policies.Resilience) is { } finding)
        {
            _findings.Add(finding);
        }

        EffectiveRule? Rule(bool inShadow) =>
            DestinationRuleLookup.Find(compiler.Rules, proxy.Namespace, ImmutableSortedDictionary<string, string>.Empty, own.Namespace, own.Host, inShadow);
    }

    /// <summary>The snapshot, and the findings in order of rule and place.</summary>
    /// <param name="version">Version of the snapshot.</param>
    /// <param name="last">Snapshot of the last call.</param>
    public CompileResult Finish(string version, ProxySnapshot last)
    {
        RoutePlan plan = compiler.Routes(proxy, _known, scope);
        ImmutableArray<VirtualHostConfig> virtualHosts =
        [
            .. _virtualHosts.Select(v => v.VirtualHost with { Routes = plan.RoutesFor(v.VirtualHost, v.Service) }),
            .. plan.OwnHosts().Select(Unclaimed).Where(static v => !v.Domains.IsEmpty),
        ];
        ImmutableArray<ListenerConfig> listeners = _listeners.Finish(plan);
        _findings.AddRange(SnapshotAdvice.OnRules(compiler.Rules, proxy.Namespace, _used, _hosts));
        _findings.AddRange(SnapshotAdvice.OnSelectors(compiler.Rules, proxy.Namespace, _served));
        _findings.AddRange(SnapshotAdvice.OnPolicies(compiler.Rules.Policies, proxy.Namespace, _hosts));
        _findings.AddRange(SnapshotAdvice.OnFallbacks(Clusters, proxy.Namespace));
        _findings.AddRange(compiler.Rules.Advice.Value.Where(a => a.Rule.Key.Namespace == proxy.Namespace).Select(static a => (a.Rule.Key, a.Finding)));
        _findings.AddRange(plan.Findings);
        ProxySnapshot snapshot = new(
            version,
            Updated(last.Clusters, static c => c.Config, static (a, b) => ReferenceEquals(a, b)),
            Updated(last.Endpoints, static c => c.Endpoints, static (a, b) => a == b),
            new RouteConfig(virtualHosts),
            listeners)
        {
            OutboundPolicy = scope.OutboundPolicy,
        };
        return new CompileResult(snapshot, SnapshotAdvice.InOrder(_findings));
    }

    private void Note(ServicePortModel service)
    {
        _hosts.Add(service.Host);
        if (service.Source is { } source && !service.Endpoints.IsEmpty)
        {
            _served.Add(source);
        }

        if (service.Namespace == proxy.Namespace && service.Name == proxy.Service && service.Port == proxy.ServicePort)
        {
            _own = service;
        }
    }

    // Much cheaper than a new dictionary when little has changed.
    private ImmutableDictionary<string, T> Updated<T>(ImmutableDictionary<string, T> last, Func<CompiledCluster, T> value, Func<T, T, bool> isSame)
    {
        ImmutableDictionary<string, T>.Builder next = last.ToBuilder();
        foreach (string name in _fresh)
        {
            T now = value(Clusters[name]);
            if (!last.TryGetValue(name, out T? before) || !isSame(before, now))
            {
                next[name] = now;
            }
        }

        if (next.Count != Clusters.Count)
        {
            next.RemoveRange(last.Keys.Where(name => !Clusters.ContainsKey(name)));
        }

        return next.ToImmutable();
    }

    private void AddCluster(ServicePortModel service, EffectiveRule? rule, EffectiveSubset? subset, EffectiveRule? shadow)
    {
        if (rule is not null)
        {
            _used.Add(rule);
        }

        if (shadow is not null)
        {
            _used.Add(shadow);
        }

        string name = ClusterCompiler.OutboundName(service.Host, service.Port, subset?.Subset.Name ?? "");
        if (compiler.Unchanged(name, service, rule, subset, shadow) is { } same)
        {
            Clusters.Add(name, same);
            _findings.AddRange(same.Findings);
            return;
        }

        ImmutableArray<LabelledEndpoint> selected =
            [.. service.Endpoints.Where(e => subset is null || LabelMatch.HasAll(e.Labels, subset.Subset.Labels)).DistinctBy(static e => e.Endpoint.Address)];
        EffectivePolicy policy = TrafficPolicyMerge.Effective(rule, service.Port, subset);
        ImmutableArray<EndpointConfig> endpoints = ClusterCompiler.UsesOriginalDestination(service, policy) ? [] : LocalityCompiler.Place(proxy, peers, policy, selected);
        CompiledCluster cluster = compiler.Cluster(
            name,
            new ClusterInputs(service, rule, subset)
            {
                Shadow = shadow,
                Policies = compiler.Rules.Policies.For(Target(service, subset?.Subset.Name ?? "")),
                Credentials = proxy.Credentials,
            },
            endpoints,
            static i => ShadowCompiler.Apply(PolicyCompiler.Apply(ClusterCompiler.Outbound(i.Service, i.Rule, i.Subset, i.Credentials ?? ""), i.Policies), i));
        ImmutableArray<(RuleKey, Diagnostic)> findings =
        [
            .. new[]
            {
                SnapshotAdvice.OnNeverEjecting(cluster.Config, subset?.Subset.Name, endpoints.Length),
                cluster.Config.Shadow is { } tried ? SnapshotAdvice.OnNeverEjecting(cluster.Config with { Outlier = tried.Outlier, OutlierSource = tried.OutlierSource }, subset?.Subset.Name, endpoints.Length) : null,
                subset is not null && selected.IsEmpty && !service.Endpoints.IsEmpty ? (subset.Rule.Key, RuleAdvice.EmptySubset(subset.Subset, subset.Index, string.Create(CultureInfo.InvariantCulture, $"'{service.Host}' port {service.Port}"))) : null,
                SnapshotAdvice.OnReplacedEjection(cluster.Config, policy),
                SnapshotAdvice.OnUnusedTunnel(service, rule, subset),
                SnapshotAdvice.OnCallsOfBytes(cluster.Config, cluster.Inputs.Policies.Resilience),
                SnapshotAdvice.OnCallsOfBytes(cluster.Config, cluster.Inputs.Policies.ResilienceInShadow),
                SnapshotAdvice.OnUnaskedAffinity(policy, service.Host, proxy.Zone, endpoints),
            }.OfType<(RuleKey, Diagnostic)>(),
            .. SnapshotAdvice.OnShadows(compiler.Rules.Policies, Target(service, subset?.Subset.Name ?? "")),
        ];
        _fresh.Add(name);
        Clusters.Add(name, cluster with { Findings = findings });
        _findings.AddRange(findings);
    }

    private PolicyTarget Target(ServicePortModel service, string subset) => new(proxy.Namespace, service.Namespace, service.Host, service.Port, subset);

    private RetryConfig? DefaultRetry(in PolicyTarget target)
    {
        HostPolicyTable policies = compiler.Rules.Policies.Resilience;
        return ResilienceCompiler.Apply(RetryConfig.OutboundDefault, policies.Find(target, ""), policies.Find(target, "", inShadow: true));
    }

    private void AddRoute(ServicePortModel service, string cluster)
    {
        ImmutableArray<string>.Builder domains = ImmutableArray.CreateBuilder<string>();
        foreach (string domain in service.Domains.Distinct())
        {
            if (_domains.TryAdd((domain, service.Port), service.Host))
            {
                domains.Add(domain);
            }
            else if (service.IsHttp) // else its listener has told of it, if it is a fault at all
            {
                Warn(
                    service, "spec",
                    $"'{domain}' port {service.Port} leads to '{_domains[(domain, service.Port)]}' already; give '{service.Host}' a name or address of its own");
            }
        }

        if (domains.Count > 0)
        {
            VirtualHostConfig virtualHost = new(
                string.Create(CultureInfo.InvariantCulture, $"{service.Host}:{service.Port}"), service.Port, domains.ToImmutable(), cluster)
            {
                Retry = service.IsHttp ? DefaultRetry(Target(service, "")) : null,
                IsTunnelOnly = !service.IsHttp,
            };
            _virtualHosts.Add((virtualHost, service));
        }
    }

    // A name that a service has, such as a virtual IP, stays the service's.
    private VirtualHostConfig Unclaimed(VirtualHostConfig host) => host with { Domains = [.. host.Domains.Where(d => _domains.TryAdd((d, host.Port), host.Name))] };

    private void AddListeners(ServicePortModel service)
    {
        foreach (string address in service.Listeners.Where(a => !_listeners.TryAdd(service, a)))
        {
            Warn(service, "spec.addresses", $"{address} port {service.Port} leads to another service already; give '{service.Host}' an address of its own");
        }
    }

    // A registered service comes from no rule, so there is nobody to tell.
    private void Warn(ServicePortModel service, string path, string message)
    {
        if (service.Source is { } key)
        {
            _findings.Add((key, RuleSetCheck.Warning(path, message)));
        }
    }
}
