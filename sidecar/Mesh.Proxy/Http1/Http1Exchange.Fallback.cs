using System.Buffers;
using System.Text;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Http;
using Mesh.Proxy.Retry;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// What a caller gets in the place of a refusal (adr/0035): the last good answer, another host's, or a fixed one. A cluster without a Fallback passes by with checks for null.
internal sealed partial class Http1Exchange
{
    private Cluster? _failed; // whose request another host has got
    private Cluster? _elsewhere; // which will get it next
    private HeaderEdits? _elsewhereEdits; // of its answer
    private ProxyError _instead; // takes the place of the upstream's answer
    private AnswerKey? _key;
    private LastGoodCache? _keeper; // while the answer that passes is copied for it
    private long _bornAt;

    private Fallback? FallbackInForce => (_failed ?? _cluster)?.Fallback;

    /// <summary>A refusal by <paramref name="fallback"/>'s rule: true when another host gets the request instead; else the error may have got an answer that stands in for it.</summary>
    private bool LeavesRefusal(Fallback fallback, ref ProxyError error) =>
        (FallbackText.CauseOf(error) & fallback.Config.Causes) != FallbackCauses.None && IsAnswered(fallback.Config) && Choose(fallback, ref error);

    /// <summary>The head of an upstream's answer is there: true when another takes its place, which is <see cref="_instead"/> unless another host is to be asked.</summary>
    private bool ReplacesAnswer(Fallback fallback)
    {
        if (!fallback.Config.Codes.Contains(_response.Status) || !IsAnswered(fallback.Config))
        {
            return false;
        }

        _instead = ProxyErrors.UpstreamAnswer(_response.Status);
        return Choose(fallback, ref _instead) || _instead.StandIn is not null;
    }

    private bool IsAnswered(FallbackConfig config)
    {
        if (_request.IsConnect || _request.IsUpgrade)
        {
            return false;
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

    // The order is the rule's: last good, another host, fixed. After another host has failed only the last is left.
    private bool Choose(Fallback fallback, ref ProxyError error)
    {
        FallbackStats stats = (_failed ?? _cluster!).Stats.Fallback!;
        long age = -1;
        StandIn? answer = _failed is null ? FindKept(fallback, out age) : null;
        Cluster? elsewhere = answer is null && _failed is null ? FindElsewhere(fallback.Config) : null;
        if (answer is null && elsewhere is null)
        {
            answer = fallback.StaticFor(fallback.HasLanguages ? AnswerKey.Values(_request.Headers, "accept-language"u8) : "");
            age = -1;
        }

        if (answer is null && elsewhere is null)
        {
            stats.Missed.Add();
            return false;
        }

        if (fallback.Config.IsShadow)
        {
            stats.Shadow.Add();
            string field = elsewhere is not null ? "destination" : age >= 0 ? "lastGood" : "static";
            Decided(new DecisionRecord(error.Decision.Reason, fallback.Config.Source, field) { Verdict = DecisionVerdict.Shadow }, error.Status);
            return false;
        }

        if (elsewhere is not null)
        {
            stats.Host.Add();
            LeadElsewhere(elsewhere, error);
            return true;
        }

        (age >= 0 ? stats.Stale : stats.Static).Add();
        error = error with { StandIn = answer, StandInAge = age };
        return false;
    }

    private StandIn? FindKept(Fallback fallback, out long age)
    {
        age = -1;
        if (fallback.LastGood is not { } cache || !(_request.IsHead || IsGet) || _request.Framing.Kind != BodyKind.None || !GoodAnswer.IsPublic(_request, fallback.Config.LastGood!.IsShared))
        {
            return null;
        }

        (_key ??= new AnswerKey()).Write(_request, _requestEdits, fallback.Vary);
        return cache.Find(_key.Text, context.Now, out age);
    }

    private bool IsGet => _request.Method.SequenceEqual("GET"u8);

    // What has left of a body and is not kept cannot leave again, and when the time of the route is over nobody else is asked. Nor does anybody wait for a token.
    private Cluster? FindElsewhere(FallbackConfig config) =>
        config.Cluster is { } name && _requestBody.CanStartOver && !IsRouteOver && !_clientIsGone && context.Clusters.Find(name) is { } cluster && cluster != _cluster
        && (config.IsShadow || HasTokensOf(cluster)) ? cluster : null;

    private void LeadElsewhere(Cluster cluster, in ProxyError error)
    {
        _elsewhere = cluster;
        _elsewhereEdits = HeaderEdits.With(_responseEdits, StandInReply.LinesForHost(error));
        _record.LedElsewhere(error);
        _again = Again.Elsewhere;
        Decided(error);
    }

    /// <summary>Readies the exchange for the other host: one attempt, by its own limits and its own breaker.</summary>
    private void GoElsewhere()
    {
        EndRetry();
        LeavePlace();
        _retry = null;
        _breaker = null;
        (_failed, _cluster, _elsewhere) = (_cluster, _elsewhere, null);
        _routeName = null; // the route was to the host that failed: a breaker for it is none of the other's
        if (_requestBody.Kept is null)
        {
            _requestBody.Reset();
        }

        RenewTimer();
        if (_timer is null && HasTrials)
        {
            BeginTimer(TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, _request.Framing.Kind == BodyKind.None || _requestBody.IsAtEnd, context.Now);
        }

        _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
        _outcome = _outcome == RequestOutcome.Answered ? RequestOutcome.Unknown : _outcome;
        _newCookie = null;
        _transactionLength = 0; // the other host has a form of its own, or none
        _pick = WithLuck(PickFor(_cluster!.Config));
    }

    /// <summary>An answer begins to pass: copies it on its way when it is a good one of a request that may be answered with it again.</summary>
    private void BeginKeeping(Fallback fallback, long answeredAt)
    {
        if (fallback.LastGood is not { } cache || _response.Status != 200 || !IsGet || _request.Framing.Kind != BodyKind.None || _answerFraming.Kind == BodyKind.UntilClose
            || !GoodAnswer.IsPublic(_request, fallback.Config.LastGood!.IsShared) || !GoodAnswer.MayBeKept(_request.Headers, _response.Headers, fallback.Vary))
        {
            return;
        }

        (_key ??= new AnswerKey()).Write(_request, _requestEdits, fallback.Vary);
        if (cache.IsDue(_key.Text, answeredAt))
        {
            _keeper = cache;
            double age = GoodAnswer.AgeOf(_response.Headers) + _record.UpstreamServiceTime.GetValueOrDefault().TotalSeconds; // RFC 9111, 4.2.3
            _bornAt = answeredAt - (long)(age * context.Runtime.Time.TimestampFrequency);
            _responseBody.Keep(new KeptBody(fallback.CopyMemory!));
        }
    }

    /// <summary>The answer has passed, or broken off: keeps the copy if it is whole.</summary>
    /// <param name="copied">How it ended.</param>
    /// <param name="isCoded">The copy is in chunks.</param>
    private void EndKeeping(CopyStatus copied, bool isCoded)
    {
        ReadOnlyMemory<byte> copy = _responseBody.Kept!.Bytes;
        if (copied == CopyStatus.Done)
        {
            StandIn answer = new(200, GoodAnswer.LinesOf(_response), isCoded ? PayloadOf(copy) : copy.ToArray());
            _keeper!.TryKeep(_key!.Text, answer, _bornAt, context.Now);
        }

        _keeper = null;
        _responseBody.Keep(null);
    }

    private byte[] PayloadOf(ReadOnlyMemory<byte> chunks)
    {
        ArrayBufferWriter<byte> payload = new(Math.Max(1, chunks.Length));
        ChunkedTranscoder transcoder = new(context.Http1Limits);
        transcoder.Begin(payload, payloadOnly: true);
        transcoder.Take(new ReadOnlySequence<byte>(chunks));
        return payload.WrittenSpan.ToArray();
    }
}
