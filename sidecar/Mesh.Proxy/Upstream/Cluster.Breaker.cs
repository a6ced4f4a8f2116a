using Mesh.Proxy.Breakers;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// The breaker of a cluster: null unless a rule asks for one, so that others pay one look.
public sealed partial class Cluster
{
    private volatile CircuitBreaker? _breaker;

    /// <summary>State of the circuit breaker; closed where there is none.</summary>
    public BreakerState BreakerState => _breaker?.State ?? BreakerState.Closed;

    /// <summary>Calls and rates that the circuit breaker looks back on; empty where there is none.</summary>
    public BreakerFigures BreakerFigures => _breaker?.Figures(Now) ?? default;

    /// <summary>What the control plane decided for all callers of this upstream; null when this sidecar decides.</summary>
    public OrderInForce? CircuitOrder => _breaker?.Order(Now);

    /// <summary>The circuit breaker, or null.</summary>
    internal CircuitBreaker? Breaker => _breaker;

    /// <summary>Asks the breaker of this cluster for a permit; in shadow mode a refusal is only counted. Attempts after the first need no luck in a recovery.</summary>
    internal BreakerRefusal EnterBreaker(CircuitBreaker breaker, long now, bool isFirst, out BreakerPermit permit)
    {
        BreakerRefusal refusal = breaker.TryEnter(now, isFirst ? Services.Runtime.Random : null, out permit, out BreakerChange? change);
        if (change is not null)
        {
            Tell(breaker, change);
        }

        if (!refusal.IsSet)
        {
            return default;
        }

        bool isShadow = breaker.Config.IsShadow;
        (isShadow ? Stats.Breaker!.ShadowRejected : Stats.Breaker!.Rejected).Add();
        return isShadow ? default : refusal;
    }

    /// <summary>Gives a permit back.</summary>
    internal void LeaveBreaker(CircuitBreaker breaker, BreakerPermit permit, BreakerOutcome outcome, TimeSpan time, long now)
    {
        if (breaker.Leave(permit, outcome, time, now) is { } change)
        {
            Tell(breaker, change);
        }

        if (permit is { IsTrial: true } && outcome != BreakerOutcome.Ignored && breaker.Config.IsMesh)
        {
            Services.OnTrial();
        }
    }

    private void UpdateBreaker(BreakerConfig? next)
    {
        CircuitBreaker? breaker = _breaker;
        if (next is null || breaker is null)
        {
            Stats.Breaker ??= next is null ? null : new BreakerStats();
            _breaker = next is null ? null : new CircuitBreaker(next, Services.Runtime.Time.TimestampFrequency, Now);
        }
        else if (next != breaker.Config && breaker.Update(next, Now) is { } change)
        {
            Tell(breaker, change);
        }
    }

    private void Tell(CircuitBreaker breaker, BreakerChange change)
    {
        if (!ReferenceEquals(breaker, _breaker) || Stats.Breaker is not { } stats)
        {
            return; // its rule is gone; a call was still under way
        }

        Count(stats, change);
        BreakerFigures figures = change.Figures;
        Services.OnBreaker(new BreakerEvent(
            Services.Runtime.Time.GetUtcNow(), Name, BreakerText.Of(change.From), BreakerText.Of(change.To), change.Reason,
            figures.Calls, figures.FailureRate, figures.SlowRate, breaker.Config.Source, !breaker.Config.IsShadow)
        {
            Order = change.Order,
        });
    }

    private static void Count(BreakerStats stats, BreakerChange change)
    {
        if (change is { From: BreakerState.Closed, To: BreakerState.Closed })
        {
            return; // only who decides has changed
        }

        (change.To switch
        {
            BreakerState.Open => stats.Opened,
            BreakerState.HalfOpen => stats.HalfOpened,
            BreakerState.Closed => stats.Closed,
            _ => stats.Forced,
        }).Add();
    }
}
