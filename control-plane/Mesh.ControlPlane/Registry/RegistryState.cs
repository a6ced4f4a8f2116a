using System.Collections.Immutable;
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

    /// <summary>The state that <paramref name="sidecars"/> with a service give; services of <paramref name="former"/> that nobody serves now keep their ports.</summary>
    public static RegistryState From(IEnumerable<RegisteredSidecar> sidecars, RegistryState former)
    {
        ImmutableSortedDictionary<string, MeshService>.Builder services = former.Services.ToBuilder();
        ImmutableSortedDictionary<string, ImmutableArray<MeshEndpoint>>.Builder endpoints = Empty.Endpoints.ToBuilder();
        foreach (string host in former.Services.Keys)
        {
            endpoints[host] = [];
        }

        foreach (IGrouping<string, RegisteredSidecar> group in sidecars.Where(static s => s.Registration.Service != "").GroupBy(static s => HostOf(s.Registration), StringComparer.Ordinal))
        {
            services[group.Key] = Service(group.Key, group);
            endpoints[group.Key] =
            [
                .. group.Where(static s => s.IsReady).Select(static s => Endpoint(s.Registration))
                    .OrderBy(static e => e.Address, StringComparer.Ordinal).ThenBy(static e => e.ServicePort),
            ];
        }

        return new RegistryState(services.ToImmutable(), endpoints.ToImmutable());
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
