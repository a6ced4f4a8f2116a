namespace Mesh.Proxy.Outlier;

/// <summary>Which detector speaks. Several may at once; the gateway one comes first (as Envoy).</summary>
[Flags]
internal enum EjectionCause
{
    None = 0,
    ConsecutiveGatewayFailure = 1,
    Consecutive5xx = 2,
    ConsecutiveLocalOriginFailure = 4,
}
