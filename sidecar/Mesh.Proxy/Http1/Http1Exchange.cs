using System.Buffers;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Upstream;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Http1;

/// <summary>
/// One request's life, read from top to bottom: route, connection, request out, answer back, record. One object serves all requests of a
/// client connection, one after the other; <see cref="ExchangeRecord"/> is reset in between.
/// </summary>
internal sealed partial class Http1Exchange(ConnectionContext down, ListenerSide side, ProxyContext context)
{
    /// <summary>Bodies up to this are read and dropped after a refusal, so that the connection can go on.</summary>
    private const long MaxSwallowedBytes = 64 * 1024;

    private readonly RequestHead _request = new(context.Http1Limits);
    private readonly ResponseHead _response = new(context.Http1Limits);
    private readonly HeadReader _answer = new(context.Http1Limits, isRequest: false);
    private readonly BodyCopier _requestBody = new(context.Http1Limits);
    private readonly BodyCopier _responseBody = new(context.Http1Limits);
    private readonly ExchangeRecord _record = new(down, side, context);
    private Cluster? _cluster;
    private UpstreamConnection? _upstream;
    private BodyFraming _answerFraming;
    private volatile bool _clientIsGone;

    /// <summary>Serves the request whose head was read. True when the client connection can carry another.</summary>
    public async ValueTask<bool> RunAsync(HeadReader head)
    {
        Begin();
        _record.WireBytesReceived = head.Length;
        HeadError parsed = _request.TryParse(head.Bytes, head.Length);
        if (parsed != HeadError.None)
        {
            await RefuseAsync(ProxyErrors.BadRequest(HeadErrors.StatusCode(parsed), HeadErrors.Details(parsed)), goesOn: false);
            return false;
        }

        _record.Describe(_request);
        _cluster = Router.Match(context, side, _request.Authority, out string? routeName, out ProxyError error);
        _record.RouteName = routeName;
        if (_cluster is null)
        {
            return await RefuseAsync(error, goesOn: true);
        }

        RentResult rent = _request.IsConnect
            ? await _cluster.RentTcpAsync(down.ConnectionClosed)
            : await _cluster.RentHttpAsync(down.ConnectionClosed);
        _record.SetUpstream(_cluster, rent);
        if (rent.Status == RentStatus.Cancelled)
        {
            return ClientGone();
        }

        return rent.Connection is null ? await RefuseAsync(ProxyErrors.NoConnection(rent), goesOn: true) : await ForwardAsync(rent.Connection);
    }

    /// <summary>Answers a head that could not even be read.</summary>
    public async ValueTask RefuseHeadAsync(HeadError error)
    {
        Begin();
        await RefuseAsync(ProxyErrors.BadRequest(HeadErrors.StatusCode(error), HeadErrors.Details(error)), goesOn: false);
    }

    private void Begin()
    {
        side.Stats.RqTotal.Add();
        side.Stats.RqActive.Add();
        _record.Begin();
        _cluster = null;
        _upstream = null;
        _clientIsGone = false;
        _requestBody.Reset();
        _responseBody.Reset();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ForwardAsync(UpstreamConnection upstream)
    {
        _upstream = upstream;
        long sentAt = context.Now;
        CancellationTokenRegistration gone = down.ConnectionClosed.UnsafeRegister(static e => ((Http1Exchange)e!).OnClientGone(), this);
        bool goesOn = false;
        bool reusable = false;
        try
        {
            if (_request.IsConnect)
            {
                gone.Dispose(); // in a tunnel the end of one direction is not the end
                down.Transport.Output.Write("HTTP/1.1 200 OK\r\n\r\n"u8);
                await TunnelAsync(upstream);
                return false;
            }

            ValueTask<CopyStatus> sending = SendRequestAsync(upstream);
            Task<CopyStatus>? sent = sending.IsCompleted ? null : sending.AsTask();
            CopyStatus request = sent is null ? await sending : CopyStatus.Stopped;
            ProxyError? failure = await ReadAnswerAsync(upstream);
            _record.UpstreamServiceTime = context.Since(sentAt);
            if (failure is null && _response.Status == 101)
            {
                request = await EndSendingAsync(upstream, sent, request);
                failure = request == CopyStatus.Done ? null : ProxyErrors.UpstreamProtocol(); // switched in the middle of the request
            }

            if (failure is { } error)
            {
                request = await EndSendingAsync(upstream, sent, request);
                goesOn = await FailBeforeAnswerAsync(upstream.Endpoint, request, error);
                return goesOn;
            }

            RecordAnswer(upstream.Endpoint);
            if (_response.Status == 101)
            {
                gone.Dispose();
                HeadWriter.WriteResponse(down.Transport.Output, _response, BodyKind.None, -1, default);
                await TunnelAsync(upstream);
                return false;
            }

            (goesOn, reusable) = await AnswerAsync(upstream, sent, request);
            return goesOn;
        }
        finally
        {
            gone.Dispose(); // waits for a callback that runs: after this nobody aborts a connection that is another's
            _answer.Release();
            upstream.Release(reusable && !_clientIsGone); // it may have been aborted after the last byte
            _record.Finish(_requestBody, _responseBody);
            side.Stats.RqActive.Add(-1);
        }
    }

    /// <summary>Sends head and body; on a broken request the upstream is given up, which ends the wait for its answer.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<CopyStatus> SendRequestAsync(UpstreamConnection upstream)
    {
        HeadWriter.WriteRequest(upstream.Transport.Output, _request, _record.NewRequestId(), attempt: side.IsInbound ? 0 : 1);
        long before = upstream.Transport.Output.UnflushedBytes;
        CopyStatus status = await _requestBody.CopyAsync(down.Transport.Input, upstream.Transport.Output, _request.Framing, stripChunks: false);
        _cluster!.Stats.CxTxBytes.Add(before + _requestBody.WrittenBytes);
        if (status is CopyStatus.SourceEnded or CopyStatus.Malformed)
        {
            upstream.Abort();
        }

        return status;
    }

    /// <summary>Reads the head of the answer, passing interim ones on. Null when it is there; else the error to answer.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ProxyError?> ReadAnswerAsync(UpstreamConnection upstream)
    {
        while (true)
        {
            HeadStatus status = await _answer.ReadAsync(upstream.Transport.Input);
            if (status != HeadStatus.Ok)
            {
                return status is HeadStatus.Malformed or HeadStatus.TooLarge ? ProxyErrors.UpstreamProtocol() : ProxyErrors.UpstreamClosed();
            }

            _cluster!.Stats.CxRxBytes.Add(_answer.Length);
            if (_response.TryParse(_answer.Bytes, _answer.Length) != HeadError.None || (_response.Status == 101 && !_request.IsUpgrade) ||
                MessageFraming.DecideResponse(
                    _response.Headers, _response.MinorVersion, _response.Status, _request.IsHead, out _answerFraming) != HeadError.None)
            {
                return ProxyErrors.UpstreamProtocol();
            }

            if (!_response.IsInterim)
            {
                return null;
            }

            if (_request.MinorVersion == 1)
            {
                HeadWriter.WriteResponse(down.Transport.Output, _response, BodyKind.None, -1, default);
                await SafePipe.FlushAsync(down.Transport.Output);
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(bool GoesOn, bool Reusable)> AnswerAsync(UpstreamConnection upstream, Task<CopyStatus>? sent, CopyStatus request)
    {
        BodyFraming framing = _answerFraming;
        // An answer that overtakes its request ends the connection: the rest of the request has no reader.
        bool stripChunks = _request.MinorVersion == 0 && framing.Kind == BodyKind.Chunked;
        bool overtakes = sent is { IsCompleted: false } || (sent is null && request != CopyStatus.Done);
        bool closes = overtakes || stripChunks || framing.Kind == BodyKind.UntilClose || !_request.KeepsAlive || context.IsDraining;
        WriteAnswerHead(framing, stripChunks, closes);

        CopyStatus copied = await _responseBody.CopyAsync(upstream.Transport.Input, down.Transport.Output, framing, stripChunks);
        _cluster!.Stats.CxRxBytes.Add(_responseBody.WireBytes);
        request = await EndSendingAsync(upstream, sent, request);
        Charge(_response.Status);
        _record.Answered(_response.Status);
        bool reusable = copied == CopyStatus.Done && request == CopyStatus.Done && framing.Kind != BodyKind.UntilClose && _response.KeepsAlive;
        if (copied != CopyStatus.Done)
        {
            FailAfterAnswer(upstream.Endpoint, copied);
            return (false, false);
        }

        return (!closes && request == CopyStatus.Done, reusable);
    }

    private void WriteAnswerHead(BodyFraming framing, bool stripChunks, bool closes)
    {
        long before = down.Transport.Output.UnflushedBytes;
        ReadOnlySpan<byte> connection = closes ? "close"u8 : _request.MinorVersion == 0 ? "keep-alive"u8 : default;
        BodyKind kind = stripChunks ? BodyKind.UntilClose : framing.Kind;
        HeadWriter.WriteResponse(
            down.Transport.Output, _response, kind, (long)_record.UpstreamServiceTime!.Value.TotalMilliseconds, connection);
        _record.WireBytesSent += down.Transport.Output.UnflushedBytes - before;
        _record.FirstByteOut();
    }

    // An instance whose own sidecar refuses for its limits is busy, not sick: neither success nor failure (sidecar/adr/0011).
    private void RecordAnswer(Endpoint endpoint)
    {
        if (_response.Status != 503 || _response.Headers.Find(KnownHeader.EnvoyOverloaded) < 0)
        {
            _cluster!.Record(endpoint, UpstreamOutcome.Response, _response.Status);
        }
    }

    private void Charge(int status)
    {
        _cluster?.Stats.RqByCode.Add(status);
        _cluster?.Stats.RqCompleted.Add();
    }

    private void OnClientGone()
    {
        _clientIsGone = true;
        _upstream?.Abort();
    }
}
