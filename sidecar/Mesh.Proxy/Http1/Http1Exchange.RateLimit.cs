using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.RateLimits;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// The rate limit's part in a request: a token before the first attempt, and one for each retry of what may have reached the upstream. A cluster without a limit passes by
// with a check for null.
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

    private ValueTask<bool> LimitAndAttemptAsync(RateLimiter limiter, long now)
    {
        if (!IsCounted(limiter))
        {
            return AttemptAsync(now);
        }

        LinePlace? place = limiter.LetsWait && !context.Drains(Side) ? _place ??= new LinePlace(context.Runtime.Time) : null;
        LimitVerdict verdict = TakeToken(limiter, now, place);
        return verdict.Answer switch
        {
            LimitAnswer.Passes => AttemptAsync(now),
            LimitAnswer.Waits => WaitAndAttemptAsync(limiter, place!, now),
            _ => RefuseByLimitAsync(ProxyErrors.RateLimited(verdict, limiter.Config.Source)),
        };
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<bool> WaitAndAttemptAsync(RateLimiter limiter, LinePlace place, long now)
    {
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
            LimitVerdict waited = new(LimitAnswer.Waits, "tokens", limiter.Config.Tokens, IsMesh: limiter.Config.IsMesh);
            Decided(ProxyErrors.RateLimited(waited, limiter.Config.Source).Decision with { Verdict = DecisionVerdict.Waited });
            return await AttemptAsync(now);
        }

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
    private bool HasTokenForRetry() => _cluster!.RateLimiter is not { } limiter || _outcome == RequestOutcome.NotSent || !IsCounted(limiter)
        || TakeToken(limiter, context.Now, null).Answer == LimitAnswer.Passes;

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
