using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Config;

/// <summary>
/// Puts snapshots in force, one at a time, and touches only what differs: what runs survives (sidecar/adr/0003). Order: clusters are added
/// and updated and their names resolved, routes swapped, listeners bound and drained, removed clusters drained; so no request ever meets a route without its cluster.
/// </summary>
public sealed partial class SnapshotApplier : IDisposable
{
    private readonly ClusterManager _clusters;
    private readonly ProxyStats _stats;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private IReadOnlyList<(ListenerConfig Listener, string Problem)> _listenerProblems = [];
    private volatile ProxyState _state = new(ProxySnapshot.Empty, new RouteTable(ProxySnapshot.Empty.Routes));

    /// <summary>Creates an applier with an empty snapshot in force.</summary>
    /// <param name="clusters">Clusters it manages; nobody else changes them.</param>
    /// <param name="listeners">Extra listeners; may be set later.</param>
    /// <param name="runtime">Log.</param>
    /// <param name="stats">Counts applied and refused snapshots.</param>
    public SnapshotApplier(ClusterManager clusters, IListenerSet? listeners, ProxyRuntime runtime, ProxyStats stats)
    {
        _clusters = clusters;
        Listeners = listeners;
        _stats = stats;
        _logger = runtime.Loggers.CreateLogger<SnapshotApplier>();
    }

    /// <summary>What a request captures once. Replaced whole; read by any thread.</summary>
    public ProxyState State => _state;

    /// <summary>Extra listeners. Set before the first snapshot is applied.</summary>
    public IListenerSet? Listeners { get; set; }

    /// <summary>Puts <paramref name="snapshot"/> in force, or refuses it and changes nothing. Calls wait for each other.</summary>
    public async Task<ApplyResult> ApplyAsync(ProxySnapshot snapshot)
    {
        await _turn.WaitAsync();
        try
        {
            IReadOnlyList<string> errors = SnapshotCheck.FindErrors(snapshot, _state.Snapshot);
            if (errors.Count > 0)
            {
                _stats.ConfigRejected.Add();
                LogRejected(snapshot.Version, errors.Count, errors[0]);
                return new ApplyResult(snapshot.Version, errors, []);
            }

            return new ApplyResult(snapshot.Version, [], await PutInForceAsync(snapshot));
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Releases the turn; after the last apply.</summary>
    public void Dispose() => _turn.Dispose();

    private async Task<IReadOnlyList<(ListenerConfig Listener, string Problem)>> PutInForceAsync(ProxySnapshot next)
    {
        ProxyState old = _state;
        SnapshotDiff diff = SnapshotDiff.Between(old.Snapshot, next);
        _clusters.AddOrUpdate(diff.Clusters);
        await _clusters.WhenResolvedAsync(diff.Clusters.Select(static c => c.Config.Name));
        _state = new ProxyState(next, diff.RoutesChanged ? new RouteTable(next.Routes, _stats.Routes) : old.Routes);

        // Without a change too if something could not be bound last time: it may succeed now.
        if (Listeners is { } listeners && (diff.ListenersChanged || _listenerProblems.Count > 0))
        {
            _listenerProblems = await listeners.UpdateAsync(next.Listeners);
        }

        _clusters.Remove(diff.Removed);
        if (!diff.IsEmpty)
        {
            _stats.ConfigApplied.Add();
            LogApplied(next.Version, diff.Clusters.Count, diff.Removed.Count);
        }

        return _listenerProblems;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Snapshot {Version} in force: {Changed} clusters new or changed, {Removed} removed")]
    private partial void LogApplied(string version, int changed, int removed);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Snapshot {Version} refused, the last good one stays; {Count} problems, the first: {First}")]
    private partial void LogRejected(string version, int count, string first);
}
