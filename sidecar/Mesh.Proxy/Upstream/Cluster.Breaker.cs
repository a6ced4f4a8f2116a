using System.Collections.Immutable;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// The breaker of a cluster: null unless a rule asks for one, so that others pay one look.
public sealed partial class Cluster
{
    private volatile CircuitBreaker? _breaker;
    private volatile ImmutableSortedDictionary<string, CircuitBreaker>? _routeBreakers;

    /// <summary>State of the circuit breaker; closed where there is none.</summary>
    public BreakerState BreakerState => _breaker?.State ?? BreakerState.Closed;

    /// <summary>Calls and rates that the circuit breaker looks back on; empty where there is none.</summary>
    public BreakerFigures BreakerFigures => _breaker?.Figures(Now) ?? default;

    /// <summary>What the control plane decided for all callers of this upstream; null when this sidecar decides.</summary>
    public OrderInForce? CircuitOrder => _breaker?.Order(Now);

    /// <summary>All circuit breakers, as they are now: the upstream's, then those of single routes.</summary>
    public IEnumerable<BreakerView> Breakers()
    {
        long now = Now;
        IEnumerable<(string? Route, CircuitBreaker Breaker)> all = (_routeBreakers ?? ImmutableSortedDictionary<string, CircuitBreaker>.Empty).Select(static r => ((string?)r.Key, r.Value));
        return (_breaker is { } own ? all.Prepend((null, own)) : all).Select(b => new BreakerView(b.Route, b.Breaker.Config, b.Breaker.State, b.Breaker.Figures(now), b.Breaker.Order(now)));
    }

    /// <summary>The circuit breaker for calls by no route of its own, or null.</summary>
    internal CircuitBreaker? Breaker => _breaker;

    /// <summary>The circuit breaker for calls by a route of that name, or null.</summary>
    internal CircuitBreaker? BreakerFor(string? route) => _routeBreakers is { } routes && route is not null && routes.TryGetValue(route, out CircuitBreaker? own) ? own : _breaker;

    /// <summary>Asks the breaker of this cluster for a permit; in shadow mode a refusal is counted apart, and its caller lets the call pass. Attempts after the first need no luck in a recovery.</summary>
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

        PassOnNews(breaker);
        bool isShadow = breaker.Config.IsShadow;
        (isShadow ? Stats.Breaker!.ShadowRejected : Stats.Breaker!.Rejected).Add();
        return refusal with { IsShadow = isShadow };
    }

    /// <summary>Gives a permit back.</summary>
    internal void LeaveBreaker(CircuitBreaker breaker, BreakerPermit permit, BreakerOutcome outcome, TimeSpan time, long now)
    {
        if (breaker.Leave(permit, outcome, time, now) is { } change)
        {
            Tell(breaker, change);
        }

        PassOnNews(breaker);
    }

    private void PassOnNews(CircuitBreaker breaker)
    {
        if (breaker.TakeNews())
        {
            Services.OnBreakerNews();
        }
    }

    private void UpdateBreaker(ClusterConfig config)
    {
        RouteBreakers? routes = config.RouteBreakers;
        if (config.Breaker is not null || routes is not null)
        {
            Stats.Breaker ??= new BreakerStats();
        }

        _breaker = Updated(_breaker, config.Breaker);
        _routeBreakers = routes?.ByRoute.ToImmutableSortedDictionary(static r => r.Key, r => Updated(_routeBreakers?.GetValueOrDefault(r.Key), r.Value)!, StringComparer.Ordinal);
    }

    private CircuitBreaker? Updated(CircuitBreaker? breaker, BreakerConfig? next)
    {
        if (next is null || breaker is null)
        {
            return next is null ? null : new CircuitBreaker(next, Services.Runtime.Time.TimestampFrequency, Now);
        }

        if (next != breaker.Config && breaker.Update(next, Now) is { } change)
        {
            Tell(breaker, change);
        }

        return breaker;
    }

    private void Tell(CircuitBreaker breaker, BreakerChange change)
    {
        bool isInForce = ReferenceEquals(breaker, _breaker) || _routeBreakers?.ContainsValue(breaker) == true;
        if (!isInForce || Stats.Breaker is not { } stats)
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
