using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// What a replica that does not decide has instead of circuits and limits: its callers' newest reports, for the one that does, and the orders that came back. Orders that are older
/// than a lease are not passed on: then the last word of the replica that decided holds until it ends. Only <see cref="MeshCoordinator"/> calls it.
/// </summary>
/// <param name="time">Clock.</param>
internal sealed class RelayedReports(TimeProvider time) : ICoordinated
{
    private readonly Dictionary<string, Relayed> _callers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _gone = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public bool Report(Reporter reporter, SidecarReport report, long now)
    {
        if (!_callers.TryGetValue(reporter.Id, out Relayed? caller))
        {
            _callers.Add(reporter.Id, caller = new Relayed(reporter));
            _gone.Remove(reporter.Id);
        }

        (caller.Report, caller.ReportedAt) = (report, now);
        return false;
    }

    /// <inheritdoc/>
    public bool Forget(Reporter reporter, long now)
    {
        if (_callers.Remove(reporter.Id, out Relayed? caller) && time.GetElapsedTime(caller.ReportedAt, now) < EndpointRegistry.Lease)
        {
            _gone.Add(reporter.Id); // it took its leave; who only falls silent here may have gone to another replica
        }

        return false;
    }

    /// <inheritdoc/>
    public bool Advance(long now) => false;

    /// <inheritdoc/>
    public void AddOrders(Reporter reporter, SidecarOrders orders, long now)
    {
        if (_callers.TryGetValue(reporter.Id, out Relayed? caller) && caller.Orders is { } known && time.GetElapsedTime(caller.OrderedAt, now) is var age && age < EndpointRegistry.Lease)
        {
            orders.Circuits = [.. known.Circuits.Select(order => CircuitOrders.Aged(order, age)).Where(static order => order.TtlMilliseconds > 0)];
            orders.Limits = known.Limits;
        }
    }

    /// <inheritdoc/>
    public void Restart(long now)
    {
        _callers.Clear();
        _gone.Clear();
    }

    /// <summary>What there is to say; null when there is nothing. A report is said once: counts run on, so a lost one costs nothing.</summary>
    public ReplicaReport? Collect()
    {
        if (_callers.Count == 0 && _gone.Count == 0)
        {
            return null;
        }

        ReplicaReport report = new() { Callers = [.. _callers.Values.Select(static c => c.Say())], Gone = [.. _gone] };
        _gone.Clear();
        return report;
    }

    /// <summary>Takes the answer.</summary>
    /// <returns>True when a caller's orders changed.</returns>
    public bool Take(ReplicaOrders answer, long now)
    {
        bool isChanged = false;
        foreach ((string id, SidecarOrders orders) in answer.Orders)
        {
            if (orders is not null && _callers.TryGetValue(id, out Relayed? caller))
            {
                isChanged |= caller.Orders is null || !OrderStream.IsSame(caller.Orders, orders);
                (caller.Orders, caller.OrderedAt) = (orders, now);
            }
        }

        return isChanged;
    }

    private sealed class Relayed(Reporter reporter)
    {
        public SidecarReport? Report { get; set; }

        public long ReportedAt { get; set; }

        public SidecarOrders? Orders { get; set; }

        public long OrderedAt { get; set; }

        public ReplicaCaller Say()
        {
            SidecarReport? report = Report;
            Report = null;
            return new ReplicaCaller { Id = reporter.Id, Zone = reporter.Zone, StartedAt = reporter.StartedAt, Address = reporter.Address, Report = report };
        }
    }
}
