using System.Buffers;
using System.IO.Pipelines;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

/// <summary>
/// One copy of a request on its way: a connection within the limits of its cluster, the bytes out, the answer in and dropped. Tells statistics and outlier detection
/// of its own cluster and nobody else. Reused; runs on the event loop of the request.
/// </summary>
internal sealed class MirrorCopy(MirrorSender sender, ProxyContext context)
{
    private const int PieceBytes = 16 * 1024; // what a slow upstream lets pile up outside the memory that is counted

    private readonly HeadReader _answer = new(context.Http1Limits, isRequest: false);
    private readonly ResponseHead _response = new(context.Http1Limits);
    private readonly BodyCopier _body = new(context.Http1Limits);
    private Cluster _cluster = null!; // from Begin to the end of RunAsync
    private MirrorMessage _message;
    private PipeScheduler? _loop;
    private PickContext _pick;
    private bool _holdsBytes;

    /// <summary>Takes the next copy.</summary>
    public void Begin(Cluster cluster, in MirrorMessage message, PipeScheduler? loop, PickContext pick)
    {
        (_cluster, _message, _loop, _pick) = (cluster, message, loop, pick with { Luck = 0 }); // no copy to an open endpoint
        _holdsBytes = true;
        _body.Reset();
    }

    /// <summary>Sends it and waits for the end of the answer.</summary>
    public async Task RunAsync()
    {
        using PooledTimeout limit = _cluster.Services.Timeouts.Rent();
        limit.Arm(_message.Limit);
        try
        {
            using CancellationTokenRegistration end = context.CutOff.UnsafeRegister(static l => ((PooledTimeout)l!).Cancel(), limit);
            if (_cluster.Breaker is { Config.IsShadow: false } breaker && breaker.IsShut(context.Now))
            {
                FailWithoutConnection(RentStatus.Overflow); // a copy is no reason to disturb who is left in peace
                return;
            }

            RentResult rent = await RentAsync(limit.Token);
            if (rent.Connection is { } upstream)
            {
                await UseAsync(upstream, limit);
            }
            else
            {
                FailWithoutConnection(rent.Status);
            }
        }
        finally
        {
            LetGo();
            (_cluster, _message, _loop) = (null!, default, null); // what waits for another copy keeps nothing alive
            sender.Return(this);
        }
    }

    private async ValueTask<RentResult> RentAsync(CancellationToken end)
    {
        RentResult rent = await _cluster.RentHttpAsync(end, _loop, _pick);
        while (rent.Connection is { IsReused: true } stale && !stale.IsStillGood())
        {
            stale.Release(reusable: false); // it died in the pool: not a byte is written to it
            rent = await _cluster.RentHttpAsync(end, _loop, _pick);
        }

        return rent;
    }

    private async ValueTask UseAsync(UpstreamConnection upstream, PooledTimeout limit)
    {
        bool reusable = false;
        try
        {
            reusable = await ExchangeAsync(upstream, limit);
        }
        finally
        {
            _answer.Release();
            upstream.Release(reusable && !limit.Token.IsCancellationRequested);
        }
    }

    /// <summary>True when the connection can carry another request.</summary>
    private async ValueTask<bool> ExchangeAsync(UpstreamConnection upstream, PooledTimeout limit)
    {
        using CancellationTokenRegistration cut = limit.Token.UnsafeRegister(static u => ((UpstreamConnection)u!).Abort(), upstream);
        bool isSent = await SendAsync(upstream.Transport.Output);
        LetGo(); // however long the answer takes
        (ResponseFlag failure, BodyFraming framing) = await ReadAnswerAsync(upstream.Transport.Input);
        if (failure != ResponseFlag.None)
        {
            Fail(upstream.Endpoint, failure, limit.HasExpired);
            return false;
        }

        RecordAnswer(upstream.Endpoint);
        CopyStatus copied = await _body.CopyAsync(upstream.Transport.Input, null, framing, stripChunks: false);
        _cluster.Stats.CxRxBytes.Add(_body.WireBytes);
        Charge(_response.Status);
        if (copied != CopyStatus.Done)
        {
            (limit.Token.IsCancellationRequested ? _cluster.Stats.RqTxReset : _cluster.Stats.RqRxReset).Add();
        }

        return isSent && copied == CopyStatus.Done && framing.Kind != BodyKind.UntilClose && _response.KeepsAlive;
    }

    /// <summary>Writes the copy piece by piece; false when the upstream takes no more, whose answer may be here all the same.</summary>
    private async ValueTask<bool> SendAsync(PipeWriter output)
    {
        output.Write(_message.Head.Bytes.Span);
        long sent = _message.Head.Bytes.Length;
        bool goesOn = true;
        for (ReadOnlyMemory<byte> rest = _message.Body?.Bytes ?? default; goesOn && !rest.IsEmpty;)
        {
            ReadOnlyMemory<byte> piece = rest[..Math.Min(PieceBytes, rest.Length)];
            rest = rest[piece.Length..];
            output.Write(piece.Span);
            sent += piece.Length;
            goesOn = rest.IsEmpty || await SafePipe.FlushAsync(output);
        }

        goesOn = goesOn && await SafePipe.FlushAsync(output);
        _cluster.Stats.CxTxBytes.Add(sent);
        return goesOn;
    }

    private async ValueTask<(ResponseFlag Failure, BodyFraming Framing)> ReadAnswerAsync(PipeReader input)
    {
        while (true)
        {
            HeadStatus status;
            do
            {
                status = await _answer.ReadAsync(input);
            }
            while (status == HeadStatus.Cancelled);

            if (status != HeadStatus.Ok)
            {
                return (status is HeadStatus.Ended or HeadStatus.Truncated ? ResponseFlag.UC : ResponseFlag.UPE, default);
            }

            _cluster.Stats.CxRxBytes.Add(_answer.Length);
            BodyFraming framing = default;
            bool isValid = _response.TryParse(_answer.Bytes, _answer.Length) == HeadError.None && _response.Status != 101 &&
                MessageFraming.DecideResponse(_response.Headers, _response.MinorVersion, _response.Status, _message.IsHead, out framing) == HeadError.None;
            if (!isValid || !_response.IsInterim)
            {
                return (isValid ? ResponseFlag.None : ResponseFlag.UPE, framing);
            }
        }
    }

    // As for the request's own upstream: one that refuses for its limits is busy, not sick (adr/0011).
    private void RecordAnswer(Endpoint endpoint)
    {
        if (!_response.IsOverload)
        {
            _cluster.Record(endpoint, UpstreamOutcome.Response, _response.Status);
        }
    }

    private void FailWithoutConnection(RentStatus status)
    {
        if (status == RentStatus.Cancelled)
        {
            _cluster.Stats.RqTimeout.Add();
        }

        Charge(status == RentStatus.Cancelled ? 504 : 503);
    }

    private void Fail(Endpoint endpoint, ResponseFlag failure, bool isLate)
    {
        ClusterStats stats = _cluster.Stats;
        _cluster.Record(endpoint, isLate ? UpstreamOutcome.Timeout : UpstreamOutcome.Reset, 0);
        (isLate ? stats.RqTxReset : stats.RqRxReset).Add();
        if (isLate)
        {
            stats.RqTimeout.Add();
        }
        else if (failure == ResponseFlag.UPE)
        {
            stats.CxProtocolError.Add();
        }

        Charge(isLate ? 504 : failure == ResponseFlag.UPE ? 502 : 503);
    }

    private void Charge(int status) => _cluster.Stats.Complete(status);

    private void LetGo()
    {
        if (_holdsBytes)
        {
            _holdsBytes = false;
            _message.Release();
        }
    }
}
