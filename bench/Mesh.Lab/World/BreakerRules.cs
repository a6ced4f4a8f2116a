using System.Globalization;
using Mesh.ControlPlane.Tests.Kubernetes;

namespace Mesh.Lab.World;

/// <summary>Rules of the lab of shared circuits: a partner, and a circuit breaker of scope mesh in front of it.</summary>
internal static class BreakerRules
{
    /// <summary>The partner.</summary>
    public const string Host = "partner.lab";

    /// <summary>Its cluster in each caller.</summary>
    public const string Cluster = "outbound|80||" + Host;

    /// <summary>Failed calls in percent.</summary>
    public const int Threshold = 50;

    /// <summary>Calls of all callers together that decide.</summary>
    public const int Minimum = 20;

    /// <summary>Calls on trial of all callers together.</summary>
    public const int Quota = 4;

    /// <summary>What the breaker looks back on.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromSeconds(4);

    /// <summary>How long it stays open.</summary>
    public static readonly TimeSpan OpenTime = TimeSpan.FromSeconds(2);

    /// <summary>A rule by which the callers with the label <c>network: bad</c> reach nobody: they begin with TLS, and the partner's port answers in plain text.</summary>
    public const string BadNetwork = $$"""
        apiVersion: networking.istio.io/v1alpha3
        kind: DestinationRule
        metadata:
          name: bad-network
        spec:
          host: {{Host}}
          workloadSelector: {matchLabels: {network: bad} }
          trafficPolicy:
            tls: {mode: SIMPLE}

        """;

    /// <summary>Writes them into the folder of a control plane.</summary>
    public static void Write(string data, Uri partner)
    {
        Put(data, "serviceentries.networking.istio.io", Entry(partner));
        Put(data, "circuitbreakers.resilience.mesh.dev", Breaker);
    }

    /// <summary>Puts them into a cluster.</summary>
    public static void Put(ApiObjects cluster, Uri partner)
    {
        cluster.Put("networking.istio.io", "serviceentries", Entry(partner));
        cluster.Put("resilience.mesh.dev", "circuitbreakers", Breaker);
    }

    private static string Breaker => string.Create(CultureInfo.InvariantCulture, $$"""
        apiVersion: resilience.mesh.dev/v1alpha1
        kind: CircuitBreaker
        metadata: {name: partner, namespace: default}
        spec:
          host: {{Host}}
          scope: mesh
          slidingWindowType: TIME_BASED
          slidingWindowSize: {{Window.TotalSeconds}}
          minimumNumberOfCalls: {{Minimum}}
          failureRateThreshold: {{Threshold}}
          permittedNumberOfCallsInHalfOpenState: {{Quota}}
          waitDurationInOpenState: {{OpenTime.TotalSeconds}}s

        """);

    private static string Entry(Uri partner) => $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: partner, namespace: default}
        spec:
          hosts: [{{Host}}]
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints: [{address: {{partner.Host}}, ports: { http: {{partner.Port}} } }]

        """;

    private static void Put(string data, string folder, string rule)
    {
        string file = Path.Combine(data, "rules", folder, "default", "partner.yaml");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, rule);
    }
}
