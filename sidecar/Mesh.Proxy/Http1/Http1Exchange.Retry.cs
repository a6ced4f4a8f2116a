using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Retry;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// Attempts after the first: whether there is one, and what it holds.
internal sealed partial class Http1Exchange
{
    private RetryState? _retry; // while this request may be tried again
    private RetryState? _spareRetry;
    private bool _holdsPlace;

    // Whose fields count: those of the own application; from elsewhere they are only taken away.
    private ReadOnlySpan<byte> RetriableNames => Side.IsInbound ? default : RetryHeaders.RetriableNames(_request.Headers);

    /// <summary>The head of an answer is there: whether to throw it away and try again.</summary>
    private bool RetriesAnswer()
    {
        RetryState retry = _retry!;
        int status = _response.Status;
        RetryConditions matched = status != 101 && retry.LooksInto(status)
            ? RetryHeaders.Decide(retry, _response, RetriableNames) : RetryConditions.None;
        if (matched == RetryConditions.None)
        {
            if (retry.Count > 0)
            {
                _cluster!.Stats.RqRetrySuccess.Add();
            }

            SettleRetries();
            return false;
        }

        TimeSpan? asked = retry.Config.MaxRetryAfter > TimeSpan.Zero ? RetryHeaders.RetryAfter(_response.Headers, context.Runtime.Time.GetUtcNow()) : null;
        bool isTooLong = asked > retry.Config.MaxRetryAfter; // coming back before it is wanted helps nobody: the caller is told instead
        if (isTooLong || !TryAgain(matched, asked, isAtOnce: status == 425))
        {
            SettleRetries();
            return false;
        }

        _cluster!.Stats.RetryRqByCode.Add(status);
        Decided(new DecisionRecord(DecisionReason.None) { Verdict = DecisionVerdict.Retried }, status);
        return true;
    }

    // The order of the gates is Envoy's (semantics 4.4), after those of our own.
    private bool TryAgain(RetryConditions condition, TimeSpan? asked = null, bool isAtOnce = false)
    {
        if (condition == RetryConditions.None || _clientIsGone || IsTooLate || IsRouteOver || !_requestBody.CanStartOver || IsShutOut)
        {
            return false;
        }

        if (_retry!.Config.IsOff)
        {
            CountShadowRetry(_retry.Config.Shadow!, 0, isRetried: false);
            return false;
        }

        int before = _retry.Count;
        bool isRetried = MayBeSentTwice(_retry.Config) && TakesRetry(condition, asked, isAtOnce);
        if (_retry.Config.Shadow is { } shadow)
        {
            CountShadowRetry(shadow, before, isRetried);
        }

        return isRetried;
    }

    private bool TakesRetry(RetryConditions condition, TimeSpan? asked, bool isAtOnce)
    {
        EndRetry(); // the place of the one before
        ClusterStats stats = _cluster!.Stats;
        if (!_retry!.TryTake())
        {
            stats.RqRetryLimitExceeded.Add();
            _record.AddFlag(ResponseFlag.URX);
            return false;
        }

        if (!_cluster.TryBeginRetry())
        {
            stats.RqRetryOverflow.Add();
            _record.AddFlag(ResponseFlag.UO);
            return false;
        }

        if (!HasTokenForRetry())
        {
            _cluster.EndRetry();
            return false;
        }

        _holdsPlace = true;
        _playsPlace = _cluster.EntersShadowRetry();
        stats.RqRetry.Add();
        stats.RetriesOn.Add(condition);
        _retry.Start(condition, asked, isAtOnce);
        _record.RetriedOn = _retry.Matched;
        return true;
    }

    // Ours: a rule may name the methods that do no harm when they come twice. What no upstream has seen does none.
    private bool MayBeSentTwice(RetryConfig config)
    {
        if (config.Methods.IsEmpty || _outcome == RequestOutcome.NotSent || _request.Headers.Find("idempotency-key"u8) >= 0)
        {
            return true;
        }

        foreach (string method in config.Methods)
        {
            if (Ascii.Equals(_request.Method, method))
            {
                return true;
            }
        }

        return false;
    }

    // This answer is the one: it may take long, and nothing of the request is needed any more.
    private void SettleRetries()
    {
        EndRetry();
        if (_sent is not null || _sending.IsCompleted)
        {
            _keepsBody = false;
            _requestBody.Keep(null);
        }
    }

    private void EndRetry()
    {
        if (_holdsPlace)
        {
            _holdsPlace = false;
            _cluster!.EndRetry();
        }

        EndShadowRetry();
    }
}
