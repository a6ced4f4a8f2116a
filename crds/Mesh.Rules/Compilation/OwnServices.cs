using System.Collections.Immutable;
using System.Globalization;
using System.Net;

namespace Mesh.Rules.Compilation;

/// <summary>A port of the pod that a service leads to.</summary>
/// <param name="Number">Port of the application.</param>
/// <param name="Service">The service port whose rules hold there.</param>
internal readonly record struct OwnPort(int Number, ServicePortModel Service);

/// <summary>
/// The services that a pod belongs to: those that have an endpoint at one of its addresses. What a port once was it stays, also while the pod is no endpoint: one that is
/// not ready, because it is overloaded, must not lose its limits. Not thread-safe.
/// </summary>
internal sealed class OwnServices
{
    private readonly SortedDictionary<int, ServicePortModel> _ports = [];

    /// <summary>
    /// The ports of <paramref name="endpoints"/> at the proxy's own addresses; none for a proxy beside one application. Only a service of its own namespace counts: nobody
    /// else may limit a pod by naming its address.
    /// </summary>
    public static ImmutableArray<int> PortsOf(ProxyIdentity proxy, string space, IEnumerable<LabelledEndpoint> endpoints) => proxy.PodAddresses.IsEmpty || space != proxy.Namespace ? [] :
    [
        .. endpoints.Select(static e => IPEndPoint.TryParse(e.Endpoint.Address, out IPEndPoint? address) ? address : null)
            .Where(a => a is not null && proxy.PodAddresses.Contains(a.Address)).Select(static a => a!.Port).Distinct(),
    ];

    /// <summary>The ports now, ascending. Where two services share a port, the first by name counts; the others are noted.</summary>
    public ImmutableArray<OwnPort> Find(IEnumerable<ServicePortModel> services, ImmutableArray<string>.Builder notes)
    {
        HashSet<int> found = [];
        foreach (ServicePortModel service in services.Where(static s => !s.OwnPorts.IsEmpty).OrderBy(static s => s.Host, StringComparer.Ordinal).ThenBy(static s => s.Port))
        {
            foreach (int port in service.OwnPorts)
            {
                if (found.Add(port))
                {
                    _ports[port] = service;
                }
                else
                {
                    ServicePortModel first = _ports[port];
                    notes.Add(string.Create(CultureInfo.InvariantCulture,
                        $"Port {port} of this pod has two services: '{first.Host}' port {first.Port} and '{service.Host}' port {service.Port}; the rules of the first hold for all its callers"));
                }
            }
        }

        foreach ((int port, ServicePortModel former) in _ports.Where(p => !found.Contains(p.Key)).ToArray())
        {
            _ports[port] = services.FirstOrDefault(s => s.Host == former.Host && s.Port == former.Port) ?? former;
        }

        return [.. _ports.Select(static p => new OwnPort(p.Key, p.Value))];
    }
}
