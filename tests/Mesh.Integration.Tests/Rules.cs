namespace Mesh.Integration.Tests;

/// <summary>Rule texts that several tests use.</summary>
internal static class Rules
{
    public static string Partner(string address, string protocol = "HTTP", int port = 80) => $$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: partner}
        spec:
          hosts: [partner.example]
          ports: [{number: {{port}}, name: main, protocol: {{protocol}}}]
          resolution: STATIC
          endpoints: [{address: {{address.Split(':')[0]}}, ports: { main: {{address.Split(':')[1]}} } }]
        """;

    public static string Limits(string host, int maxConnections, int pending, string more = "") => $$"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: limits}
        spec:
          host: {{host}}
          trafficPolicy:
            connectionPool:
              tcp: {maxConnections: {{maxConnections}}}
              http: {http1MaxPendingRequests: {{pending}}}
            {{more}}
        """;
}
