using System.Globalization;

namespace Mesh.Lab.World;

/// <summary>Rules of a mesh with many services, a ServiceEntry of ten endpoints, a DestinationRule and a VirtualService for each, laid out as the control plane stores them.</summary>
internal static class ScaleRules
{
    /// <summary>Endpoints of each service.</summary>
    public const int Endpoints = 10;

    /// <summary>Writes all of them below <paramref name="data"/>, the folder of a control plane. Returns the folder of the rules alone, which a sidecar can read too.</summary>
    public static string Write(string data, int services)
    {
        for (int i = 0; i < services; i++)
        {
            Put(data, "serviceentries", i, Entry(i, firstPort: 8000));
            Put(data, "destinationrules", i, Destination(i, pending: 100));
            Put(data, "virtualservices", i, Routes(i));
        }

        return Path.Combine(data, "rules");
    }

    /// <summary>Name of a service's rules.</summary>
    public static string Name(int service) => string.Create(CultureInfo.InvariantCulture, $"s{service:0000}");

    /// <summary>Host of a service.</summary>
    public static string Host(int service) => $"{Name(service)}.scale.lab";

    /// <summary>Where the DestinationRule of a service stands.</summary>
    public static string DestinationFile(string data, int service) => FileOf(data, "destinationrules", service);

    /// <summary>Where the ServiceEntry of a service stands.</summary>
    public static string EntryFile(string data, int service) => FileOf(data, "serviceentries", service);

    /// <summary>The DestinationRule of a service; the number tells one change from the next.</summary>
    public static string Destination(int service, int pending) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1alpha3
        kind: DestinationRule
        metadata:
          name: {{Name(service)}}
        spec:
          host: {{Host(service)}}
          trafficPolicy:
            connectionPool:
              tcp: {maxConnections: 100, connectTimeout: 3s}
              http: {http1MaxPendingRequests: {{pending}}, http2MaxRequests: 200}
            outlierDetection: {consecutive5xxErrors: 5, interval: 10s, baseEjectionTime: 30s, maxEjectionPercent: 50}
          subsets:
          - {name: v1, labels: {version: v1} }
          - {name: v2, labels: {version: v2} }

        """);

    /// <summary>The ServiceEntry of a service; another first port moves its first endpoint.</summary>
    public static string Entry(int service, int firstPort) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata:
          name: {{Name(service)}}
        spec:
          hosts: [{{Host(service)}}]
          location: MESH_INTERNAL
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints:
        {{string.Join('\n', Enumerable.Range(0, Endpoints).Select(e => Endpoint(service, e, e == 0 ? firstPort : 8000)))}}

        """);

    private static string Endpoint(int service, int endpoint, int port) => string.Create(
        CultureInfo.InvariantCulture,
        $"  - {{address: 10.{service / 250}.{service % 250}.{endpoint + 1}, ports: {{ http: {port} }}, labels: {{version: v{(endpoint % 2) + 1}}}}}");

    private static string Routes(int service) => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata:
          name: {{Name(service)}}
        spec:
          hosts: [{{Host(service)}}]
          http:
          - name: canary
            match: [{headers: { x-canary: {exact: 'true'} } }]
            timeout: 5s
            route: [{destination: {host: {{Host(service)}}, subset: v2} }]
          - name: main
            timeout: 5s
            retries: {attempts: 2, perTryTimeout: 2s, retryOn: 'connect-failure,503'}
            route:
            - {destination: {host: {{Host(service)}}, subset: v1}, weight: 90}
            - {destination: {host: {{Host(service)}}, subset: v2}, weight: 10}

        """);

    private static string FileOf(string data, string plural, int service) =>
        Path.Combine(data, "rules", $"{plural}.networking.istio.io", "default", Name(service) + ".yaml");

    private static void Put(string data, string plural, int service, string rule)
    {
        string file = FileOf(data, plural, service);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, rule);
    }
}
