using System.Collections.Immutable;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// The services of a cluster and the pods behind them. A change touches the services that it is about and no other, so that what is pushed stays a delta. Thread-safe:
/// the four watches come from four loops.
/// </summary>
internal sealed class ClusterServices : IServiceSource
{
    private const string Suffix = ".svc.cluster.local";

    private readonly Lock _gate = new();
    private readonly ResourceTable<ServiceObject> _services;
    private readonly ResourceTable<SliceObject> _slices;
    private readonly ResourceTable<PodObject> _pods;
    private readonly ResourceTable<NodeObject> _nodes;
    private readonly Dictionary<ObjectKey, Dictionary<ObjectKey, SliceObject>> _byService = []; // guarded by the gate
    private volatile RegistryState _current = RegistryState.Empty;

    /// <summary>No services yet.</summary>
    public ClusterServices()
    {
        _services = new ResourceTable<ServiceObject>(ServiceObject.Read, changes => Rebuild([.. changes.Select(static c => c.Key)]));
        _slices = new ResourceTable<SliceObject>(SliceObject.Read, TakeSlices);
        _pods = new ResourceTable<PodObject>(PodObject.Read, TakePods);
        _nodes = new ResourceTable<NodeObject>(NodeObject.Read, TakeNodes);
    }

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public RegistryState Current => _current;

    /// <summary>A sink for each resource.</summary>
    public IEnumerable<(ResourceType Type, IWatchSink Sink)> Tables =>
    [
        (ResourceType.Services, _services),
        (ResourceType.EndpointSlices, _slices),
        (ResourceType.Pods, _pods),
        (ResourceType.Nodes, _nodes),
    ];

    private static string HostOf(ObjectKey service) => $"{service.Name}.{service.Namespace}{Suffix}";

    private void TakeSlices(IReadOnlyList<ResourceChange<SliceObject>> changes)
    {
        HashSet<ObjectKey> services = [];
        lock (_gate)
        {
            foreach (ResourceChange<SliceObject> change in changes)
            {
                if (change.Before is { } before)
                {
                    ObjectKey service = new(change.Key.Namespace, before.Service);
                    services.Add(service);
                    if (_byService.TryGetValue(service, out Dictionary<ObjectKey, SliceObject>? slices) && slices.Remove(change.Key) && slices.Count == 0)
                    {
                        _byService.Remove(service);
                    }
                }

                if (change.After is { } after)
                {
                    ObjectKey service = new(change.Key.Namespace, after.Service);
                    services.Add(service);
                    (_byService.TryGetValue(service, out Dictionary<ObjectKey, SliceObject>? slices) ? slices : _byService[service] = [])[change.Key] = after;
                }
            }
        }

        Rebuild(services);
    }

    private void TakePods(IReadOnlyList<ResourceChange<PodObject>> changes)
    {
        HashSet<ObjectKey> pods = [.. changes.Select(static c => c.Key)];
        Rebuild(ServicesWhere((space, endpoint) => endpoint.Pod.Length > 0 && pods.Contains(new ObjectKey(space, endpoint.Pod))));
    }

    private void TakeNodes(IReadOnlyList<ResourceChange<NodeObject>> changes)
    {
        HashSet<string> nodes = [.. changes.Select(static c => c.Key.Name)];
        Rebuild(ServicesWhere((_, endpoint) => nodes.Contains(endpoint.Node)));
    }

    private HashSet<ObjectKey> ServicesWhere(Func<string, SliceEndpoint, bool> isTouched)
    {
        lock (_gate)
        {
            return
            [
                .. _byService.Where(entry => entry.Value.Values.Any(slice => slice.Endpoints.Any(e => isTouched(entry.Key.Namespace, e))))
                    .Select(static entry => entry.Key),
            ];
        }
    }

    /// <summary>Makes these services anew from what the tables hold now, and publishes them if one differs.</summary>
    private void Rebuild(IReadOnlyCollection<ObjectKey> keys)
    {
        bool isChanged;
        lock (_gate)
        {
            RegistryState former = _current;
            ImmutableSortedDictionary<string, MeshService>.Builder services = former.Services.ToBuilder();
            ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>>.Builder endpoints = former.Endpoints.ToBuilder();
            isChanged = false;
            foreach (ObjectKey key in keys)
            {
                isChanged |= RebuildLocked(key, services, endpoints);
            }

            _current = isChanged ? new RegistryState(services.ToImmutable(), endpoints.ToImmutable()) : former;
        }

        if (isChanged)
        {
            Changed?.Invoke();
        }
    }

    private bool RebuildLocked(
        ObjectKey key,
        ImmutableSortedDictionary<string, MeshService>.Builder services,
        ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>>.Builder endpoints)
    {
        string host = HostOf(key);
        if (_services.Items.GetValueOrDefault(key) is not { Ports.Length: > 0 } found)
        {
            return services.Remove(host) | endpoints.Remove(host);
        }

        MeshService service = new(host, key.Namespace, [.. found.Ports.Select(static p => new MeshServicePort(p.Number, p.Protocol))])
        {
            Addresses = found.Addresses,
        };
        IReadOnlyCollection<SliceObject> slices = _byService.TryGetValue(key, out Dictionary<ObjectKey, SliceObject>? own) ? own.Values : [];
        ImmutableArray<MeshEndpoint> list = EndpointList.Of(
            key.Name,
            found,
            slices,
            pod => pod.Length == 0 ? null : _pods.Items.GetValueOrDefault(new ObjectKey(key.Namespace, pod)),
            node => node.Length == 0 ? null : _nodes.Items.GetValueOrDefault(new ObjectKey("", node)));
        bool isSame = services.TryGetValue(host, out MeshService? former) && ContentDiff.Same(former, service) && ContentDiff.Same(endpoints[host], list);
        if (!isSame)
        {
            services[host] = service;
            endpoints[host] = list;
        }

        return !isSame;
    }
}
