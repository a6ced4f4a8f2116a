using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>Clusters that every proxy has without a rule, under Istio's names: for connections that no service answers to.</summary>
internal static class BuiltInClusters
{
    /// <summary>Goes on to wherever the caller was going.</summary>
    public const string Passthrough = "PassthroughCluster";

    /// <summary>Goes to whatever host the caller names: of the explicit proxy, which has no original destination. The metrics have it as <see cref="Passthrough"/>.</summary>
    public const string PassthroughByName = Passthrough + "|dns";

    /// <summary>Has no endpoint, so that everything ends here.</summary>
    public const string BlackHole = "BlackHoleCluster";

    /// <summary>The same as <see cref="Passthrough"/> in front of the application, for ports that no service names.</summary>
    public const string InboundPassthrough = "InboundPassthroughCluster";

    /// <summary>What the cluster of this name is like; null when none has it.</summary>
    /// <param name="name">Name.</param>
    /// <param name="inboundSources">Where connections to the own application come from, an address for each family; null leaves it to the system.</param>
    public static ClusterConfig? Find(string name, string? inboundSources) => name switch
    {
        Passthrough => Make(name),
        PassthroughByName => Make(Passthrough) with { Name = name, UsesOriginalDestination = false, Dns = DnsDiscovery.Dynamic },
        BlackHole => Make(name) with { UsesOriginalDestination = false },
        InboundPassthrough => Make(name) with { IsInbound = true, Protocol = ClusterProtocol.Tcp, SourceAddress = inboundSources },
        _ => null,
    };

    private static ClusterConfig Make(string name) => new() { Name = name, ServiceHost = name, ServiceName = name, Port = 0, UsesOriginalDestination = true };
}
