using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

// How a request ends without its upstream's whole answer.
internal sealed partial class Http1Exchange
{
    /// <summary>Answers in the upstream's place, unless another host is to be asked first.</summary>
    private ValueTask<bool> RefuseAsync(ProxyError error, bool goesOn) =>
        FallbackInForce is { } fallback && LeavesRefusal(fallback, ref error) ? new(false) : SayAsync(error, goesOn);

    private async ValueTask<bool> SayAsync(ProxyError error, bool goesOn)
    {
        error = _retry is { Count: > 0 } ? error.AfterRetry() : error;
        error = _responseEdits is not null && error.Headers is null ? error with { Headers = _responseEdits } : error;
        bool closes = !goesOn || _request.MinorVersion == 0 || !_request.KeepsAlive || _client.IsLast || !CanSwallow(_request);
        long before = Down.Transport.Output.UnflushedBytes;
        int body = LocalReply.Write(
            Down.Transport.Output, error, _outcome, Side.IsInbound, goesOn && _request.IsHead, closes, context.Runtime.Time.GetUtcNow(), _record.RequestId);
        _record.WireBytesSent += Down.Transport.Output.UnflushedBytes - before - body;
        _record.Refused(error, body);
        if (error.Decision.IsSet || error.StandIn is not null)
        {
            Decided(error);
        }

        if (error.Flag == ResponseFlag.DPE)
        {
            Side.Stats.CxProtocolError.Add();
        }

        Charge(error.Status);
        bool sent = await FlushAnswerAsync();
        if (sent && !closes && _upstream is null) // else the body has gone to the upstream
        {
            sent = await _requestBody.CopyAsync(Down.Transport.Input, null, _request.Framing, stripChunks: false) == CopyStatus.Done;
        }

        return sent && !closes;
    }

    /// <summary>Sends an answer of our own: to a client that takes nothing, only as long as the deadline allows; when that has passed already, what the kernel takes at once.</summary>
    private async ValueTask<bool> FlushAnswerAsync()
    {
        ValueTask<bool> flush = SafePipe.FlushAsync(Down.Transport.Output);
        if (flush.IsCompleted)
        {
            return await flush;
        }

        _isAnswering = true;
        if (!_client.Deadline.Touch())
        {
            Down.Abort();
        }

        bool sent = await flush;
        _isAnswering = false;
        return sent;
    }

    // A client that waits for 100-continue will not send its body after a refusal; a long one is not worth reading.
    private static bool CanSwallow(RequestHead request) => request.Framing.Kind switch
    {
        BodyKind.None => true,
        BodyKind.Length => request.Framing.Length <= MaxSwallowedBytes && !HasExpect(request.Headers),
        _ => false,
    };

    private static bool HasExpect(HeaderBlock headers)
    {
        for (int i = 0; i < headers.Count; i++)
        {
            if (KnownHeaders.Is(headers.Name(i), "expect"u8))
            {
                return true;
            }
        }

        return false;
    }

    private ValueTask<bool> RefuseHeadAsync(HeadStatus status)
    {
        if (status == HeadStatus.Cancelled)
        {
            Side.Stats.RqHeaderTimeout.Add();
            return RefuseAsync(ProxyErrors.HeadTimeout(context.Limits.RequestHeaders), goesOn: false);
        }

        return RefuseAsync(ProxyErrors.BadRequest(HeadErrors.StatusCode(_head.Error), HeadErrors.Details(_head.Error)), goesOn: false);
    }

    /// <summary>No connection could be had: the client's end and the passing of time come before what the cluster says.</summary>
    private ValueTask<bool> FailWithoutConnectionAsync(in RentResult rent)
    {
        if (_clientIsGone)
        {
            _record.ClientGone();
            return new(false);
        }

        if (IsTooLate)
        {
            return RefuseIdleAsync(_request.Framing.Kind == BodyKind.None);
        }

        if (IsRouteOver)
        {
            _cluster!.Stats.RqTimeout.Add();
            return RefuseAsync(ErrorOf(TimeLimit.Route), goesOn: true);
        }

        return RefuseAsync(ProxyErrors.NoConnection(rent), goesOn: true);
    }

    private ProxyError ErrorOf(TimeLimit limit)
    {
        ProxyError error = limit switch
        {
            TimeLimit.Route when _isRouteTimeTheCallers => ProxyErrors.CallerDeadline(_callerLimit),
            TimeLimit.Route => ProxyErrors.RouteTimeout(_policy?.Source, _timer!.RouteLimit),
            TimeLimit.PerTry when _timer!.IsTrialsLimit => ProxyErrors.TrialTimeout(BreakerRule?.Source, _timer.PerTryLimit),
            TimeLimit.PerTry => ProxyErrors.PerTryTimeout((Side.IsInbound ? _cluster?.Config.InboundRetry : _policy?.Retry)?.Source, _timer!.PerTryLimit),
            _ => ProxyErrors.WriteTimeout(_cluster?.Config.ResilienceSource, _timer!.WriteLimit),
        };
        return _isQuietTimeout ? error.Quiet() : error;
    }

    private ValueTask<bool> RefuseIdleAsync(bool isRequestComplete)
    {
        Side.Stats.RqIdleTimeout.Add();
        return RefuseAsync(ProxyErrors.StreamIdle(isRequestComplete, context.Limits.StreamIdle), goesOn: false);
    }

    /// <summary>The upstream gave no usable answer. The client's own fault (gone, broken body) is not charged to the upstream.</summary>
    private async ValueTask<bool> FailBeforeAnswerAsync(CopyStatus request, ResponseFlag failure)
    {
        _record.UpstreamServiceTime = null;
        if (request == CopyStatus.Malformed)
        {
            _cluster!.Stats.RqTxReset.Add();
            return await RefuseAsync(ProxyErrors.BadRequest(400, "http1.codec_error"), goesOn: false);
        }

        if (IsTooLate && !_clientIsGone)
        {
            _cluster!.Stats.RqTxReset.Add();
            return await RefuseIdleAsync(request == CopyStatus.Done);
        }

        if (_clientIsGone || request == CopyStatus.SourceEnded)
        {
            _cluster!.Stats.RqTxReset.Add();
            _record.ClientGone();
            return false;
        }

        return await RefuseAsync(FailureOf(_upstream, failure), goesOn: request == CopyStatus.Done || _request.Framing.Kind == BodyKind.None);
    }

    private ProxyError FailureOf(UpstreamConnection? upstream, ResponseFlag failure) => _timer is { HasPassed: true } ? ErrorOf(_timer.Passed)
        : failure == ResponseFlag.UPE ? ProxyErrors.UpstreamProtocol() : ProxyErrors.UpstreamClosed(upstream?.Failure);

    /// <summary>The answer broke off: all that is left is to cut the client off too, so that it does not take the part for the whole.</summary>
    private void FailAfterAnswer(Endpoint endpoint, CopyStatus copied)
    {
        if (IsTooLate)
        {
            _cluster!.Stats.RqTxReset.Add();
            Side.Stats.RqIdleTimeout.Add();
            _record.BrokenOff(ResponseFlag.SI);
        }
        else if (_timer is { HasPassed: true } && !_clientIsGone)
        {
            (_timer.Passed == TimeLimit.Route ? _cluster!.Stats.RqTimeout : _cluster!.Stats.RqWriteTimeout).Add();
            _cluster.Stats.RqTxReset.Add();
            _record.BrokenOff(ResponseFlag.UT);
        }
        else if (copied == CopyStatus.SinkClosed || _clientIsGone)
        {
            _cluster!.Stats.RqTxReset.Add();
            _record.ClientGone(_response.Status);
        }
        else
        {
            _cluster!.Record(endpoint, UpstreamOutcome.Reset, 0);
            _cluster.Stats.RqRxReset.Add();
            if (copied == CopyStatus.Malformed)
            {
                _cluster.Stats.CxProtocolError.Add();
            }

            _record.BrokenOff(copied == CopyStatus.Malformed ? ResponseFlag.UPE : ResponseFlag.UC);
        }

        Down.Abort();
    }
}
