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

    /// <summary>State of the circuit breaker; closed where there is none, and where one of several endpoints takes calls.</summary>
    public BreakerState BreakerState => _breaker?.State ?? (_endpointRule is null ? BreakerState.Closed : StateOfEndpoints());

    /// <summary>Calls and rates that the circuit breaker looks back on, or those of all endpoints together; empty where there is none.</summary>
    public BreakerFigures BreakerFigures => _breaker?.Figures(Now) ?? (_endpointRule is null ? default : FiguresOfEndpoints());

    /// <summary>What the control plane decided for all callers of this upstream; null when this sidecar decides.</summary>
    public OrderInForce? CircuitOrder => _breaker?.Order(Now);

    /// <summary>All circuit breakers, as they are now: the upstream's, those of its endpoints, then those of single routes.</summary>
    public IEnumerable<BreakerView> Breakers()
    {
        long now = Now;
        IEnumerable<CircuitBreaker> own = _breaker is { } breaker ? [breaker] : _hosts.All.Select(static e => e.Breaker).OfType<CircuitBreaker>();
        IEnumerable<KeyValuePair<string, CircuitBreaker>> routes = _routeBreakers ?? ImmutableSortedDictionary<string, CircuitBreaker>.Empty;
        return own.Select(b => View(null, b)).Concat(routes.Select(r => View(r.Key, r.Value)));

        BreakerView View(string? route, CircuitBreaker b) => new(route, b.Config, b.State, b.Figures(now), b.Order(now)) { Endpoint = b.Endpoint };
    }

    /// <summary>The circuit breaker for calls by no route of its own, or null.</summary>
    internal CircuitBreaker? Breaker => _breaker;

    /// <summary>The circuit breaker for calls by a route of that name, or null.</summary>
    internal CircuitBreaker? BreakerFor(string? route) => _routeBreakers is { } routes && route is not null && routes.TryGetValue(route, out CircuitBreaker? own) ? own : _breaker;

    /// <summary>Asks the breaker of this cluster for a permit; in shadow mode a refusal is counted apart, and its caller lets the call pass. Attempts after the first need no luck in a recovery.</summary>
    internal BreakerRefusal EnterBreaker(CircuitBreaker breaker, long now, bool isFirst, out BreakerPermit permit)
    {
        bool isDrawn = breaker.Endpoint is not null && !breaker.Config.IsShadow; // when it was chosen
        BreakerRefusal refusal = breaker.TryEnter(now, isFirst && !isDrawn ? Services.Runtime.Random : null, out permit, out BreakerChange? change);
        if (change is not null)
        {
            Follow(breaker, change);
        }

        if (!refusal.IsSet)
        {
            return default;
        }

        PassOnNews(breaker);
        bool isShadow = breaker.Config.IsShadow;
        if (isShadow || breaker.Endpoint is null) // else there may be another
        {
            (isShadow ? Stats.Breaker!.ShadowRejected : Stats.Breaker!.Rejected).Add();
        }

        return refusal with { IsShadow = isShadow, Place = isShadow && breaker.Endpoint is not null ? breaker.PassedOver : null };
    }

    /// <summary>Gives a permit back.</summary>
    internal void LeaveBreaker(CircuitBreaker breaker, BreakerPermit permit, BreakerOutcome outcome, TimeSpan time, long now)
    {
        if (breaker.Leave(permit, outcome, time, now) is { } change)
        {
            Follow(breaker, change);
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

        bool isPerEndpoint = config.Breaker is { IsPerEndpoint: true };
        _breaker = Updated(_breaker, isPerEndpoint ? null : config.Breaker);
        UpdateEndpointBreakers(isPerEndpoint ? config.Breaker : null);
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

    private void Follow(CircuitBreaker breaker, BreakerChange change)
    {
        if (breaker.Endpoint is not null)
        {
            FollowBreaker(breaker);
        }

        Tell(breaker, change);
    }

    private void Tell(CircuitBreaker breaker, BreakerChange change)
    {
        bool isInForce = breaker.Endpoint is not null ? IsOfAnEndpoint(breaker) : ReferenceEquals(breaker, _breaker) || _routeBreakers?.ContainsValue(breaker) == true;
        if (!isInForce || Stats.Breaker is not { } stats)
        {
            return; // its rule is gone, or its endpoint; a call was still under way
        }

        Count(stats, change);
        BreakerFigures figures = change.Figures;
        Services.OnBreaker(new BreakerEvent(
            Services.Runtime.Time.GetUtcNow(), Name, BreakerText.Of(change.From), BreakerText.Of(change.To), change.Reason,
            figures.Calls, figures.FailureRate, figures.SlowRate, breaker.Config.Source, !breaker.Config.IsShadow)
        {
            Endpoint = breaker.Endpoint,
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
