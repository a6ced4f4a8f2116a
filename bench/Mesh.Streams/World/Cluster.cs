using System.Globalization;
using Mesh.ControlPlane.Tests.Kubernetes;

namespace Mesh.Streams.World;

/// <summary>A cluster of many services and pods, as its API server shows it to the control plane: over TLS, with a token, by lists and watches.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    private readonly ApiDouble _server;
    private readonly int _endpoints;
    private int _changes;

    private Cluster(ApiDouble server, int endpoints) => (_server, _endpoints) = (server, endpoints);

    /// <summary>Starts it with all objects in it.</summary>
    public static async Task<Cluster> StartAsync(StreamsOptions options)
    {
        ApiDouble server = await ApiDouble.StartAsync();
        server.ServeAll();
        Cluster cluster = new(server, options.Endpoints);
        for (int i = 0; i < options.Services; i++)
        {
            cluster.PutService(i);
        }

        for (int i = 0; i < options.Rules; i++)
        {
            cluster.PutRule(i, 100);
        }

        for (int i = 0; i < options.Circuits; i++)
        {
            cluster.PutBreaker(i);
        }

        return cluster;
    }

    /// <summary>Writes a kubeconfig for it.</summary>
    public string WriteConfig(string folder)
    {
        string file = Path.Combine(folder, "kubeconfig");
        File.WriteAllText(file, $$"""
            apiVersion: v1
            kind: Config
            current-context: here
            contexts: [{name: here, context: {cluster: double, user: mesh, namespace: mesh} }]
            clusters: [{name: double, cluster: {server: "{{_server.Address}}", certificate-authority: "{{_server.Authority.RootFile}}"} }]
            users: [{name: mesh, user: {token: "{{ApiDouble.Token}}"} }]

            """);
        return file;
    }

    /// <summary>Moves one pod of one service to another port.</summary>
    public void ChangeEndpoint(int service) => PutSlice(service, 9000 + (++_changes % 1000));

    /// <summary>Changes one number in one rule.</summary>
    public void ChangeRule(int rule) => PutRule(rule, 101 + ++_changes);

    /// <summary>The condition <c>Programmed</c> of a rule's status: its message, or empty.</summary>
    public string Programmed(int rule)
    {
        var conditions = _server.Objects.Get("networking.istio.io", "destinationrules", Name(rule))?["status"]?["conditions"]?.AsArray();
        return (string?)conditions?.FirstOrDefault(static c => (string?)c?["type"] == "Programmed")?["message"] ?? "";
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>Name of a service, and of all that belongs to it.</summary>
    public static string Name(int service) => string.Create(CultureInfo.InvariantCulture, $"s{service:0000}");

    private void PutService(int service)
    {
        string name = Name(service);
        _server.Objects.Put("", "services", $$"""
            metadata: {name: {{name}}, namespace: default}
            spec:
              clusterIPs: ["172.20.{{service / 250}}.{{(service % 250) + 1}}"]
              ipFamilies: [IPv4]
              ports: [{name: http, port: 8080, targetPort: 80}]
            """);
        for (int pod = 0; pod < _endpoints; pod++)
        {
            _server.Objects.Put("", "pods", $$"""
                metadata:
                  name: {{name}}-{{pod}}
                  namespace: default
                  labels: {app: {{name}}, version: v{{(pod % 2) + 1}}, pod-template-hash: "5d8f7c9b6"}
                  ownerReferences: [{kind: ReplicaSet, name: {{name}}-5d8f7c9b6, controller: true}]
                """);
        }

        PutSlice(service, 80);
    }

    private void PutSlice(int service, int firstPodsPort)
    {
        string name = Name(service);
        // Two slices: a pod on another port is in a slice of its own, as when a Deployment's port name moves.
        PutSlice(name, "a", firstPodsPort, 0, 1, service);
        if (firstPodsPort == 80)
        {
            PutSlice(name, "b", 80, 1, _endpoints - 1, service);
        }
    }

    private void PutSlice(string name, string slice, int port, int first, int count, int service)
    {
        IEnumerable<string> endpoints = Enumerable.Range(first, count).Select(pod => string.Create(
            CultureInfo.InvariantCulture,
            $"{{addresses: [10.{service / 250}.{service % 250}.{pod + 1}], conditions: {{ready: true}}, nodeName: node-{pod % 3}, zone: z{pod % 3}, targetRef: {{kind: Pod, name: {name}-{pod}}}}}"));
        _server.Objects.Put("discovery.k8s.io", "endpointslices", $$"""
            metadata:
              name: {{name}}-{{slice}}
              namespace: default
              labels: {kubernetes.io/service-name: {{name}}}
            addressType: IPv4
            endpoints: [{{string.Join(", ", endpoints)}}]
            ports: [{name: http, port: {{port}}}]
            """);
    }

    private void PutRule(int rule, int pending) => _server.Objects.Put("networking.istio.io", "destinationrules", $$"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: {{Name(rule)}}, namespace: default}
        spec:
          host: {{Name(rule)}}
          trafficPolicy:
            connectionPool:
              tcp: {maxConnections: 100, connectTimeout: 3s}
              http: {http1MaxPendingRequests: {{pending}}, http2MaxRequests: 200}
            outlierDetection: {consecutive5xxErrors: 5, interval: 10s, baseEjectionTime: 30s, maxEjectionPercent: 50}
          subsets:
          - {name: v1, labels: {version: v1} }
          - {name: v2, labels: {version: v2} }
        """);

    private void PutBreaker(int service) => _server.Objects.Put("resilience.mesh.dev", "circuitbreakers", $$"""
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: CircuitBreaker
        metadata: {name: {{Name(service)}}, namespace: default}
        spec: {host: {{Name(service)}}, scope: mesh, slidingWindowType: TIME_BASED, slidingWindowSize: 10, waitDurationInOpenState: 60s}
        """);
}
