using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Tcp;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

// How a request ends without its upstream's whole answer.
internal sealed partial class Http1Exchange
{
    /// <summary>Answers in the upstream's place. Before a connection was rented this is also the end of the exchange.</summary>
    private async ValueTask<bool> RefuseAsync(ProxyError error, bool goesOn)
    {
        bool closes = !goesOn || _request.MinorVersion == 0 || !_request.KeepsAlive || context.IsDraining || !CanSwallow(_request);
        int body = LocalReply.Write(
            down.Transport.Output, error, side.IsInbound, goesOn && _request.IsHead, closes, context.Runtime.Time.GetUtcNow());
        _record.WireBytesSent += down.Transport.Output.UnflushedBytes - body;
        _record.Refused(error, body);
        if (error.Flag == ResponseFlag.DPE)
        {
            side.Stats.CxProtocolError.Add();
        }

        Charge(error.Status);
        bool sent = await SafePipe.FlushAsync(down.Transport.Output);
        if (sent && !closes && _upstream is null)
        {
            sent = await _requestBody.CopyAsync(down.Transport.Input, null, _request.Framing, stripChunks: false) == CopyStatus.Done;
        }

        if (_upstream is null) // else the forwarding part ends it
        {
            _record.Finish(_requestBody, _responseBody);
            side.Stats.RqActive.Add(-1);
        }

        return sent && !closes;
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

    private bool ClientGone()
    {
        _record.ClientGone();
        _record.Finish(_requestBody, _responseBody);
        side.Stats.RqActive.Add(-1);
        return false;
    }

    /// <summary>The upstream gave no usable answer. The client's own fault (gone, broken body) is not charged to the upstream.</summary>
    private async ValueTask<bool> FailBeforeAnswerAsync(Endpoint endpoint, CopyStatus request, ProxyError error)
    {
        _record.UpstreamServiceTime = null;
        if (request == CopyStatus.Malformed)
        {
            _cluster!.Stats.RqTxReset.Add();
            return await RefuseAsync(ProxyErrors.BadRequest(400, "http1.codec_error"), goesOn: false);
        }

        if (_clientIsGone || request == CopyStatus.SourceEnded)
        {
            _cluster!.Stats.RqTxReset.Add();
            _record.ClientGone();
            return false;
        }

        _cluster!.Record(endpoint, UpstreamOutcome.Reset, 0);
        _cluster.Stats.RqRxReset.Add();
        if (error.Flag == ResponseFlag.UPE)
        {
            _cluster.Stats.CxProtocolError.Add();
        }

        return await RefuseAsync(error, goesOn: request == CopyStatus.Done || _request.Framing.Kind == BodyKind.None);
    }

    /// <summary>The answer broke off: all that is left is to cut the client off too, so that it does not take the part for the whole.</summary>
    private void FailAfterAnswer(Endpoint endpoint, CopyStatus copied)
    {
        if (copied == CopyStatus.SinkClosed || _clientIsGone)
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

        down.Abort();
    }

    /// <summary>Waits for the sending side, ending it if it still runs: then neither connection can be used again.</summary>
    private async ValueTask<CopyStatus> EndSendingAsync(UpstreamConnection upstream, Task<CopyStatus>? sent, CopyStatus request)
    {
        if (sent is null)
        {
            return request;
        }

        if (!sent.IsCompleted)
        {
            _requestBody.Stop(down.Transport.Input);
            upstream.Abort();
        }

        return await sent;
    }

    /// <summary>Bytes both ways until both sides have ended: WebSocket after 101, CONNECT.</summary>
    private async ValueTask TunnelAsync(UpstreamConnection upstream)
    {
        int status = _request.IsConnect ? 200 : 101;
        await SafePipe.FlushAsync(down.Transport.Output);
        TcpRelay relay = new(down, upstream, context);
        RelayResult result = await relay.RunAsync(_cluster!.Config.Connection.TcpIdleTimeout, null);
        _cluster.Stats.CxTxBytes.Add(result.BytesUp);
        _cluster.Stats.CxRxBytes.Add(result.BytesDown);
        Charge(status);
        _record.Tunnelled(status, result);
    }
}
