using System.Collections.Immutable;
using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>An address of an EndpointSlice.</summary>
/// <param name="Address">IP address.</param>
/// <param name="IsReady">Takes traffic; true also for an unready one if its service publishes those.</param>
/// <param name="IsServing">Would take traffic, were it not on its way out.</param>
/// <param name="IsTerminating">On its way out.</param>
/// <param name="Pod">Name of the pod, in the slice's namespace; empty when it is none.</param>
/// <param name="Node">Name of the node, or empty.</param>
/// <param name="Zone">Zone, or empty.</param>
internal sealed record SliceEndpoint(string Address, bool IsReady, bool IsServing, bool IsTerminating, string Pod, string Node, string Zone);

/// <summary>What we need of an EndpointSlice.</summary>
/// <param name="Service">Name of its service, in its namespace.</param>
/// <param name="Family">IPv4 or IPv6.</param>
/// <param name="Endpoints">Its addresses.</param>
/// <param name="Ports">Port of the pods by name of the service's port: already resolved, also where the service names its target.</param>
internal sealed record SliceObject(
    string Service, string Family, ImmutableArray<SliceEndpoint> Endpoints, ImmutableArray<(string Name, int Port)> Ports)
{
    /// <summary>Reads a slice; null when it is of no service, or holds names instead of addresses.</summary>
    public static SliceObject? Read(JsonElement obj)
    {
        string service = obj.Find("metadata")?.Find("labels") is { } labels ? labels.Text("kubernetes.io/service-name") : "";
        string family = obj.Text("addressType");
        return service.Length == 0 || family is not ("IPv4" or "IPv6") ? null : new SliceObject(
            service,
            family,
            [.. obj.Items("endpoints").Select(Endpoint).Where(static e => e.Address.Length > 0)],
            [
                .. obj.Items("ports").Where(static p => p.Text("protocol") is "" or "TCP" && p.Whole("port") is not null)
                    .Select(static p => (p.Text("name"), p.Whole("port")!.Value)),
            ]);
    }

    private static SliceEndpoint Endpoint(JsonElement endpoint)
    {
        JsonElement conditions = endpoint.Find("conditions") ?? default;
        bool isReady = conditions.Bool("ready") ?? true; // the API: an unknown state counts as ready
        JsonElement target = endpoint.Find("targetRef") ?? default;
        return new SliceEndpoint(
            endpoint.Items("addresses").FirstOrDefault() is { ValueKind: JsonValueKind.String } first ? first.GetString()! : "",
            isReady,
            conditions.Bool("serving") ?? isReady,
            conditions.Bool("terminating") ?? false,
            target.Text("kind") == "Pod" ? target.Text("name") : "",
            endpoint.Text("nodeName"),
            endpoint.Text("zone"));
    }
}
