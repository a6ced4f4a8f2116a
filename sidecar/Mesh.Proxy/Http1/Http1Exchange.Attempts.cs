using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Retry;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// What follows an attempt that brought no usable answer: counts what has happened, and readies the next.
internal sealed partial class Http1Exchange
{
    private Again _again;
    private bool _hasReplayed;
    private List<Endpoint>? _tried;
    private List<Endpoint>? _attempted; // while retries may leave their priority: every endpoint so far
    private Pause? _pause;

    /// <summary>What follows an attempt.</summary>
    private enum Again : byte
    {
        /// <summary>Nothing: the request is over.</summary>
        No,

        /// <summary>The same at once on another connection: this one had died in the pool.</summary>
        Replay,

        /// <summary>A retry by policy.</summary>
        Retry,

        /// <summary>The same at once at another endpoint: the breaker of the one chosen takes no call any more. Nothing has gone out.</summary>
        Beside,

        /// <summary>Another host gets it, by a Fallback.</summary>
        Elsewhere,
    }

    /// <summary>No connection could be had: whether to try again.</summary>
    private Again AfterRent(in RentResult rent)
    {
        ResetReason reason = rent.Status switch
        {
            RentStatus.ConnectFailure => ResetReason.ConnectFailure,
            RentStatus.ConnectTimeout => ResetReason.ConnectTimeout,
            _ => ResetReason.Overflow,
        };
        bool mayRetry = _retry is not null && rent.Status is RentStatus.ConnectFailure or RentStatus.ConnectTimeout;
        if (!mayRetry || !TryAgain(_retry!.OnReset(reason, _outcome != RequestOutcome.NotSent)))
        {
            return Again.No;
        }

        Decided(rent.Decision with { Verdict = DecisionVerdict.Retried });
        return Again.Retry;
    }

    /// <summary>An attempt has brought no usable answer: counts what has happened, unless it was the client's fault, and decides whether to try again.</summary>
    private Again AfterFailure(UpstreamConnection upstream, CopyStatus request, ResponseFlag failure)
    {
        if (IsReplayable(upstream, request))
        {
            return Again.Replay;
        }

        if (_clientIsGone || IsTooLate || request is CopyStatus.Malformed or CopyStatus.SourceEnded)
        {
            if (IsTooLate && !_clientIsGone && request == CopyStatus.Done)
            {
                TellBreaker(BreakerFailures.Timeout, context.Limits.StreamIdle); // it has everything, and says nothing
            }

            return Again.No;
        }

        TimeLimit? limit = _timer is { HasPassed: true } ? _timer.Passed : null;
        CountFailure(upstream.Endpoint, failure, limit);
        ResetReason reason = limit is not null ? ResetReason.LocalReset
            : failure == ResponseFlag.UPE ? ResetReason.ProtocolError : ResetReason.ConnectionTermination;
        if (limit == TimeLimit.Route || _retry is null || !TryAgain(_retry.OnReset(reason, _outcome != RequestOutcome.NotSent)))
        {
            return Again.No;
        }

        Decided(FailureOf(upstream, failure).Decision with { Verdict = DecisionVerdict.Retried });
        return Again.Retry;
    }

    private void CountFailure(Endpoint endpoint, ResponseFlag failure, TimeLimit? limit)
    {
        ClusterStats stats = _cluster!.Stats;
        TellBreaker(limit is null ? BreakerFailures.Reset : BreakerFailures.Timeout, _record.UpstreamServiceTime ?? TimeSpan.Zero);
        if (limit is null)
        {
            _cluster.Record(endpoint, UpstreamOutcome.Reset, 0);
            stats.RqRxReset.Add();
            if (failure == ResponseFlag.UPE)
            {
                stats.CxProtocolError.Add();
            }

            return;
        }

        _cluster.Record(endpoint, UpstreamOutcome.Timeout, 0);
        stats.RqTxReset.Add();
        (limit switch
        {
            TimeLimit.Route => stats.RqTimeout,
            TimeLimit.PerTry => stats.RqPerTryTimeout,
            _ => stats.RqWriteTimeout,
        }).Add();
    }

    /// <summary>Readies the exchange for its next attempt; returns the pause before it.</summary>
    private TimeSpan PrepareNext()
    {
        _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
        if (_again == Again.Beside)
        {
            return TimeSpan.Zero;
        }

        if (_again == Again.Replay)
        {
            _hasReplayed = true;
            _cluster!.Stats.RqReplayed.Add();
            _requestBody.Reset();
            return TimeSpan.Zero;
        }

        if (_lastEndpoint is { } tried && _retry!.Config.AvoidsTriedHosts && _cluster!.Config.Hash is null) // a hash always leads to the same one
        {
            (_tried ??= []).Add(tried);
            _pick = _pick with { Tried = _tried };
        }

        if (_lastEndpoint is { } last && _retry!.Config.ReachesRemoteLocalities)
        {
            LeavePriorities(last);
        }

        _pick = _pick.Luck > 0 ? _pick with { Luck = 0 } : _pick; // who was let through before needs no more of it
        RenewTimer();
        _outcome = _outcome == RequestOutcome.Answered ? RequestOutcome.Unknown : _outcome; // of the next attempt nobody knows yet
        _pause ??= new Pause(context.Runtime.Time);
        return _retry!.Pause;
    }

    // Envoy's previous_priorities with Istio's update_frequency 2: after every second attempt those that were tried are left.
    private void LeavePriorities(Endpoint tried)
    {
        (_attempted ??= []).Add(tried);
        if (_attempted.Count % 2 == 0)
        {
            _pick = _pick with { LeftPriorities = [.. _attempted.Select(static e => e.Config.Priority).Distinct()] };
        }
    }
}
