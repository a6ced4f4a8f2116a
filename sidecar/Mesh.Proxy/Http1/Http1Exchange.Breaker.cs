using Mesh.Proxy.Breakers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// The circuit breaker's part in an attempt: a permit before it, its outcome after. A cluster without a breaker passes by with a check for null.
internal sealed partial class Http1Exchange
{
    private CircuitBreaker? _breaker; // while it is to be told of this attempt
    private BreakerPermit _permit;
    private BreakerRefusal _refusal;

    /// <summary>Takes a permit for the attempt; false when the circuit is open, and <see cref="_refusal"/> says why.</summary>
    private bool EntersBreaker(long now)
    {
        if (_cluster!.Breaker is not { } breaker || IsExempt(breaker.Config))
        {
            return true;
        }

        _refusal = _cluster.EnterBreaker(breaker, now, out _permit);
        _breaker = _permit.IsHeld ? breaker : null;
        return !_refusal.IsSet;
    }

    /// <summary>Whether the permit still holds, after a wait for a connection: the circuit may have opened meanwhile.</summary>
    private bool IsStillWelcome()
    {
        if (_breaker is not { } breaker || breaker.IsCurrent(_permit))
        {
            return true;
        }

        _breaker = null;
        return EntersBreaker(context.Now);
    }

    private ValueTask<bool> RefuseByBreakerAsync(UpstreamConnection? unused)
    {
        _again = Again.No;
        unused?.Release(reusable: true);
        return RefuseAsync(ProxyErrors.CircuitOpen(_refusal, _cluster!.Breaker?.Config.Source), goesOn: true);
    }

    /// <summary>No connection could be had. What our own limits refused says nothing about the upstream.</summary>
    private void TellBreaker(RentStatus status)
    {
        if (_breaker is { } breaker)
        {
            bool isFailure = status is RentStatus.ConnectFailure or RentStatus.ConnectTimeout && breaker.Config.Failures.HasFlag(BreakerFailures.ConnectFailure);
            TellBreaker(isFailure ? BreakerOutcome.Failure : BreakerOutcome.Ignored, TimeSpan.Zero);
        }
    }

    private void TellBreaker(BreakerFailures failure, TimeSpan time)
    {
        if (_breaker is { } breaker)
        {
            TellBreaker(breaker.Config.Failures.HasFlag(failure) ? BreakerOutcome.Failure : BreakerOutcome.Success, time);
        }
    }

    private void TellBreakerOfAnswer(TimeSpan time)
    {
        if (_breaker is { } breaker)
        {
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
