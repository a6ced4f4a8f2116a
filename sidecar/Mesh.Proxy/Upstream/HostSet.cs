using Mesh.Proxy.LoadBalancing;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>The endpoints as a request sees them; immutable, replaced whole when membership, health or policy change.</summary>
internal sealed class HostSet
{
    private const int MaxExtraPicks = 5; // as Istio; after the last one a host that was tried has to do

    private readonly Endpoint[] _choices;
    private readonly ILoadBalancer _balancer;

    public HostSet(ClusterConfig config, Endpoint[] all, Rotation rotation, Random random)
    {
        All = all;
        Endpoint[] healthy = Array.FindAll(all, static e => e.IsHealthy);
        HealthyCount = healthy.Length;
        // Panic (as Envoy): too few are healthy to carry the load, so health is ignored. A threshold of 0 never panics.
        IsPanic = 100L * healthy.Length < (long)config.PanicThresholdPercent * all.Length;
        _choices = IsPanic ? all : healthy;
        _balancer = LoadBalancerFactory.Create(config.LoadBalancer, _choices, rotation, random);
    }

    public Endpoint[] All { get; }

    public int HealthyCount { get; }

    public bool IsPanic { get; }

    /// <summary>Chooses an endpoint, one that was not tried if it finds one soon (semantics 4.7); null when there is none to choose.</summary>
    public Endpoint? Pick(ClusterStats stats, in PickContext context)
    {
        int index = _balancer.Pick();
        for (int i = 0; i < MaxExtraPicks && index >= 0 && context.Tried?.Contains(_choices[index]) == true; i++)
        {
            index = _balancer.Pick();
        }

        if (index < 0)
        {
            stats.CxNoneHealthy.Add();
            return null;
        }

        if (IsPanic)
        {
            stats.LbHealthyPanic.Add();
        }

        return _choices[index];
    }
}
