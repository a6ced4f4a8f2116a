using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// Late answers for callers that ask for them (RFC 7240, adr/0051). The request is served by another exchange, on a connection in memory that outlives this one's; this one waits
// for its answer as long as the rule says, and passes it on or says where it will be. Who does not ask never comes past GoesAside.
internal sealed partial class Http1Exchange
{
    private const int SliceBytes = 64 * 1024; // of a kept answer, from flush to flush
    private static readonly TimeSpan HeartbeatInterval = TimeSpan.FromSeconds(15);
    private static readonly byte[] ShownPath = [.. AsyncReplyStore.PathPrefix, .. "..."u8];
    private volatile CallConnection? _aside; // serves the request, as long as its end is ours
    private bool _isServedAside; // and the other exchange tells of it
    private Pause? _watch; // for an answer that is kept

    /// <summary>Whether the request asks for a kept answer, or may be answered late.</summary>
    private bool GoesAside(out ValueTask<bool> answered)
    {
        answered = default;
        if (Down is CallConnection || _request.IsConnect || _request.IsUpgrade)
        {
            return false;
        }

        if (_request.Path.StartsWith(AsyncReplyStore.PathPrefix))
        {
            KeptCall? call = context.AsyncReplies.Find(_request.Path[AsyncReplyStore.PathPrefix.Length..], _request.Authority);
            bool isOurs = call is not null || ClusterOfRoute()?.Config.AsyncReply is not null; // else the path is the host's own
            if (isOurs)
            {
                _record.ShowPath(ShownPath); // the id is the right to read the answer
                answered = GiveKeptAsync(call);
            }

            return isOurs;
        }

        AsyncPreference wish = AsyncPreference.Of(_request.Headers);
        if (!wish.IsAsync || ClusterOfRoute() is not { Config.AsyncReply: { } config } cluster || !MayBeLate(config)
            || !context.AsyncReplies.TryReserve(RequestBytes))
        {
            return false;
        }

        answered = ServeAsideAsync(cluster, config, wish.Wait < config.After ? wish.Wait.Value : config.After);
        return true;
    }

    // Only for a rule of the host's; the other exchange chooses again, for itself.
    private Cluster? ClusterOfRoute() => Router.Choose(context, Side, _request, out _) is { Cluster: { } name } ? context.Clusters.Find(name) : null;

    private long RequestBytes => _request.Framing.Kind == BodyKind.Length ? _request.Framing.Length : 0;

    // All of the request must be here before its caller may be sent away. A preference is no order: who sends more is served as ever, and so is HEAD, whose caller comes back with GET.
    private bool MayBeLate(AsyncReplyConfig config) => _request.MinorVersion == 1 && !_request.IsHead && !HasExpect(_request.Headers)
        && (_request.Framing.Kind == BodyKind.None || (_request.Framing.Kind == BodyKind.Length && RequestBytes <= config.MaxBytes));

    private async ValueTask<bool> ServeAsideAsync(Cluster cluster, AsyncReplyConfig config, TimeSpan after)
    {
        CallConnection call = new(Down, _client.Loop, context.AsyncReplies, RequestBytes);
        _request.CopyTo(call.Request, _record.RequestId, closes: _client.IsLast);
        _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
        CopyStatus sent = await _requestBody.CopyAsync(Down.Transport.Input, call.Request, _request.Framing, stripChunks: false);
        await call.Request.CompleteAsync();
        if (sent != CopyStatus.Done || _clientIsGone || !_client.Deadline.Clear())
        {
            await call.DisposeAsync(); // nobody serves it yet
            return await FailToReadAsync(sent);
        }

        _aside = call;
        _isServedAside = true;
        if (_clientIsGone)
        {
            call.Abort(); // it went before the field was written
        }

        cluster.Services.Background.Start(
            "async call", static own => own.Context.ServeOwn(own.Call, own.Side), (Context: context, Call: call, Side: Side with { Stats = context.AsyncReplies.Stats }));
        try
        {
            return await WaitAsideAsync(call, cluster, config, after);
        }
        finally
        {
            _answer.Release();
            IgnoreClientEnd();
            _aside = null;
        }
    }

    private ValueTask<bool> FailToReadAsync(CopyStatus sent)
    {
        if (!_clientIsGone && sent != CopyStatus.SourceEnded)
        {
            return RefuseIdleAsync(sent == CopyStatus.Done);
        }

        _record.ClientGone();
        return new(false);
    }

    /// <summary>Waits for the answer's head: passes the answer on, or sends the caller away when the time is over.</summary>
    private async ValueTask<bool> WaitAsideAsync(CallConnection call, Cluster cluster, AsyncReplyConfig config, TimeSpan after)
    {
        using ITimer timer = context.Runtime.Time.CreateTimer(static a => ((PipeReader)a!).CancelPendingRead(), call.Answer, after, Timeout.InfiniteTimeSpan);
        while (true)
        {
            HeadStatus status = await _answer.ReadAsync(call.Answer);
            if (status == HeadStatus.Cancelled)
            {
                if (TryKeep(cluster, config) is { } kept)
                {
                    cluster.Services.Background.Start(
                        "async reply", static k => AnswerKeeper.RunAsync(k.Kept, k.Call, k.Context), (Kept: kept, Call: call, Context: context));
                    return await SayAsync(ProxyErrors.AsyncReplyPending(kept, isFirst: true), goesOn: true);
                }

                if (!_clientIsGone)
                {
                    cluster.Stats.AsyncReply!.Full.Add();
                }

                continue;
            }

            if (status != HeadStatus.Ok || _response.TryParse(_answer.Bytes, _answer.Length) != HeadError.None)
            {
                return await LoseAsideAsync(call);
            }

            Down.Transport.Output.Write(_answer.Bytes.AsSpan(0, _answer.Length));
            if (!_response.IsInterim)
            {
                timer.Dispose(); // it has nothing to say to the body
                cluster.Stats.AsyncReply!.InTime.Add();
                return await PassAsideAsync(call);
            }

            await SafePipe.FlushAsync(Down.Transport.Output);
        }
    }

    /// <summary>Makes the call independent of this connection; null when its caller has gone with it, or nothing more can be kept.</summary>
    private KeptCall? TryKeep(Cluster cluster, AsyncReplyConfig config)
    {
        IgnoreClientEnd();
        if (!_clientIsGone && context.AsyncReplies.TryKeep(cluster.Stats.AsyncReply!, config, _request.Authority) is { } kept)
        {
            _aside = null;
            _isServedAside = false;
            _outcome = RequestOutcome.Unknown;
            _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
            cluster.Stats.AsyncReply!.Accepted.Add();
            return kept;
        }

        WatchClientEnd();
        return null;
    }

    // The head has been written for this very client, so it goes on as it is, and so does the body. What it says of the connection holds.
    private async ValueTask<bool> PassAsideAsync(CallConnection call)
    {
        _isAnswering = true;
        if (!_client.Deadline.Set(context.Limits.StreamIdle, context.Now))
        {
            Down.Abort();
        }

        bool isValid = MessageFraming.DecideResponse(_response.Headers, _response.MinorVersion, _response.Status, isHead: false, out _answerFraming) == HeadError.None;
        bool isWhole = isValid && await _responseBody.CopyAsync(call.Answer, Down.Transport.Output, _answerFraming, stripChunks: false) == CopyStatus.Done;
        if (!isWhole)
        {
            call.Abort();
            Down.Abort();
        }

        await call.Answer.CompleteAsync();
        return isWhole && _answerFraming.Kind != BodyKind.UntilClose && _response.KeepsAlive;
    }

    // Whoever served it was cut off by a drain's end, or its caller has gone: then there is nobody to tell, and the other exchange has recorded it.
    private async ValueTask<bool> LoseAsideAsync(CallConnection call)
    {
        call.Abort();
        await call.Answer.CompleteAsync();
        IgnoreClientEnd();
        if (_clientIsGone || context.CutOff.IsCancellationRequested)
        {
            return false;
        }

        _isServedAside = false;
        _outcome = RequestOutcome.Unknown;
        return await SayAsync(ProxyErrors.UpstreamClosed(), goesOn: false);
    }

    /// <summary>Answers one who came back.</summary>
    private ValueTask<bool> GiveKeptAsync(KeptCall? call)
    {
        _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
        if (!IsGet && !_request.IsHead)
        {
            return RefuseAsync(ProxyErrors.AsyncReplyMethod(), goesOn: true);
        }

        if (call is null)
        {
            return RefuseAsync(ProxyErrors.AsyncReplyUnknown(), goesOn: true);
        }

        if (IsGet && AnswerKey.Values(_request.Headers, "accept"u8).Contains("text/event-stream", StringComparison.OrdinalIgnoreCase))
        {
            return TellWhenDoneAsync(call);
        }

        return call.Answer is { } answer ? GiveAsync(call, answer) : RefuseAsync(ProxyErrors.AsyncReplyPending(call, isFirst: false), goesOn: true);
    }

    private async ValueTask<bool> GiveAsync(KeptCall call, StandIn answer)
    {
        bool closes = !_request.KeepsAlive || _request.MinorVersion == 0 || _client.IsLast || _request.Framing.Kind != BodyKind.None;
        ReadOnlyMemory<byte> body = KeptReply.WriteHead(Down.Transport.Output, answer, _request.IsHead, closes);
        _record.Refused(ProxyErrors.AsyncReplyFetched(answer.Status), 0);
        call.Stats.Fetched.Add();
        bool goesOn = true;
        for (int sent = 0; goesOn && sent < body.Length;)
        {
            ReadOnlyMemory<byte> slice = body.Slice(sent, Math.Min(SliceBytes, body.Length - sent));
            Down.Transport.Output.Write(slice.Span);
            _record.BytesSent = sent += slice.Length;
            goesOn = await FlushAnswerAsync(); // who takes its time gets no more until it has taken this
        }

        return goesOn && (!body.IsEmpty || await FlushAnswerAsync()) && !closes;
    }

    /// <summary>A stream of one event, when the answer is there; it ends with the connection, and with a drain.</summary>
    [SuppressMessage("Reliability", "CA2012", Justification = "Awaited once, after the wait has begun: what ends it must find it.")]
    private async ValueTask<bool> TellWhenDoneAsync(KeptCall call)
    {
        PipeWriter output = Down.Transport.Output;
        output.Write(KeptReply.EventsHead);
        _record.Refused(ProxyErrors.AsyncReplyFetched(200), 0);
        Pause watch = _watch ??= new Pause(context.Runtime.Time);
        bool goesOn = call.Answer is not null || await FlushAnswerAsync();
        while (goesOn && call.Answer is null && !_clientIsGone && !context.Drains(Side))
        {
            _client.Deadline.Clear(); // as long as it takes
            ValueTask wait = watch.WaitAsync(HeartbeatInterval, _client.Loop, _stop.Token);
            if (!call.TryWatch(watch) || context.Drains(Side))
            {
                watch.End(); // what it waits for came before there was a wait to end
            }

            await wait;
            call.Unwatch(watch);
            _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
            output.Write(call.Answer is null ? KeptReply.Heartbeat : default);
            goesOn = call.Answer is not null || await FlushAnswerAsync();
        }

        if (goesOn && call.Answer is { } answer)
        {
            output.Write(KeptReply.Event(call, answer));
            await FlushAnswerAsync();
        }

        return false;
    }
}
