using Mesh.Proxy.Concurrency;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// The bulkhead of a cluster: null unless a rule asks for one, so that others pay one look.
public sealed partial class Cluster
{
    private Bulkhead? _everBulkhead; // kept without a rule too: calls that it counts are still under way
    private volatile Bulkhead? _bulkhead;

    /// <summary>Calls that hold a place of the bulkhead; 0 where there is none.</summary>
    public int ConcurrencyActive => _bulkhead?.Active ?? 0;

    /// <summary>Calls that wait for a place of the bulkhead.</summary>
    public int ConcurrencyWaiting => _bulkhead?.Waiting ?? 0;

    /// <summary>Places of the bulkhead now; 0 where there is none.</summary>
    public int ConcurrencyLimit => _bulkhead?.Limit ?? 0;

    /// <summary>The latest changes of an adaptive limit, oldest first.</summary>
    public IReadOnlyList<ConcurrencyEvent> ConcurrencyChanges => _bulkhead is { } bulkhead ? [.. bulkhead.Changes.Select(c => EventOf(bulkhead, c))] : [];

    /// <summary>The bulkhead, or null.</summary>
    internal Bulkhead? Bulkhead => _bulkhead;

    /// <summary>Tells an adaptive limit of an answer.</summary>
    internal void LearnConcurrency(Bulkhead bulkhead, long startedAt, long now) => Tell(bulkhead, bulkhead.Learn(startedAt, now));

    /// <summary>Tells an adaptive limit of a call that finds no place.</summary>
    internal void RelieveConcurrency(Bulkhead bulkhead)
    {
        if (bulkhead.IsAdaptive)
        {
            Tell(bulkhead, bulkhead.Relieve(Now));
        }
    }

    private void Tell(Bulkhead bulkhead, LimitChange? change)
    {
        if (change is not null)
        {
            Stats.Concurrency!.LimitChanges.Add();
            Services.OnConcurrency(EventOf(bulkhead, change));
        }
    }

    private void UpdateConcurrency(ConcurrencyConfig? next)
    {
        if (next is not null)
        {
            Stats.Concurrency ??= new ConcurrencyStats();
            _everBulkhead ??= new Bulkhead(next, Services.Runtime.Time.TimestampFrequency, Now);
        }

        if (next != _bulkhead?.Config)
        {
            _everBulkhead?.Update(next, Now);
        }

        _bulkhead = next is null ? null : _everBulkhead;
    }

    private ConcurrencyEvent EventOf(Bulkhead bulkhead, LimitChange change) => new(
        Services.Runtime.Time.GetUtcNow() - Since(change.At), Name, change.From, change.To, change.Reason, change.Latency, change.Usual, change.Answers, change.Active, bulkhead.Config.Source);
}
