using Mesh.Proxy.Breakers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// The circuit breaker's part in an attempt: a permit before it, its outcome after. A cluster without a breaker passes by with a check for null.
internal sealed partial class Http1Exchange
{
    private string? _routeName; // of the choice
    private CircuitBreaker? _breaker; // while it is to be told of this attempt
    private BreakerPermit _permit;
    private BreakerRefusal _refusal;
    private long _sentAllAt; // when the last byte of the request had gone; 0 before that

    private CircuitBreaker? BreakerInForce => _cluster!.BreakerFor(_routeName);

    // Of the breaker in force, or of those that the endpoints have.
    private BreakerConfig? BreakerRule => BreakerInForce?.Config ?? _cluster!.EndpointRule;

    /// <summary>Says by what luck breakers of single endpoints are asked, where there are some: one draw for the whole call, so that together they let through what each lets through.</summary>
    private PickContext WithLuck(in PickContext pick)
    {
        if (_cluster!.EndpointRule is not { } rule || BreakerInForce is not null || IsExempt(rule))
        {
            return pick;
        }

        return pick with { Luck = rule.Recovery > TimeSpan.Zero && !rule.IsShadow ? context.Runtime.Random.NextDouble() : 0 };
    }

    /// <summary>Asks before the attempt; false when the circuit is open, and <see cref="_refusal"/> says why. The few places of a trial are not for those who may have to wait.</summary>
    private bool EntersBreaker(long now)
    {
        if (BreakerInForce is not { } breaker || IsExempt(breaker.Config))
        {
            return true;
        }

        bool passes = TakesPermit(breaker, now);
        if (_permit.IsHeld && breaker.State == BreakerState.HalfOpen)
        {
            _cluster!.LeaveBreaker(breaker, _permit, BreakerOutcome.Ignored, TimeSpan.Zero, now);
            _permit = default;
        }

        return passes;
    }

    /// <summary>A connection is there: takes the place of a trial, and looks whether the circuit has opened meanwhile.</summary>
    private bool IsStillWelcome(UpstreamConnection upstream) =>
        _breaker is { } breaker ? breaker.IsCurrent(_permit) || TakesPermit(breaker, context.Now)
        : _pick.Luck is null || upstream.Endpoint.Breaker is not { } own || TakesPermit(own, context.Now);

    private bool TakesPermit(CircuitBreaker breaker, long now)
    {
        _refusal = _cluster!.EnterBreaker(breaker, now, (_attempt == 1 || _again == Again.Elsewhere) && _breaker is null, out _permit);
        _breaker = _permit.IsHeld ? breaker : null;
        _sentAllAt = 0;
        if (_refusal.IsShadow)
        {
            Decided(ProxyErrors.CircuitOpen(_refusal, breaker.Config.Source).Decision with { Verdict = DecisionVerdict.Shadow });
            _refusal = default;
        }

        return !_refusal.IsSet;
    }

    // Zero but for an attempt on trial, and there too unless its rule says so.
    private TimeSpan TrialTimeout => _breaker is { } breaker && _permit.IsTrial && !_request.IsConnect ? breaker.Config.TrialTimeout : TimeSpan.Zero;

    // Which call is one turns out later.
    private bool HasTrials => BreakerRule is { } rule && rule.TrialTimeout > TimeSpan.Zero;

    // A retry does not knock at an open circuit: the caller gets what the upstream has said.
    private bool IsShutOut => BreakerInForce is { } breaker ? !breaker.Config.IsShadow && breaker.IsShut(context.Now) && !IsExempt(breaker.Config)
        : _pick.Luck is not null && _cluster!.IsShut(_lastEndpoint, _pick with { Luck = 0 });

    private ValueTask<bool> RefuseByBreakerAsync(UpstreamConnection? unused)
    {
        unused?.Release(reusable: true);
        if (_pick.Luck is null || unused is null)
        {
            _again = Again.No;
            return RefuseAsync(ProxyErrors.CircuitOpen(_refusal, BreakerRule?.Source), goesOn: true);
        }

        _again = Again.Beside; // while it waited, its endpoint has opened, or others took the places of the trial
        return new(false);
    }

    private ValueTask<bool> RefuseByEndpointsAsync(Endpoint? first)
    {
        _again = Again.No;
        _refusal = _cluster!.RefuseFor(first, _pick.Luck ?? 0);
        return RefuseAsync(ProxyErrors.CircuitOpen(_refusal, BreakerRule?.Source), goesOn: true);
    }

    /// <summary>No connection could be had. What our own limits refused says nothing about the upstream.</summary>
    private void TellBreaker(in RentResult rent)
    {
        if ((_breaker ?? (_pick.Luck is null ? null : rent.Endpoint?.Breaker)) is { } breaker)
        {
            bool isLate = rent.Status == RentStatus.Cancelled && IsRouteOver && rent.FailureText is not null; // no connection within the time of the route
            if (!isLate && rent.Status is not (RentStatus.ConnectFailure or RentStatus.ConnectTimeout))
            {
                TellBreaker(BreakerOutcome.Ignored, TimeSpan.Zero);
            }
            else if ((_breaker is not null && _permit.IsHeld) || (!breaker.IsShut(context.Now) && TakesPermit(breaker, context.Now)))
            {
                TellBreaker(isLate ? BreakerFailures.Timeout : BreakerFailures.ConnectFailure, TimeSpan.Zero);
            }
            else
            {
                _breaker = null; // the trial has had its calls
            }
        }
    }

    private void TellBreaker(BreakerFailures failure, TimeSpan time)
    {
        if (_breaker is { } breaker)
        {
            TellBreaker(breaker.Config.Failures.HasFlag(failure) ? BreakerOutcome.Failure : BreakerOutcome.Success, time);
        }
    }

    /// <summary>An answer has begun. What the client took to send its body is not the upstream's time.</summary>
    private void TellBreakerOfAnswer(long sentAt, long answeredAt)
    {
        if (_breaker is { } breaker)
        {
            long since = _request.Framing.Kind == BodyKind.None ? sentAt : _sentAllAt == 0 ? answeredAt : _sentAllAt;
            TimeSpan time = context.Between(since, Math.Max(since, answeredAt));
            TellBreaker(_response.IsOverload ? BreakerOutcome.Ignored : Judge(breaker.Config, _response.Status), time);
        }
    }

    private void TellBreaker(BreakerOutcome outcome, TimeSpan time)
    {
        if (_breaker is { } breaker)
        {
            _breaker = null;
            _cluster!.LeaveBreaker(breaker, _permit, outcome, time, context.Now);
        }
    }

    private static BreakerOutcome Judge(BreakerConfig config, int status)
    {
        if (config.IgnoredCodes.Contains(status))
        {
            return BreakerOutcome.Ignored;
        }

        bool isFailure = (status >= 500 && config.Failures.HasFlag(BreakerFailures.ServerError))
            || (status is 502 or 503 or 504 && config.Failures.HasFlag(BreakerFailures.GatewayError)) || config.FailureCodes.Contains(status);
        return isFailure ? BreakerOutcome.Failure : BreakerOutcome.Success;
    }

    // A cancel must get through, whatever became of the calls before it.
    private bool IsExempt(BreakerConfig config) => PathList.Has(config.ExemptPaths, _request.Path);
}
