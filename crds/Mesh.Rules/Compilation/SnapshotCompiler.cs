using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;

namespace Mesh.Rules.Compilation;

/// <summary>
/// Turns a mesh view into the snapshot of one proxy. The result depends on the arguments alone, but for what a pod's ports once were (<see cref="OwnServices"/>); a cluster
/// or an endpoint list that did not change since the last call comes back as the same object, and a change of endpoints alone compiles no policy again. One caller at a time.
/// </summary>
public sealed class SnapshotCompiler
{
    private readonly Dictionary<(string Host, string Namespace, bool InShadow), EffectiveRule?> _lookups = [];
    private ImmutableDictionary<RuleKey, RuleDocument>? _lastRules;
    private ProxyIdentity? _lastProxy;
    private RuleSet _rules = RuleSet.Create([]);
    private Dictionary<string, CompiledCluster> _clusters = [];
    private RoutePlan? _routes;
    private readonly ServiceModelCache _services = new();
    private ImmutableArray<string> _peers = [];
    private HostPolicies? _policies;
    private ProxySnapshot _snapshot = ProxySnapshot.Empty;
    private OwnServices _own = new();
    private bool _mayReuse;

    /// <summary>How many clusters were compiled from their rules so far; all others were taken over from the call before.</summary>
    internal long CompiledClusters { get; private set; }

    /// <summary>How many clusters the last call gave.</summary>
    internal int ClusterCount => _clusters.Count;

    /// <summary>Rules of the view being compiled.</summary>
    internal RuleSet Rules => _rules;

    /// <summary>Compiles <paramref name="view"/> for <paramref name="proxy"/>.</summary>
    public CompileResult Compile(ProxyIdentity proxy, MeshView view, string version)
    {
        if (!ReferenceEquals(view.Rules, _lastRules))
        {
            _rules = RuleSet.Create(view.Rules.Values, _rules);
            _lastRules = view.Rules;
            _lookups.Clear();
        }

        if (proxy != _lastProxy)
        {
            _lastProxy = proxy;
            _lookups.Clear();
            _services.Clear();
            _policies = null;
            _own = new OwnServices();
        }

        IEnumerable<ServicePortModel> services = ServiceModel.For(proxy, view, _rules, _services);
        ImmutableArray<OwnPort> own = [];
        ImmutableArray<string>.Builder notes = ImmutableArray.CreateBuilder<string>();
        if (!proxy.PodAddresses.IsEmpty)
        {
            services = [.. services];
            own = _own.Find(services, notes);
        }

        string peersHost = own.IsEmpty ? HostMatch.ServiceHost(proxy.Service, proxy.Namespace) : own[0].Service.Host;
        ImmutableArray<MeshEndpoint> peers = view.Endpoints.GetValueOrDefault(peersHost, []);
        ImmutableArray<string> zones = [.. peers.DistinctBy(static e => e.Address).Select(static e => e.Zone)];
        _mayReuse = ReferenceEquals(_policies, _rules.Policies) && zones.AsSpan().SequenceEqual(_peers.AsSpan());
        (_policies, _peers) = (_rules.Policies, zones);
        SidecarScope scope = new(_rules, proxy);
        SnapshotDraft draft = new(proxy, zones, scope, this);
        foreach (ServicePortModel service in services)
        {
            if (scope.View(service) is { } seen)
            {
                draft.AddService(seen);
            }
            else
            {
                draft.AddHidden(service);
            }
        }

        draft.AddInbound(own);
        CompileResult result = draft.Finish(version, _snapshot) with { Notes = notes.ToImmutable() };
        _clusters = draft.Clusters;
        _snapshot = result.Snapshot;
        return result;
    }

    /// <summary>What virtual services say to the proxy; the plan of the last call where nothing it depends on has changed.</summary>
    internal RoutePlan Routes(ProxyIdentity proxy, KnownHosts known, SidecarScope scope)
    {
        if (_routes?.IsFor(proxy, _rules, known) != true)
        {
            _routes = new RoutePlan(proxy, _rules, known, scope, _routes);
        }

        _routes.Begin();
        return _routes;
    }

    /// <summary>The rule that the proxy, as a client, obeys for a host; or the one in shadow mode that it evaluates.</summary>
    internal EffectiveRule? Lookup(ProxyIdentity proxy, string host, string serviceNamespace, bool inShadow = false)
    {
        if (inShadow && !_rules.HasShadows)
        {
            return null;
        }

        if (!_lookups.TryGetValue((host, serviceNamespace, inShadow), out EffectiveRule? rule))
        {
            rule = DestinationRuleLookup.Find(_rules, proxy.Namespace, proxy.Labels, serviceNamespace, host, inShadow);
            _lookups.Add((host, serviceNamespace, inShadow), rule);
        }

        return rule;
    }

    /// <summary>What the last call made of the very same objects, or null: then nothing about the cluster has to be worked out again.</summary>
    internal CompiledCluster? Unchanged(string name, ServicePortModel service, EffectiveRule? rule, EffectiveSubset? subset, EffectiveRule? shadow) =>
        _mayReuse && _clusters.TryGetValue(name, out CompiledCluster? last) && ReferenceEquals(last.Inputs.Service, service) &&
        ReferenceEquals(last.Inputs.Rule, rule) && ReferenceEquals(last.Inputs.Subset, subset) && ReferenceEquals(last.Inputs.Shadow, shadow) ? last : null;

    /// <summary>
    /// The cluster <paramref name="name"/> with <paramref name="endpoints"/>: what the last call made of the same inputs, else what <paramref name="compile"/> makes.
    /// </summary>
    internal CompiledCluster Cluster(string name, ClusterInputs inputs, ImmutableArray<EndpointConfig> endpoints, Func<ClusterInputs, ClusterConfig> compile)
    {
        if (!_clusters.TryGetValue(name, out CompiledCluster? last))
        {
            return new CompiledCluster(inputs, Fresh(), endpoints);
        }

        ClusterConfig config = last.Config;
        if (!inputs.AreThoseOf(last.Inputs) && Fresh() is { } fresh && fresh != config)
        {
            config = fresh;
        }

        return new CompiledCluster(inputs, config, last.Endpoints.AsSpan().SequenceEqual(endpoints.AsSpan()) ? last.Endpoints : endpoints);

        ClusterConfig Fresh()
        {
            CompiledClusters++;
            return compile(inputs);
        }
    }
}

/// <summary>A cluster and what it was made of.</summary>
internal sealed record CompiledCluster(ClusterInputs Inputs, ClusterConfig Config, ImmutableArray<EndpointConfig> Endpoints)
{
    /// <summary>What is to be said about it.</summary>
    public ImmutableArray<(RuleKey Rule, Diagnostic Finding)> Findings { get; init; } = [];
}

/// <summary>All that decides a cluster's configuration.</summary>
/// <param name="Service">Its service port; the endpoints decide nothing here.</param>
/// <param name="Rule">Rule in force, or null.</param>
/// <param name="Subset">Subset, or null.</param>
internal readonly record struct ClusterInputs(ServicePortModel Service, EffectiveRule? Rule, EffectiveSubset? Subset)
{
    /// <summary>Rule in shadow mode, or null.</summary>
    public EffectiveRule? Shadow { get; init; }

    /// <summary>Policies of our own kinds.</summary>
    public ClusterPolicies Policies { get; init; }

    /// <summary>Folder of the secrets.</summary>
    public string? Credentials { get; init; }

    /// <summary>Limits that a Sidecar sets in front of the application; empty when it sets none.</summary>
    public SourcedBlock<ConnectionPoolSettings> InboundPool { get; init; }

    /// <summary>Port of the own application; 0 for an outbound cluster.</summary>
    public int InboundPort { get; init; }

    /// <summary>Whether the own application is dialled at the address that its caller dialled.</summary>
    public bool IsDialledByDestination { get; init; }

    /// <summary>Whether a cluster of this name would come out the same: rules are compared as objects, since a merged rule is never changed.</summary>
    public bool AreThoseOf(ClusterInputs other) =>
        ReferenceEquals(Rule, other.Rule) && ReferenceEquals(Subset, other.Subset) && ReferenceEquals(Shadow, other.Shadow) && Policies.AreThoseOf(other.Policies) &&
        Credentials == other.Credentials && InboundPool == other.InboundPool &&
        (InboundPort, IsDialledByDestination, Service.IsUndeclared) == (other.InboundPort, other.IsDialledByDestination, other.Service.IsUndeclared) &&
        (Service.Host, Service.Name, Service.Namespace, Service.Port, Service.IsHttp, Service.Dns, Service.OnDemandPort) ==
        (other.Service.Host, other.Service.Name, other.Service.Namespace, other.Service.Port, other.Service.IsHttp, other.Service.Dns, other.Service.OnDemandPort) &&
        (Service.IsUnresolved, Service.SubjectAltNames) == (other.Service.IsUnresolved, other.Service.SubjectAltNames);
}
