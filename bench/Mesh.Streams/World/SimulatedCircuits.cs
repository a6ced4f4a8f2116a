using System.Collections.Immutable;
using Mesh.Rules.Wire;

namespace Mesh.Streams.World;

/// <summary>A sidecar's end of circuits that all share: it calls each of them all the time, counts as a sidecar does, and says which order it follows. Used by one sidecar.</summary>
internal sealed class SimulatedCircuits
{
    private const int CallsBetweenReports = 5;
    private readonly Dictionary<string, CircuitOrder> _orders = new(StringComparer.Ordinal); // by upstream
    private CircuitReport[] _reports = [];

    /// <summary>What it reports next.</summary>
    /// <param name="count">How many circuits.</param>
    /// <param name="isFailing">Whether all calls failed since the report before.</param>
    public ImmutableArray<CircuitReport> Next(int count, bool isFailing)
    {
        if (_reports.Length != count)
        {
            _reports = [.. Enumerable.Range(0, count).Select(Cluster.Name).Select(static name => new CircuitReport { Rule = $"CircuitBreaker/default/{name}", Cluster = $"outbound|8080||{name}.default.svc.cluster.local" })];
        }

        foreach (CircuitReport report in _reports)
        {
            CircuitOrder? order = _orders.GetValueOrDefault(report.Cluster);
            int calls = order is null or { State: CircuitState.Closed } ? CallsBetweenReports : 0;
            (report.Calls, report.Failures, report.Epoch) = (report.Calls + calls, report.Failures + (isFailing ? calls : 0), order?.Epoch ?? 0);
        }

        return [.. _reports];
    }

    /// <summary>Takes the answer.</summary>
    /// <returns>How many circuits it opened.</returns>
    public int Take(SidecarOrders orders)
    {
        int opened = 0;
        foreach (CircuitOrder order in orders.Circuits)
        {
            opened += order.State == CircuitState.Open && _orders.GetValueOrDefault(order.Cluster)?.State != CircuitState.Open ? 1 : 0;
            _orders[order.Cluster] = order;
        }

        return opened;
    }
}
