using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Makes the endpoints of one service from its slices. An instance counts once, whatever the number of its addresses and of the slices that it stands in for
/// a moment. When all who are ready have gone, those who are on their way out and still serve are better than nobody (kube-proxy's rule). Pure.
/// </summary>
internal static class EndpointList
{
    /// <summary>The endpoints, ordered by address.</summary>
    /// <param name="name">Name of the service.</param>
    /// <param name="service">The service.</param>
    /// <param name="slices">Its slices.</param>
    /// <param name="pod">A pod of its namespace by name, or null.</param>
    /// <param name="node">A node by name, or null.</param>
    public static ImmutableArray<MeshEndpoint> Of(
        string name, ServiceObject service, IReadOnlyCollection<SliceObject> slices, Func<string, PodObject?> pod, Func<string, NodeObject?> node)
    {
        List<(SliceObject Slice, SliceEndpoint Endpoint)> all = [.. slices.SelectMany(static s => s.Endpoints.Select(e => (s, e)))];
        List<(SliceObject Slice, SliceEndpoint Endpoint)> usable = all.FindAll(static e => e.Endpoint is { IsReady: true, IsTerminating: false });
        usable = usable.Count > 0 ? usable : all.FindAll(static e => e.Endpoint is { IsServing: true, IsTerminating: true });

        HashSet<string> inFirstFamily =
            [.. usable.Where(e => e.Slice.Family == service.Family && e.Endpoint.Pod.Length > 0).Select(static e => e.Endpoint.Pod)];
        Dictionary<(string, int), MeshEndpoint> endpoints = [];
        foreach ((SliceObject slice, SliceEndpoint endpoint) in usable)
        {
            if (slice.Family != service.Family && inFirstFamily.Contains(endpoint.Pod))
            {
                continue;
            }

            foreach ((string portName, int port) in slice.Ports)
            {
                if (service.Ports.FirstOrDefault(p => p.Name == portName) is { } servicePort)
                {
                    MeshEndpoint made = Endpoint(name, endpoint, servicePort.Number, port, pod(endpoint.Pod), node(endpoint.Node));
                    endpoints[(made.Address, made.ServicePort)] = made;
                }
            }
        }

        return [.. endpoints.Values.OrderBy(static e => e.Address, StringComparer.Ordinal).ThenBy(static e => e.ServicePort)];
    }

    private static MeshEndpoint Endpoint(string service, SliceEndpoint endpoint, int servicePort, int port, PodObject? pod, NodeObject? node)
    {
        string host = endpoint.Address.Contains(':', StringComparison.Ordinal) ? $"[{endpoint.Address}]" : endpoint.Address;
        string zone = node is { Locality.Length: > 0 } ? node.Locality
            : endpoint.Zone.Length > 0 ? "/" + endpoint.Zone // the zone without its region
            : "";
        return new MeshEndpoint(
            string.Create(CultureInfo.InvariantCulture, $"{host}:{port}"),
            servicePort,
            pod?.Labels ?? ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal),
            zone,
            pod?.Workload ?? service,
            pod?.Version ?? "latest");
    }
}
