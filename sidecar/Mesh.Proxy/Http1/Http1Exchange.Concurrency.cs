using System.Runtime.CompilerServices;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Concurrency;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// The bulkhead's part in a request (adr/0044): a place from before its first attempt until its answer has ended, retries and all. A cluster without one passes by with checks
// for null.
internal sealed partial class Http1Exchange
{
    private Bulkhead? _bulkhead; // while this request holds a place of it
    private BulkheadVerdict _crowd; // why there is none
    private volatile WaitingPlace? _inLine; // made when a request may wait; read by a drain

    /// <summary>Takes a place, at once; true too when none is needed.</summary>
    private bool TakesPlace()
    {
        if (_cluster!.Bulkhead is not { } bulkhead || _again == Again.Beside || (_attempt > 1 && _again != Again.Elsewhere))
        {
            return true;
        }

        if (!bulkhead.TryEnter())
        {
            return false;
        }

        _bulkhead = bulkhead;
        return true;
    }

    /// <summary>No place was free at once: waits for one if the rule lets it. False when the request is not to go on, and <see cref="_crowd"/> says why.</summary>
    private ValueTask<bool> WaitForPlaceAsync()
    {
        if (_cluster!.Bulkhead is not { } bulkhead)
        {
            return new(true); // its rule has just gone
        }

        _cluster.RelieveConcurrency(bulkhead);

        // Nobody waits a second time, for another host.
        WaitingPlace? place = bulkhead.LetsWait && _failed is null && !context.Drains(Side) ? _inLine ??= new WaitingPlace(context.Runtime.Time) : null;
        _crowd = bulkhead.Join(place);
        switch (_crowd.Answer)
        {
            case BulkheadAnswer.Enters:
                _bulkhead = bulkhead;
                return new(true);
            case BulkheadAnswer.Waits:
                _cluster.Stats.Concurrency!.Waited.Add();
                return WaitInLineAsync(bulkhead, place!);
            default:
                bool isShadow = bulkhead.Config.IsShadow;
                (isShadow ? _cluster.Stats.Concurrency!.ShadowRejected : _cluster.Stats.Concurrency!.Rejected).Add();
                if (isShadow)
                {
                    Decided(ProxyErrors.ConcurrencyOverflow(_crowd, bulkhead.Config.Source, isDrain: false).Decision with { Verdict = DecisionVerdict.Shadow });
                }

                return new(isShadow);
        }
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<bool> WaitInLineAsync(Bulkhead bulkhead, WaitingPlace place)
    {
        long since = context.Now;
        TimeSpan longest = bulkhead.Config.MaxWait;
        TimeSpan waited = TimeSpan.Zero;
        while (waited < longest && !place.IsCalled && !IsOver && !context.Drains(Side))
        {
            ValueTask wait = bulkhead.WaitAsync(place, longest - waited, _client.Loop, _stop.Token);
            if (context.Drains(Side))
            {
                place.Pause.End(); // it may have begun before there was a wait to end
            }

            await wait;
            waited = context.Between(since, context.Now);
        }

        if (bulkhead.EndWait(place))
        {
            _bulkhead = bulkhead;
            Decided(new DecisionRecord(DecisionReason.ConcurrencyOverflow, bulkhead.Config.Source, bulkhead.Config.LimitField, bulkhead.Limit) { Verdict = DecisionVerdict.Waited });
            return true;
        }

        _crowd = new BulkheadVerdict(BulkheadAnswer.Refused, ConcurrencyConfig.MaxWaitField, (long)longest.TotalMilliseconds, (long)waited.TotalMilliseconds);
        if (!IsOver)
        {
            _cluster!.Stats.Concurrency!.Rejected.Add();
        }

        return false;
    }

    private ValueTask<bool> RefuseForPlaceAsync()
    {
        _again = Again.No;
        TellBreaker(BreakerOutcome.Ignored, TimeSpan.Zero);
        return IsOver ? FailWithoutConnectionAsync(default)
            : RefuseAsync(ProxyErrors.ConcurrencyOverflow(_crowd, _cluster!.Bulkhead?.Config.Source, context.Drains(Side) && _crowd.Field == ConcurrencyConfig.MaxWaitField), goesOn: true);
    }

    private void LeavePlace()
    {
        if (_bulkhead is { } bulkhead)
        {
            _bulkhead = null;
            bulkhead.Leave();
        }
    }

    /// <summary>An adaptive limit learns from answers, and from waits that were given up; errors are often fast, and say nothing about room.</summary>
    private void TellBulkhead(ResponseFlag failure, long sentAt, long answeredAt)
    {
        if (_bulkhead is not { IsAdaptive: true } bulkhead)
        {
            return;
        }

        bool isAnswer = failure == ResponseFlag.None && _response.Status is < 500 and not 101;
        bool isLate = failure != ResponseFlag.None && _timer is { HasPassed: true } && !_clientIsGone;
        bool hasBody = _request.Framing.Kind != BodyKind.None;
        long since = hasBody ? _sentAllAt : sentAt;
        if ((isAnswer || isLate) && (!hasBody || _sentAllAt != 0))
        {
            _cluster!.LearnConcurrency(bulkhead, since, Math.Max(since, answeredAt));
        }
    }
}
