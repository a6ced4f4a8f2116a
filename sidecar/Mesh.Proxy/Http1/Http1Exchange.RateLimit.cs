using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// The rate limits' part in a request: a token of each that counts it before the first attempt, and again for each retry of what may have reached the upstream. Who does not get all
// of them keeps none. A cluster without a limit passes by with a check for null.
internal sealed partial class Http1Exchange
{
    private volatile LinePlace? _place; // made when a request may wait; read by a drain

    /// <summary>The connection is asked to end: a request that waits for a token or for a place is answered now. Any thread.</summary>
    public void OnStopping()
    {
        _place?.Pause.End();
        _inLine?.Pause.End();
        _watch?.End();
    }

    /// <summary>Asks one limit after the other, each at the time at which the one before lets the request go.</summary>
    /// <param name="limiters">The limits.</param>
    /// <param name="next">The first that is still to be asked.</param>
    /// <param name="taken">Those before it whose token the request has, a bit each.</param>
    /// <param name="now">Timestamp.</param>
    private ValueTask<bool> LimitAndAttemptAsync(RateLimiter[] limiters, int next, uint taken, long now)
    {
        for (int i = next; i < limiters.Length; i++)
        {
            RateLimiter limiter = limiters[i];
            if (!IsCounted(limiter))
            {
                continue;
            }

            LinePlace? place = limiter.LetsWait && !context.Drains(Side) ? _place ??= new LinePlace(context.Runtime.Time) : null;
            LimitVerdict verdict = TakeToken(limiter, now, place);
            if (verdict.Answer == LimitAnswer.Waits)
            {
                return WaitAndAttemptAsync(limiters, i, taken, place!, now);
            }

            if (verdict.Answer == LimitAnswer.Refused)
            {
                GiveBack(limiters, taken, now);
                return RefuseByLimitAsync(ProxyErrors.RateLimited(verdict, limiter.Config.Source));
            }

            taken |= verdict.IsShadow ? 0 : 1u << i;
        }

        return AttemptAsync(now);
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<bool> WaitAndAttemptAsync(RateLimiter[] limiters, int index, uint taken, LinePlace place, long now)
    {
        RateLimiter limiter = limiters[index];
        long dueAt;
        while (now < (dueAt = limiter.DueAt(place)) && now < place.LeavesAt && !IsOver && !context.Drains(Side))
        {
            ValueTask wait = limiter.WaitAsync(place, now, _client.Loop, _stop.Token);
            if (context.Drains(Side))
            {
                place.Pause.End(); // it may have begun before there was a wait to end
            }

            await wait;
            now = context.Now;
        }

        bool hasToken = now >= dueAt && !IsOver;
        LimitVerdict putOff = hasToken ? default : limiter.PutOff(place, now);
        limiter.Leave(place, hasToken);
        if (hasToken)
        {
            RateLimitConfig config = limiter.Config;
            LimitVerdict waited = config.Plan is { } plan
                ? new(LimitAnswer.Waits, PlanConfig.TotalField, plan.Total)
                : new(LimitAnswer.Waits, RateLimitConfig.TokensField, config.Tokens, IsMesh: config.IsMesh);
            Decided(ProxyErrors.RateLimited(waited, limiter.Config.Source).Decision with { Verdict = DecisionVerdict.Waited });
            return await LimitAndAttemptAsync(limiters, index + 1, taken | (1u << index), now);
        }

        GiveBack(limiters, taken, now);
        if (IsOver)
        {
            return await FailWithoutConnectionAsync(default);
        }

        _cluster!.Stats.RateLimit!.Limited.Add();
        return await RefuseByLimitAsync(
            now >= place.LeavesAt ? ProxyErrors.RateLimited(putOff, limiter.Config.Source) : ProxyErrors.RateLimitedAtDrain(context.Between(now, dueAt), limiter.Config.Source));
    }

    /// <summary>No token: answers, or lets another host have the request, which has not been attempted yet.</summary>
    private ValueTask<bool> RefuseByLimitAsync(ProxyError error)
    {
        if (FallbackInForce is not { } fallback || !LeavesRefusal(fallback, ref error))
        {
            return SayAsync(error, goesOn: true);
        }

        GoElsewhere();
        return AttemptAsync(context.Now);
    }

    private bool IsOver => _clientIsGone || IsTooLate || IsRouteOver;

    /// <summary>Whether there is a token for a retry, at once: a pause and a line would be two waits.</summary>
    private bool HasTokenForRetry() => _outcome == RequestOutcome.NotSent || HasTokensOf(_cluster!);

    /// <summary>Takes a token of each limit of <paramref name="cluster"/> that counts the request, or of none.</summary>
    private bool HasTokensOf(Cluster cluster)
    {
        RateLimiter[] limiters = cluster.RateLimiters ?? [];
        long now = limiters.Length > 0 ? context.Now : 0;
        uint taken = 0;
        for (int i = 0; i < limiters.Length; i++)
        {
            if (!IsCounted(limiters[i]))
            {
                continue;
            }

            LimitVerdict verdict = TakeToken(limiters[i], now, null);
            if (verdict.Answer != LimitAnswer.Passes)
            {
                GiveBack(limiters, taken, now);
                return false;
            }

            taken |= verdict.IsShadow ? 0 : 1u << i;
        }

        return true;
    }

    private void GiveBack(RateLimiter[] limiters, uint taken, long now)
    {
        Span<byte> room = stackalloc byte[RequestKey.AddressBytes];
        for (int i = 0; taken >> i > 0; i++)
        {
            if ((taken >> i & 1) != 0)
            {
                limiters[i].GiveBack(RequestKey.Of(limiters[i].Config, _request, Down.RemoteEndPoint, room), now);
            }
        }
    }

    private LimitVerdict TakeToken(RateLimiter limiter, long now, LinePlace? place)
    {
        Span<byte> room = stackalloc byte[RequestKey.AddressBytes];
        LimitVerdict verdict = limiter.Take(RequestKey.Of(limiter.Config, _request, Down.RemoteEndPoint, room), now, place);
        if (verdict.IsShadow)
        {
            Decided(ProxyErrors.RateLimited(verdict, limiter.Config.Source).Decision with { Verdict = DecisionVerdict.Shadow });
        }

        return verdict;
    }

    private bool IsCounted(RateLimiter limiter)
    {
        RateLimitConfig config = limiter.Config;
        return (config.Paths.IsEmpty || PathList.Has(config.Paths, _request.Path)) && !PathList.Has(config.ExemptPaths, _request.Path) && limiter.Counts(_request.Headers);
    }
}
