namespace Mesh.Proxy.LoadBalancing;

/// <summary>What a load balancer may know of an endpoint. Read while requests run; values may be a moment old.</summary>
internal interface ILoadTarget
{
    /// <summary><c>ip:port</c>: what places it in rings and tables.</summary>
    string Address { get; }

    /// <summary>Requests attached to its connections.</summary>
    long ActiveRequests { get; }

    /// <summary>Configured weight, at least 1.</summary>
    int Weight { get; }

    /// <summary>Timestamp of its joining the cluster: slow start counts from it.</summary>
    long JoinedAt { get; }
}
