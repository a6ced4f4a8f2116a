using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Upstream;

/// <summary>One upstream address of a cluster, for as long as it is one: counts, pool, outlier state. Survives pushes.</summary>
public sealed class Endpoint
{
    /// <summary><c>ip:port</c>.</summary>
    public string Address => throw new NotImplementedException();

    /// <summary>Labels for the metrics.</summary>
    public DestinationLabels Labels => throw new NotImplementedException();
}
