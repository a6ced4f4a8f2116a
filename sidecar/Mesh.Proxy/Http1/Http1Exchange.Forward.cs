using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

// A request on a connection: out, wait, and what to do when nothing comes back.
internal sealed partial class Http1Exchange
{
    private const int MaxAttempts = 2; // a second stale connection in a row is no chance any more

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<bool> ForwardAsync(UpstreamConnection upstream, CancellationTokenRegistration gone)
    {
        _upstream = upstream;
        _isToReplay = false;
        bool goesOn = false;
        bool reusable = false;
        try
        {
            if (!_client.Deadline.Touch() || _clientIsGone)
            {
                upstream.Abort(); // whoever came before the field was written could not
            }

            if (_request.IsConnect)
            {
                gone.Dispose(); // in a tunnel the end of one direction is not the end
                Down.Transport.Output.Write("HTTP/1.1 200 OK\r\n\r\n"u8);
                await TunnelAsync(upstream);
                return false;
            }

            long sentAt = context.Now;
            ProxyError? failure = await AskAsync(upstream);
            _record.UpstreamServiceTime = context.Since(sentAt);
            if (failure is { } error)
            {
                CopyStatus request = await EndSendingAsync(upstream);
                _isToReplay = IsReplayable(upstream, request);
                goesOn = !_isToReplay && await FailBeforeAnswerAsync(upstream.Endpoint, request, error);
                return goesOn;
            }

            RecordAnswer(upstream.Endpoint);
            if (_response.Status == 101)
            {
                gone.Dispose();
                HeadWriter.WriteResponse(Down.Transport.Output, _response, BodyKind.None, -1, default);
                await TunnelAsync(upstream);
                return false;
            }

            (goesOn, reusable) = await AnswerAsync(upstream);
            return goesOn;
        }
        finally
        {
            _answer.Release();
            _upstream = null;
            if (!_isToReplay)
            {
                gone.Dispose(); // waits for a callback that runs: after this nobody aborts a connection that is another's
                reusable &= _client.Deadline.Clear();
            }

            upstream.Release(reusable && !_clientIsGone); // it may have been aborted after the last byte
        }
    }

    /// <summary>Sends the request and reads the head of the answer. Null when it is there; else the error to answer.</summary>
    [SuppressMessage("Reliability", "CA2012", Justification = "Awaited once, in EndSendingAsync or OvertakesAsync; a task for it would be an allocation a request.")]
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<ProxyError?> AskAsync(UpstreamConnection upstream)
    {
        _sent = null;
        if (upstream.IsReused && upstream.Closed.IsCancellationRequested)
        {
            _sent = CopyStatus.SinkClosed; // the pool could not know: not a byte is written to it
            return ProxyErrors.UpstreamClosed();
        }

        _outcome = RequestOutcome.Unknown;
        _sending = SendRequestAsync(upstream);
        ProxyError? failure = await ReadAnswerAsync(upstream);
        if (failure is null && _response.Status == 101 && await EndSendingAsync(upstream) != CopyStatus.Done)
        {
            return ProxyErrors.UpstreamProtocol(); // switched in the middle of the request
        }

        return failure;
    }

    /// <summary>Sends head and body; on a broken request the upstream is given up, which ends the wait for its answer.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<CopyStatus> SendRequestAsync(UpstreamConnection upstream)
    {
        HeadWriter.WriteRequest(upstream.Transport.Output, _request, _record.NewRequestId(), Side.IsInbound ? 0 : _attempt);
        long before = upstream.Transport.Output.UnflushedBytes;
        CopyStatus status = await _requestBody.CopyAsync(Down.Transport.Input, upstream.Transport.Output, _request.Framing, stripChunks: false);
        _cluster!.Stats.CxTxBytes.Add(before + _requestBody.WrittenBytes);
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

    /// <summary>Reads the head of the answer, passing interim ones on. Null when it is there; else the error to answer.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<ProxyError?> ReadAnswerAsync(UpstreamConnection upstream)
    {
        while (true)
        {
            HeadStatus status = await _answer.ReadAsync(upstream.Transport.Input);
            if (status == HeadStatus.Cancelled)
            {
                continue; // a wake-up meant for an earlier reader
            }

            if (status == HeadStatus.Ended)
            {
                return ProxyErrors.UpstreamClosed();
            }

            _outcome = RequestOutcome.Answered;
            if (status != HeadStatus.Ok)
            {
                return status == HeadStatus.Truncated ? ProxyErrors.UpstreamClosed() : ProxyErrors.UpstreamProtocol();
            }

            _cluster!.Stats.CxRxBytes.Add(_answer.Length);
            if (_response.TryParse(_answer.Bytes, _answer.Length) != HeadError.None || (_response.Status == 101 && !_request.IsUpgrade) ||
                MessageFraming.DecideResponse(
                    _response.Headers, _response.MinorVersion, _response.Status, _request.IsHead, out _answerFraming) != HeadError.None)
            {
                return ProxyErrors.UpstreamProtocol();
            }

            _client.Deadline.Touch();
            if (!_response.IsInterim)
            {
                return null;
            }

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
        if (!upstream.IsReused || _attempt >= MaxAttempts || _isInterimPassed || _clientIsGone || IsTooLate)
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
