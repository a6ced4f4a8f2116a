using Mesh.Proxy.Breakers;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// A breaker for each endpoint (adr/0047). An open one is left out of what requests choose from, as an ejected one is; one on trial is in it and takes what its breaker lets it.
public sealed partial class Cluster
{
    private readonly TickEntry _breakerWake;
    private volatile BreakerConfig? _endpointRule;

    /// <summary>Endpoints whose circuit is open, and on trial; zeros unless each has one of its own.</summary>
    public (int Open, int HalfOpen) BrokenEndpoints => _endpointRule is null ? default
        : (CountBreakers(BreakerState.Open) + CountBreakers(BreakerState.ForcedOpen), CountBreakers(BreakerState.HalfOpen));

    /// <summary>The rule that gives each endpoint a circuit breaker; null for none. Calls by a route that has its own go by that one.</summary>
    internal BreakerConfig? EndpointRule => _endpointRule;

    /// <summary>Whether a call that has failed has nobody to turn to, because of circuit breakers.</summary>
    /// <param name="last">The endpoint that failed.</param>
    /// <param name="pick">What is known of the request.</param>
    internal bool IsShut(Endpoint? last, in PickContext pick)
    {
        if (_endpointRule is null)
        {
            return false;
        }

        if (_config.UsesOriginalDestination || _config.Dns == DnsDiscovery.Dynamic)
        {
            return last?.Welcomes(in pick, Services.Runtime.Time) == false; // it has no other
        }

        bool isOneFit = false;
        foreach (Endpoint endpoint in _hosts.All)
        {
            if (endpoint.IsFit && endpoint.Welcomes(in pick, Services.Runtime.Time))
            {
                return false;
            }

            isOneFit |= endpoint.IsFit;
        }

        return isOneFit;
    }

    /// <summary>What a call is told that <paramref name="first"/> would be the first to take; counts it as refused.</summary>
    internal BreakerRefusal RefuseFor(Endpoint? first, double luck)
    {
        Stats.Breaker?.Rejected.Add();
        BreakerRefusal refusal = first?.Breaker?.Look(Now, luck, first.Pool.Waiting) ?? default;
        return refusal.IsSet ? refusal : new BreakerRefusal(BreakerState.HalfOpen, "permittedNumberOfCallsInHalfOpenState", -1, -1, TimeSpan.FromSeconds(1)); // it has just changed
    }

    /// <summary>The result for a call that only circuit breakers keep from <paramref name="endpoints"/>; null when they do not.</summary>
    private RentResult? RefuseByBreakers(ReadOnlySpan<Endpoint> endpoints, in PickContext pick)
    {
        if (_endpointRule is null || pick.Luck is not { } luck)
        {
            return null;
        }

        Endpoint? first = null;
        TimeSpan soonest = TimeSpan.MaxValue;
        long now = Now;
        foreach (Endpoint endpoint in endpoints)
        {
            bool isKeptOut = (endpoint.IsFit || _config.UsesOriginalDestination) && !endpoint.Welcomes(in pick, Services.Runtime.Time);
            if (isKeptOut && endpoint.Breaker?.Look(now, luck, endpoint.Pool.Waiting) is { IsSet: true } refusal && refusal.RetryAfter < soonest)
            {
                (first, soonest) = (endpoint, refusal.RetryAfter);
            }
        }

        return first is null ? null : new RentResult(RentStatus.CircuitOpen, null, first, default, null, TimeSpan.Zero);
    }

    private CircuitBreaker? NewEndpointBreaker(Endpoint endpoint) =>
        _endpointRule is { } rule ? new CircuitBreaker(rule, Services.Runtime.Time.TimestampFrequency, Now) { Endpoint = endpoint.Address } : null;

    private bool IsOfAnEndpoint(CircuitBreaker breaker) => Array.Exists(_hosts.All, e => ReferenceEquals(e.Breaker, breaker));

    // Endpoints that stay keep the state of theirs.
    private void UpdateEndpointBreakers(BreakerConfig? next)
    {
        if (next == _endpointRule)
        {
            return;
        }

        List<(CircuitBreaker Breaker, BreakerChange Change)> changes = [];
        lock (_gate)
        {
            _endpointRule = next;
            foreach (Endpoint endpoint in _hosts.All)
            {
                if (next is null || endpoint.Breaker is not { } breaker)
                {
                    endpoint.Breaker = NewEndpointBreaker(endpoint);
                }
                else if (breaker.Update(next, Now) is { } change)
                {
                    changes.Add((breaker, change));
                }
            }

            RebuildHostsLocked(_hosts.All);
        }

        changes.ForEach(c => Tell(c.Breaker, c.Change));
        WakeBreakers(); // waits may be shorter now
    }

    // The circuit of one endpoint has changed by what a call told.
    private void FollowBreaker(CircuitBreaker breaker)
    {
        if (IsOfAnEndpoint(breaker))
        {
            RebuildHosts();
            Services.Ticker.ScheduleNoLaterThan(_breakerWake, breaker.WakesAt(Now));
        }
    }

    // On time: nobody calls who is left out.
    private void WakeBreakers()
    {
        if (_endpointRule is null || _isRetired)
        {
            return;
        }

        List<(CircuitBreaker Breaker, BreakerChange Change)> changes = [];
        long soonest = long.MaxValue;
        long now = Now;
        foreach (Endpoint endpoint in _hosts.All)
        {
            if (endpoint.Breaker is { } breaker)
            {
                if (breaker.Wake(now) is { } change)
                {
                    changes.Add((breaker, change));
                }

                soonest = Math.Min(soonest, breaker.WakesAt(now));
            }
        }

        if (changes.Count > 0)
        {
            RebuildHosts();
        }

        changes.ForEach(c => Tell(c.Breaker, c.Change));
        Services.Ticker.ScheduleNoLaterThan(_breakerWake, soonest);
    }

    private int CountBreakers(BreakerState state)
    {
        int count = 0;
        foreach (Endpoint endpoint in _hosts.All)
        {
            count += endpoint.Breaker?.State == state ? 1 : 0;
        }

        return count;
    }

    // As a caller sees them together: open when none takes a call, on trial when only those on trial do.
    private BreakerState StateOfEndpoints()
    {
        BreakerState? state = null;
        foreach (Endpoint endpoint in _hosts.All)
        {
            BreakerState own = endpoint.Breaker?.State ?? BreakerState.Closed;
            if (own is not (BreakerState.Open or BreakerState.HalfOpen))
            {
                return own;
            }

            state = own == BreakerState.HalfOpen ? own : state ?? own;
        }

        return state ?? BreakerState.Closed;
    }

    private BreakerFigures FiguresOfEndpoints()
    {
        BreakerFigures sum = default;
        foreach (Endpoint endpoint in _hosts.All)
        {
            BreakerFigures own = endpoint.Breaker?.Figures(Now) ?? default;
            sum = new BreakerFigures(sum.Calls + own.Calls, sum.Failures + own.Failures, sum.Slow + own.Slow);
        }

        return sum;
    }
}
