using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

// A request on a connection: out, wait, and what to do when nothing comes back.
internal sealed partial class Http1Exchange
{
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<bool> ForwardAsync(UpstreamConnection upstream, long sentAt)
    {
        _upstream = upstream;
        _again = Again.No;
        bool goesOn = false;
        bool reusable = false;
        try
        {
            bool isInTime = _timer?.BeginAttempt(upstream, sentAt, TrialTimeout) ?? true;
            if (!_client.Deadline.Touch(sentAt) || _clientIsGone || !isInTime)
            {
                upstream.Abort(); // whoever came before the field was written could not
            }

            if (_request.IsConnect)
            {
                IgnoreClientEnd(); // in a tunnel the end of one direction is not the end
                Down.Transport.Output.Write("HTTP/1.1 200 OK\r\n\r\n"u8);
                TellBreaker(BreakerOutcome.Success, TimeSpan.Zero); // a tunnel may last for hours
                await TunnelAsync(upstream);
                return false;
            }

            ResponseFlag failure = TrySend(upstream, sentAt) ? await ReadAnswerAsync(upstream) : ResponseFlag.UC;
            long answeredAt = context.Now;
            if (_timer?.HeadReceived() == false)
            {
                failure = ResponseFlag.UT; // what comes too late has not come
            }

            _record.UpstreamServiceTime = context.Between(sentAt, answeredAt);
            TellBulkhead(failure, sentAt, answeredAt);
            if (failure == ResponseFlag.None && _response.Status == 101 && await EndSendingAsync(upstream) != CopyStatus.Done)
            {
                failure = ResponseFlag.UPE; // switched in the middle of the request
            }

            if (failure != ResponseFlag.None)
            {
                CopyStatus request = await EndSendingAsync(upstream);
                _again = AfterFailure(upstream, request, failure);
                goesOn = _again == Again.No && await FailBeforeAnswerAsync(request, failure);
                return goesOn;
            }

            RecordAnswer(upstream.Endpoint);
            TellBreakerOfAnswer(sentAt, answeredAt);
            bool isRetried = _retry is not null && RetriesAnswer();
            if (isRetried || (FallbackInForce is { } fallback && ReplacesAnswer(fallback)))
            {
                _again = isRetried ? Again.Retry : _again;
                bool isSent = await EndSendingAsync(upstream) == CopyStatus.Done;
                reusable = isSent && _response.KeepsAlive && _responseBody.TrySwallow(upstream.Transport.Input, _answerFraming);
                _responseBody.Reset();
                goesOn = _again == Again.No && await SayAsync(_instead, isSent);
                return goesOn;
            }

            if (_response.Status == 101)
            {
                IgnoreClientEnd();
                HeadWriter.WriteResponse(Down.Transport.Output, _response, BodyKind.None, -1, default, edits: _responseEdits);
                await TunnelAsync(upstream);
                return false;
            }

            (goesOn, reusable) = await AnswerAsync(upstream, answeredAt);
            return goesOn;
        }
        finally
        {
            TellBreaker(BreakerOutcome.Ignored, TimeSpan.Zero); // unless it was told: nobody waits any more, or the fault is the client's
            _answer.Release();
            _upstream = null;
            IgnoreClientEnd(); // after this nobody aborts a connection that is another's
            reusable &= _client.Deadline.Clear();
            reusable &= _timer?.EndAttempt() ?? true;
            upstream.Release(reusable && !_clientIsGone); // it may have been aborted after the last byte
            if (_again != Again.No)
            {
                WatchClientEnd();
            }
        }
    }

    /// <summary>Starts sending; false when the connection has died in the pool.</summary>
    [SuppressMessage("Reliability", "CA2012", Justification = "Awaited once, in EndSendingAsync or OvertakesAsync; a task for it would be an allocation a request.")]
    private bool TrySend(UpstreamConnection upstream, long now)
    {
        _sent = null;
        _sentAllAt = 0;
        if (upstream.IsReused && !upstream.IsStillGood())
        {
            _sent = CopyStatus.SinkClosed; // the pool could not know: not a byte is written to it
            return false;
        }

        _outcome = RequestOutcome.Unknown;
        long expected = _timer?.ExpectedMilliseconds(now) ?? 0;
        HeadWriter.WriteRequest(upstream.Transport.Output, _request, _record.NewRequestId(), Side.IsInbound ? 0 : _attempt, expected, _requestEdits, TransactionLine());
        _sending = SendRequestAsync(upstream);
        _timer?.WaitForClient();
        return true;
    }

    /// <summary>Sends the head that was written and the body; on a broken request the upstream is given up, which ends the wait for its answer.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<CopyStatus> SendRequestAsync(UpstreamConnection upstream)
    {
        long before = upstream.Transport.Output.UnflushedBytes - _requestBody.WrittenBytes;
        CopyStatus status = await _requestBody.CopyAsync(Down.Transport.Input, upstream.Transport.Output, _request.Framing, stripChunks: false);
        _cluster!.Stats.CxTxBytes.Add(before + _requestBody.WrittenBytes);
        if (_request.Framing.Kind != BodyKind.None && status == CopyStatus.Done && (_breaker is not null || _bulkhead is { IsAdaptive: true }))
        {
            _sentAllAt = context.Now;
        }

        if (_keepsBody && _requestBody.Kept is null)
        {
            _keepsBody = false;
            _cluster.Stats.RetryOrShadowAbandoned.Add();
        }

        if (_mirrors is not null && status == CopyStatus.Done)
        {
            SendCopies();
        }

        if (status is CopyStatus.SourceEnded or CopyStatus.Malformed)
        {
            upstream.Abort();
        }

        return status;
    }

    /// <summary>Waits for the sending side, ending it if it still runs: then neither connection can be used again.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<CopyStatus> EndSendingAsync(UpstreamConnection upstream)
    {
        if (_sent is null)
        {
            if (!_sending.IsCompleted)
            {
                _requestBody.Stop(Down.Transport.Input);
                upstream.Abort();
            }

            _sent = await _sending;
        }

        return _sent.Value;
    }

    /// <summary>Reads the head of the answer, passing interim ones on. None when it is there; UC or UPE when it will not be.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<ResponseFlag> ReadAnswerAsync(UpstreamConnection upstream)
    {
        PipeReader input = upstream.Transport.Input;
        while (true)
        {
            _answer.Begin();
            HeadStatus status;
            ReadResult read;
            do
            {
                if (!SafePipe.TryRead(input, out read)) // not HeadReader.ReadAsync: each method that waits here costs every request
                {
                    read = await SafePipe.ReadAsync(input);
                }
            }
            while (!_answer.TryTake(input, read, out status) || status == HeadStatus.Cancelled); // a wake-up was meant for an earlier reader

            if (status == HeadStatus.Ended)
            {
                return ResponseFlag.UC;
            }

            _outcome = RequestOutcome.Answered;
            if (status != HeadStatus.Ok)
            {
                return status == HeadStatus.Truncated ? ResponseFlag.UC : ResponseFlag.UPE;
            }

            _cluster!.Stats.CxRxBytes.Add(_answer.Length);
            if (_response.TryParse(_answer.Bytes, _answer.Length) != HeadError.None || (_response.Status == 101 && !_request.IsUpgrade) ||
                MessageFraming.DecideResponse(
                    _response.Headers, _response.MinorVersion, _response.Status, _request.IsHead, out _answerFraming) != HeadError.None)
            {
                return ResponseFlag.UPE;
            }

            if (!_response.IsInterim)
            {
                return ResponseFlag.None;
            }

            _client.Deadline.Touch();
            _isInterimPassed = true;
            _outcome = RequestOutcome.Unknown; // an interim answer promises nothing
            if (_request.MinorVersion == 1)
            {
                HeadWriter.WriteResponse(Down.Transport.Output, _response, BodyKind.None, -1, default);
                await SafePipe.FlushAsync(Down.Transport.Output);
            }
        }
    }

    // A keep-alive connection may be closed by the upstream at the very moment of its use. Sending again is safe when the request did not leave, or when
    // doing it twice does no harm (RFC 9110, 9.2.2) and the whole of it is still here: its head is, of a body nothing may have been taken.
    private bool IsReplayable(UpstreamConnection upstream, CopyStatus request)
    {
        // A second stale connection in a row is no chance any more.
        if (!upstream.IsReused || _hasReplayed || _isInterimPassed || _clientIsGone || IsTooLate || _timer is { HasPassed: true })
        {
            return false;
        }

        return _outcome switch
        {
            RequestOutcome.NotSent => true,
            RequestOutcome.Unknown => IsIdempotent(_request.Method) && _requestBody.WireBytes == 0
                && request is CopyStatus.Done or CopyStatus.SinkClosed or CopyStatus.Stopped,
            _ => false,
        };
    }

    private static bool IsIdempotent(ReadOnlySpan<byte> method) =>
        method.SequenceEqual("GET"u8) || method.SequenceEqual("HEAD"u8) || method.SequenceEqual("PUT"u8) ||
        method.SequenceEqual("DELETE"u8) || method.SequenceEqual("OPTIONS"u8) || method.SequenceEqual("TRACE"u8);
}
