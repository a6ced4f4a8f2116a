using Mesh.Proxy.Breakers;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Wire;

namespace Mesh.Proxy.Upstream;

// The breaker of a cluster whose circuit all callers share: what goes to the control plane, and what comes from it.
public sealed partial class Cluster
{
    private readonly TickEntry _orderEnd;

    /// <summary>What the control plane is to hear of the calls to this upstream; null unless its breaker is of scope mesh. Any thread.</summary>
    public CircuitReport? ReportCircuit() => _breaker?.Report(Name, Now);

    /// <summary>Follows what the control plane decided. An order for a rule that is not in force here, and one of an epoch before the last, change nothing. Any thread.</summary>
    public void Follow(CircuitOrder order)
    {
        if (_breaker is not { } breaker || _isRetired)
        {
            return;
        }

        long end = breaker.Take(order, Now, out bool isStale, out BreakerChange? change);
        if (isStale)
        {
            Stats.Breaker!.Stale.Add();
        }

        if (change is not null)
        {
            Tell(breaker, change);
        }

        Services.Ticker.ScheduleNoLaterThan(_orderEnd, end);
    }

    // On time, so that pages, metrics and the log say who decides although nobody calls.
    private void EndOrder()
    {
        if (_breaker is not { } breaker || _isRetired)
        {
            return;
        }

        if (breaker.Age(Now, out long next) is { } change)
        {
            Stats.Breaker!.Expired.Add();
            Tell(breaker, change);
        }

        Services.Ticker.ScheduleNoLaterThan(_orderEnd, next);
    }
}
