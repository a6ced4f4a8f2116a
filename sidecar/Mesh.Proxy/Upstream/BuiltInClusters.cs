using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>Clusters that every proxy has without a rule.</summary>
internal static class BuiltInClusters
{
    /// <summary>Istio's name for what passes without a service, as the metrics have it.</summary>
    public const string Passthrough = "PassthroughCluster";

    /// <summary>Istio's name for what is refused because no service has its name, as the metrics have it.</summary>
    public const string BlackHole = "BlackHoleCluster";

    /// <summary>Goes to whatever host the caller names: of the explicit proxy, which has no original destination.</summary>
    public const string PassthroughByName = Passthrough + "|dns";

    /// <summary>What the cluster of this name is like; null when none has it.</summary>
    public static ClusterConfig? Find(string name) => name == PassthroughByName
        ? new ClusterConfig { Name = name, ServiceHost = Passthrough, ServiceName = Passthrough, Port = 0, Dns = DnsDiscovery.Dynamic }
        : null;
}
