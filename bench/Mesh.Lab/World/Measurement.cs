using Mesh.Lab.Metrics;
using Mesh.Load.Measuring;

namespace Mesh.Lab.World;

/// <summary>What one sidecar saw of one cluster during a run: lines of its access log beside its own counters.</summary>
/// <param name="Name">Whose view.</param>
/// <param name="Log">Lines of the access log that name the cluster.</param>
/// <param name="Added">What the counters grew by; gauges too.</param>
/// <param name="MostConnections">Most connections open at a time, as sampled.</param>
internal sealed record LayerNumbers(string Name, IReadOnlyList<AccessLogEntry> Log, ClusterCounters Added, long MostConnections)
{
    /// <summary>Calls that reached the cluster.</summary>
    public long Requests => Log.Count;

    /// <summary>Calls answered below 400.</summary>
    public long Ok => Log.Count(static e => e.Code is > 0 and < 400);

    /// <summary>Calls this sidecar refused for a limit.</summary>
    public long Refused => Log.Count(static e => e.Flags.Split(',').Contains("UO"));

    /// <summary>The rest.</summary>
    public long Errors => Requests - Ok - Refused;
}

/// <summary>One run seen by every layer.</summary>
/// <param name="Load">What the user saw.</param>
/// <param name="Callers">The sidecars of orders and delivery, towards products.</param>
/// <param name="Apps">The sidecars of products, towards their application.</param>
/// <param name="Instances">What each instance of products counted itself, by name.</param>
/// <param name="StockFell">By how much the stock of product 2 fell.</param>
internal sealed record Measurement(
    LoadReport Load,
    IReadOnlyList<LayerNumbers> Callers,
    IReadOnlyList<LayerNumbers> Apps,
    IReadOnlyDictionary<string, InstanceCounts> Instances,
    long StockFell)
{
    /// <summary>What the user saw, and nothing else.</summary>
    public static Measurement Of(LoadReport load) => new(load, [], [], new Dictionary<string, InstanceCounts>(), 0);

    /// <summary>Refusals at any sidecar.</summary>
    public long Overflow => Callers.Concat(Apps).Sum(static layer => layer.Refused);
}
