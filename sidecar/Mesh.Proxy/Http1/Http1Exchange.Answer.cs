using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Tcp;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

// An upstream's answer on its way to the client, and what follows it in a tunnel.
internal sealed partial class Http1Exchange
{
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<(bool GoesOn, bool Reusable)> AnswerAsync(UpstreamConnection upstream, long answeredAt)
    {
        BodyFraming framing = _answerFraming;
        // An answer that overtakes its request ends the connection: the rest of the request has no reader.
        bool stripChunks = _request.MinorVersion == 0 && framing.Kind == BodyKind.Chunked;
        bool closes = await OvertakesAsync() || stripChunks || framing.Kind == BodyKind.UntilClose || !_request.KeepsAlive || _client.IsLast;
        WriteAnswerHead(framing, stripChunks, closes);
        _record.FirstByteOut(answeredAt);
        _isAnswering = true;
        if (!_client.Deadline.Touch(answeredAt))
        {
            Down.Abort(); // it passed before the field was written
        }

        if (_timer?.AnswerBegins(Down) == false)
        {
            Down.Abort();
        }

        if (_cluster!.Fallback is { } fallback)
        {
            BeginKeeping(fallback, answeredAt);
        }

        CopyStatus copied = await _responseBody.CopyAsync(upstream.Transport.Input, Down.Transport.Output, framing, stripChunks);
        if (_responseBody.Kept is not null)
        {
            EndKeeping(copied, isCoded: framing.Kind == BodyKind.Chunked && !stripChunks);
        }

        _cluster.Stats.CxRxBytes.Add(_responseBody.WireBytes);
        CopyStatus request = await EndSendingAsync(upstream);
        Charge(_response.Status);
        _record.Answered(_response.Status);
        bool reusable = copied == CopyStatus.Done && request == CopyStatus.Done && framing.Kind != BodyKind.UntilClose && _response.KeepsAlive;
        if (copied != CopyStatus.Done)
        {
            FailAfterAnswer(upstream.Endpoint, copied);
            return (false, false);
        }

        bool isInTime = _timer?.End() ?? true; // else the client may be being cut off
        return (!closes && request == CopyStatus.Done && isInTime, reusable && isInTime);
    }

    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<bool> OvertakesAsync()
    {
        if (_sent is null)
        {
            if (!_sending.IsCompleted)
            {
                return true;
            }

            _sent = await _sending;
        }

        return _sent != CopyStatus.Done;
    }

    private void WriteAnswerHead(BodyFraming framing, bool stripChunks, bool closes)
    {
        long before = Down.Transport.Output.UnflushedBytes;
        ReadOnlySpan<byte> connection = closes ? "close"u8 : _request.MinorVersion == 0 ? "keep-alive"u8 : default;
        BodyKind kind = stripChunks ? BodyKind.UntilClose : framing.Kind;
        HeadWriter.WriteResponse(
            Down.Transport.Output, _response, kind, (long)_record.UpstreamServiceTime!.Value.TotalMilliseconds, connection, _newCookie, _failed is null ? _responseEdits : _elsewhereEdits);
        _record.WireBytesSent += Down.Transport.Output.UnflushedBytes - before;
    }

    // An instance whose own sidecar refuses for its limits is busy, not sick: neither success nor failure (sidecar/adr/0011).
    private void RecordAnswer(Endpoint endpoint)
    {
        if (!_response.IsOverload)
        {
            _cluster!.Record(endpoint, UpstreamOutcome.Response, _response.Status);
        }
    }

    private void Charge(int status) => _cluster?.Stats.Complete(status);

    /// <summary>Bytes both ways until both sides have ended: WebSocket after 101, CONNECT. The relay has its own watch.</summary>
    private async ValueTask TunnelAsync(UpstreamConnection upstream)
    {
        int status = _request.IsConnect ? 200 : 101;
        _timer?.End();
        _client.Deadline.Clear();
        await SafePipe.FlushAsync(Down.Transport.Output);
        if (_request.IsConnect)
        {
            _cluster!.Record(upstream.Endpoint, UpstreamOutcome.TcpConnected, 0); // nothing else will tell of this endpoint
        }

        TcpRelay relay = new(Down, upstream, context);
        RelayResult result = await relay.RunAsync(_cluster!);
        _cluster!.Stats.CxTxBytes.Add(result.BytesUp);
        _cluster.Stats.CxRxBytes.Add(result.BytesDown);
        Charge(status);
        _record.Tunnelled(status, result);
        if (result.Flag == ResponseFlag.UT)
        {
            _cluster.Stats.RqWriteTimeout.Add();
            _record.Stuck(ProxyErrors.WriteTimeout(_cluster.Config.ResilienceSource, _cluster.Config.WriteTimeout));
        }
    }
}
