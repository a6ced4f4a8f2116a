using System.Globalization;
using System.Text;

namespace Mesh.Peers.Peers;

/// <summary>The sidecar as it ships: a rules file with limits and outlier detection, metrics on.</summary>
/// <param name="file">Assembly or native binary.</param>
/// <param name="isNative">Whether it is compiled ahead of time.</param>
/// <param name="name">Its name in tables.</param>
internal sealed class SidecarPeer(string file, bool isNative, string name = SidecarPeer.PeerName) : IPeer
{
    /// <summary>Name of the one that all others are compared with.</summary>
    public const string PeerName = "sidecar";

    /// <summary>Name of the same with a VirtualService.</summary>
    public const string RoutesName = "routes";

    /// <summary>Name of the same with a breaker, a rate limit and a bulkhead that never refuse.</summary>
    public const string ResilienceName = "resilience";

    /// <summary>Name of another build of it.</summary>
    public const string BeforeName = "before";

    private const int Routes = 50;

    /// <summary>Host and port by which the rules know the backend.</summary>
    public const string Authority = "backend.test:8080";

    public string Name => name;

    public string Runtime => isNative ? "native" : "jit";

    public TimeSpan WarmUp => TimeSpan.FromSeconds(isNative ? 2 : 40); // the runtime compiles twice, and by what it saw

    public string? MetricsPath => "/stats/prometheus";

    public string? TcpHost => "127.0.0.9";

    public (string File, IReadOnlyList<string> Args) Prepare(PeerPlace place)
    {
        string path = Path.Combine(place.Folder, "rules.yaml");
        File.WriteAllText(path, Rules(place) + (name == RoutesName ? VirtualService() : name == ResilienceName ? Resilience : ""));
        return (file,
        [
            "run", "--rules", path, "--concurrency", place.Concurrency.ToString(CultureInfo.InvariantCulture),
            "--outbound", Loopback(place.Port), "--metrics", Loopback(place.MetricsPort),
            "--inbound", Loopback(0), "--admin", Loopback(0), "--health", Loopback(0),
            "--max-connections", "15000", // 10,000 idle ones are more than its default where a shell allows 20,000 descriptors
        ]);
    }

    private static string Loopback(int port) => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}");

    private string Rules(PeerPlace place) => $"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata:
          name: backend
        spec:
          hosts: [backend.test]
          addresses: [{TcpHost}]
          location: MESH_EXTERNAL
          resolution: STATIC
          ports:
            - number: 8080
              name: http
              protocol: HTTP
              targetPort: {place.BackendPort}
            - number: {place.TcpPort}
              name: tcp
              protocol: TCP
              targetPort: {place.BulkPort}
          endpoints:
            - address: 127.0.0.1
        ---
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata:
          name: backend
        spec:
          host: backend.test
          trafficPolicy:
            connectionPool:
              tcp:
                maxConnections: 1024
                connectTimeout: 5s
              http:
                http1MaxPendingRequests: 1024
                http2MaxRequests: 4096
                idleTimeout: 300s
            outlierDetection:
              consecutive5xxErrors: 5
              consecutiveGatewayErrors: 5
              interval: 10s
              baseEjectionTime: 30s
              maxEjectionPercent: 100

        """;

    // Each counts every request and lets all of them through.
    private const string Resilience = """
        ---
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: CircuitBreaker
        metadata:
          name: backend
        spec:
          host: backend.test
        ---
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: RateLimit
        metadata:
          name: backend
        spec:
          host: backend.test
          tokens: 1000000
        ---
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: ResiliencePolicy
        metadata:
          name: backend
        spec:
          host: backend.test
          concurrency:
            maxConcurrentCalls: 100000

        """;

    // The last route is the one that fits, so that all are looked at.
    private static string VirtualService()
    {
        StringBuilder text = new("""
            ---
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata:
              name: backend
            spec:
              hosts: [backend.test]
              http:

            """);
        for (int i = 1; i < Routes; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $$"""
              - name: tenant-{{i}}
                match:
                  - uri: {prefix: /tenant/{{i}}/}
                    headers: {x-tenant: {exact: tenant-{{i}} } }
                route: [{destination: {host: backend.test} }]

            """);
        }

        return text.Append("""
              - name: all
                match: [{uri: {prefix: /}}]
                route: [{destination: {host: backend.test}}]
                timeout: 10s
                retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,connect-failure,reset"}

            """).ToString();
    }
}
