namespace Mesh.Rules.Snapshots;

/// <summary>What happens to calls for a destination that no rule and no service names (Istio's <c>outboundTrafficPolicy.mode</c>).</summary>
public enum OutboundTrafficPolicy
{
    /// <summary>They pass, under the statistics of <c>PassthroughCluster</c>. Istio's default.</summary>
    AllowAny,

    /// <summary>They are refused, under the statistics of <c>BlackHoleCluster</c>.</summary>
    RegistryOnly,
}
