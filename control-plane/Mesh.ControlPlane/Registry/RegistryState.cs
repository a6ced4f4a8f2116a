using System.Collections.Immutable;
using Mesh.ControlPlane.Push;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Registry;

/// <summary>Services and endpoints at one instant, as the registrations give them. Immutable.</summary>
/// <param name="Services">Services by host. A service stays when its last endpoint goes: its callers then see "no healthy upstream".</param>
/// <param name="Endpoints">Endpoints by host, ordered by address; an entry for each service.</param>
internal sealed record RegistryState(
    ImmutableSortedDictionary<string, MeshService> Services,
    ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>> Endpoints)
{
    private const string Suffix = ".svc.cluster.local";

    /// <summary>Nothing registered.</summary>
    public static RegistryState Empty { get; } = new(
        ImmutableSortedDictionary.Create<string, MeshService>(StringComparer.Ordinal),
        ImmutableSortedDictionary.Create<string, ImmutableArray<MeshEndpoint>>(StringComparer.Ordinal));

    /// <summary>The state after instances of one service came, went or changed; a service that nobody serves now keeps its ports. The same object when nothing differs.</summary>
    /// <param name="host">The service.</param>
    /// <param name="instances">All its instances.</param>
    public RegistryState With(string host, IReadOnlyCollection<RegisteredSidecar> instances)
    {
        MeshService? former = Services.GetValueOrDefault(host);
        if (instances.Count == 0 && former is null)
        {
            return this; // it came and went before anybody looked
        }

        MeshService service = instances.Count > 0 ? Service(host, instances) : former!;
        ImmutableArray<MeshEndpoint> list =
        [
            .. instances.Where(static s => s.IsReady).Select(static s => Endpoint(s.Registration))
                .OrderBy(static e => e.Address, StringComparer.Ordinal).ThenBy(static e => e.ServicePort),
        ];
        return former is not null && ContentDiff.Same(former, service) && ContentDiff.Same(Endpoints[host], list)
            ? this
            : new RegistryState(Services.SetItem(host, service), Endpoints.SetItem(host, list));
    }

    /// <summary>The host of the service that a sidecar serves.</summary>
    public static string HostOf(SidecarRegistration registration) => $"{registration.Service}.{registration.Namespace}{Suffix}";

    private static MeshService Service(string host, IEnumerable<RegisteredSidecar> instances) => new(
        host,
        instances.First().Registration.Namespace,
        [
            // Instances that disagree on a port's protocol: the smallest id decides, so that the answer does not depend on who came first.
            .. instances.OrderBy(static s => s.Id, StringComparer.Ordinal)
                .DistinctBy(static s => s.Registration.Port)
                .Select(static s => new MeshServicePort(s.Registration.Port, s.Registration.Protocol))
                .OrderBy(static p => p.Number),
        ]);

    private static MeshEndpoint Endpoint(SidecarRegistration r) => new(r.Address, r.Port, r.Labels, r.Zone, r.Service, r.Version);
}
