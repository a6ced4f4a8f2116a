using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>What happened to an attempt, for outlier detection (semantics 3.1).</summary>
public enum UpstreamOutcome
{
    /// <summary>Response headers arrived; the code says the rest.</summary>
    Response,

    /// <summary>Connecting failed.</summary>
    ConnectFailure,

    /// <summary>Connecting took longer than allowed.</summary>
    ConnectTimeout,

    /// <summary>The connection died before or after the headers, or the upstream broke the protocol.</summary>
    Reset,

    /// <summary>A request deadline passed while waiting for headers.</summary>
    Timeout,

    /// <summary>TCP: the connection was made and is in use.</summary>
    TcpConnected,
}

/// <summary>A long-lived upstream: endpoints, breaker, pools, detector, statistics. Identity is its name; configuration is swapped inside.</summary>
public sealed class Cluster
{
    /// <summary>Name.</summary>
    public string Name => throw new NotImplementedException();

    /// <summary>Configuration in force now.</summary>
    public ClusterConfig Config => throw new NotImplementedException();

    /// <summary>Statistics.</summary>
    public ClusterStats Stats => throw new NotImplementedException();

    /// <summary>Labels for a request that reached no endpoint.</summary>
    public DestinationLabels Labels => throw new NotImplementedException();

    /// <summary>Chooses an endpoint and a connection for one HTTP request, within the limits; waits in the queue if it must.</summary>
    public ValueTask<RentResult> RentHttpAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Chooses an endpoint and makes a connection for one TCP stream, within the limits.</summary>
    public ValueTask<RentResult> RentTcpAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Tells the detector of an attempt. Overflow and cancellation are never recorded. Connect failures of a rent are recorded by the cluster itself.</summary>
    public void Record(Endpoint endpoint, UpstreamOutcome outcome, int statusCode) => throw new NotImplementedException();
}
