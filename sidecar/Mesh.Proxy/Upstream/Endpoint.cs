using System.Net;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.LoadBalancing;
using Mesh.Proxy.Outlier;
using Mesh.Proxy.Shadows;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>One upstream address of a cluster, for as long as it is one: counts, pool, outlier state. Survives pushes. Thread-safe to read.</summary>
public sealed class Endpoint : ILoadTarget
{
    private volatile EndpointConfig _config;
    private volatile DestinationLabels _labels;
    private volatile IPEndPoint[] _addresses;
    private EndpointOutlierState? _shadowOutlier; // only where a rule asks for one
    private volatile CircuitBreaker? _breaker;

    /// <summary>Creates it.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="config">Its configuration.</param>
    internal Endpoint(Cluster cluster, EndpointConfig config)
    {
        _config = config;
        _labels = LabelsOf(cluster.Config, config);
        _addresses = AddressesOf(cluster.Config, config);
        JoinedAt = cluster.Now;
        Pool = new ConnectionPool(cluster, this);
    }

    /// <summary><c>ip:port</c>; <c>name:port</c> of an endpoint that stands for whatever its name leads to.</summary>
    public string Address => _config.Address;

    /// <summary>Labels for the metrics.</summary>
    public DestinationLabels Labels => _labels;

    /// <summary>Configuration in force now.</summary>
    public EndpointConfig Config => _config;

    /// <summary>Whether the outlier detector has taken it out of the rotation.</summary>
    public bool IsEjected => Outlier.IsEjected;

    /// <summary>How often it was ejected.</summary>
    public long Ejections => Outlier.Ejections;

    /// <summary>Whether the load balancer may choose it: reported as ready, not ejected, and its circuit, if it has one, not open.</summary>
    public bool IsHealthy => IsFit && !IsOpen;

    /// <summary>Whether a circuit breaker of its own keeps calls away.</summary>
    public bool IsOpen => _breaker is { KeepsOut: true };

    /// <summary>cx_active: connections, connecting and draining ones included.</summary>
    public Gauge CxActive { get; } = new();

    /// <summary>cx_total.</summary>
    public StripedCounter CxTotal { get; } = new();

    /// <summary>cx_connect_fail.</summary>
    public StripedCounter CxConnectFail { get; } = new();

    /// <summary>rq_active: requests attached to a connection.</summary>
    public Gauge RqActive { get; } = new();

    /// <summary>rq_total.</summary>
    public StripedCounter RqTotal { get; } = new();

    /// <summary>rq_success: answers below 500.</summary>
    public StripedCounter RqSuccess { get; } = new();

    /// <summary>rq_error: answers from 500 on, failed connects, resets.</summary>
    public StripedCounter RqError { get; } = new();

    /// <summary>rq_timeout.</summary>
    public StripedCounter RqTimeout { get; } = new();

    long ILoadTarget.ActiveRequests => RqActive.Value;

    int ILoadTarget.Weight => Math.Max(1, _config.Weight);

    long ILoadTarget.JoinedAt => JoinedAt;

    /// <summary>Where a new connection goes: the first that can be reached, in this order. Never empty, not to be changed.</summary>
    internal IPEndPoint[] Addresses => _addresses;

    /// <summary>When it came into the cluster's list; ejection and health do not change it. Guarded by the cluster's lock.</summary>
    internal long JoinedAt { get; set; }

    /// <summary>Original destinations only: chosen since the last look for unused ones. Guarded by the cluster's lock.</summary>
    internal bool WasChosen { get; set; }

    /// <summary>Healthy, whatever its circuit breaker says.</summary>
    internal bool IsFit => _config.IsHealthy && !IsEjected;

    /// <summary>Its own circuit breaker; null unless a rule asks for one for each endpoint. Written under the cluster's lock, read by whoever chooses.</summary>
    internal CircuitBreaker? Breaker { get => _breaker; set => _breaker = value; }

    internal EndpointOutlierState Outlier { get; } = new();

    /// <summary>The same for a detector in shadow mode.</summary>
    internal EndpointOutlierState ShadowOutlier => LazyInitializer.EnsureInitialized(ref _shadowOutlier);

    /// <summary>Whether a detector in shadow mode would have it out now.</summary>
    internal bool IsEjectedInShadow => Volatile.Read(ref _shadowOutlier) is { IsEjected: true };

    /// <summary>Its connections under limits in shadow mode. Guarded by the cluster's lock.</summary>
    internal VirtualPool? Virtual { get; set; }

    /// <summary>Guarded by the cluster's lock.</summary>
    internal ConnectionPool Pool { get; }

    /// <summary>No longer in the cluster's list; lives on until its last connection has ended. Guarded by the cluster's lock; a stale host set looks at it without.</summary>
    internal bool IsRemoved { get; set; }

    /// <summary>Whether its circuit breaker, if it has one, lets a call be led here.</summary>
    internal bool Welcomes(in PickContext pick, TimeProvider time) =>
        _breaker is not { } breaker || pick.Luck is not { } luck || breaker.Welcomes(luck, time, Pool.Waiting);

    /// <summary>Takes a new configuration of the same address, and of the cluster.</summary>
    internal void Update(ClusterConfig cluster, EndpointConfig config)
    {
        if (config.DialAddress != _config.DialAddress)
        {
            _addresses = AddressesOf(cluster, config);
        }

        _config = config;
        DestinationLabels labels = LabelsOf(cluster, config);
        if (labels != _labels)
        {
            _labels = labels; // the same object as long as nothing changes: metrics compare labels by reference
        }
    }

    // An address of the other family cannot be the source: then the system chooses.
    private static IPEndPoint[] AddressesOf(ClusterConfig cluster, EndpointConfig config)
    {
        IPEndPoint[] addresses = Array.ConvertAll((config.DialAddress ?? config.Address).Split(','), IPEndPoint.Parse);
        IPAddress[] sources = Array.ConvertAll(cluster.SourceAddress?.Split(',') ?? [], IPAddress.Parse);
        return Array.ConvertAll(addresses, a => Array.Find(sources, s => s.AddressFamily == a.AddressFamily) is { } source ? new SourcedEndPoint(a.Address, a.Port, source) : a);
    }

    private static DestinationLabels LabelsOf(ClusterConfig cluster, EndpointConfig config) => new(
        cluster.ServiceHost, cluster.ServiceName, cluster.ServiceNamespace, config.Workload, config.WorkloadNamespace, config.WorkloadVersion);
}
