using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Hosting;

/// <summary>Where the proxy listens and what stands behind it.</summary>
public sealed record ProxyOptions
{
    /// <summary>Outbound listener; null for none. Port 0 lets the system choose.</summary>
    public IPEndPoint? Outbound { get; init; }

    /// <summary>Inbound listener; null for none.</summary>
    public IPEndPoint? Inbound { get; init; }

    /// <summary>Cluster behind the inbound listener, <c>inbound|8080||</c>; null in front of a whole pod, where the port that was dialled says which.</summary>
    public string? InboundCluster { get; init; } = "";

    /// <summary>How connections come here.</summary>
    public InterceptionMode Interception { get; init; }

    /// <summary>Where connections to ports of the own application that no service names come from; null leaves it to the system.</summary>
    public IPAddress? PassthroughSource { get; init; } = ClusterManager.DefaultInboundSource;

    /// <summary>What carries the connections.</summary>
    public TransportKind Transport { get; init; }

    /// <summary>Event loops, each a thread; 0 is one for each processor of the quota (Envoy's --concurrency).</summary>
    public int Concurrency { get; init; }

    /// <summary>Limits of time and number for the connections of clients.</summary>
    public ConnectionLimits Limits { get; init; } = ConnectionLimits.Default;

    /// <summary>Further addresses of this process (admin, health, metrics) that a request must not be proxied to.</summary>
    public IReadOnlyCollection<IPEndPoint> OwnAddresses { get; init; } = [];

    /// <summary>The one nameserver to ask; null for those of the machine.</summary>
    public IPEndPoint? Dns { get; init; }
}
