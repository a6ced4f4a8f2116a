using System.Net;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>Clusters that every proxy has without a rule, under Istio's names: for what no service answers to.</summary>
internal static class BuiltInClusters
{
    /// <summary>Goes on to wherever the caller was going before it was redirected.</summary>
    public const string Passthrough = "PassthroughCluster";

    /// <summary>Has no endpoint, so that everything ends here.</summary>
    public const string BlackHole = "BlackHoleCluster";

    /// <summary>Goes on to where the caller was going, in front of the application: for ports that no service names.</summary>
    public const string InboundPassthrough = "InboundPassthroughCluster";

    /// <summary>Goes to whatever host the caller names: of the explicit proxy, which has no original destination.</summary>
    public const string PassthroughByName = Passthrough + "|dns";

    /// <summary>What the cluster of this name is like; null when none has it.</summary>
    /// <param name="name">Name.</param>
    /// <param name="inboundSource">Where connections to the own application come from; null leaves it to the system.</param>
    public static ClusterConfig? Find(string name, IPAddress? inboundSource) => name switch
    {
        Passthrough => Make(name, Passthrough) with { UsesOriginalDestination = true },
        PassthroughByName => Make(name, Passthrough) with { Dns = DnsDiscovery.Dynamic },
        BlackHole => Make(name, BlackHole),
        InboundPassthrough => Make(name, InboundPassthrough) with
        {
            IsInbound = true,
            Protocol = ClusterProtocol.Tcp,
            UsesOriginalDestination = true,
            SourceAddress = inboundSource?.ToString(),
        },
        _ => null,
    };

    private static ClusterConfig Make(string name, string service) => new() { Name = name, ServiceHost = service, ServiceName = service, Port = 0 };
}
