using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Tcp;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

/// <summary>
/// Fills the <see cref="RequestRecord"/> of an exchange and hands it to the sink. Text is made only when somebody wants it. Used by one request at a time.
/// </summary>
internal sealed class ExchangeRecord(ProxyContext context)
{
    private const int RequestIdLength = 36;
    private static readonly DestinationLabels BlackHole = new(BuiltInClusters.BlackHole, BuiltInClusters.BlackHole, "unknown", "unknown", "unknown", "unknown");
    private readonly RequestRecord _record = new();
    private readonly byte[] _newRequestId = new byte[RequestIdLength];
    private DownstreamStats _stats = null!; // from Begin on
    private long _startedAt;
    private bool _hasNewRequestId;
    private RequestHead? _head; // once it is parsed
    private byte[]? _shownPath; // in the place of the request's own
    private string? _fallback; // the kind of answer that stood in for a refusal

    /// <summary>Bytes of the request head.</summary>
    public long WireBytesReceived { get => _record.WireBytesReceived; set => _record.WireBytesReceived = value; }

    /// <summary>Bytes of the response head.</summary>
    public long WireBytesSent { get => _record.WireBytesSent; set => _record.WireBytesSent = value; }

    /// <summary>Bytes that were sent of a body of our own.</summary>
    public long BytesSent { set => _record.BytesSent = value; }

    /// <summary>Request out to answer in; null when no upstream answered.</summary>
    public TimeSpan? UpstreamServiceTime { get => _record.UpstreamServiceTime; set => _record.UpstreamServiceTime = value; }

    /// <summary>Attempts begun.</summary>
    public int Attempts { get => _record.Attempts; set => _record.Attempts = value; }

    /// <summary>Conditions that led to retries.</summary>
    public RetryConditions RetriedOn { get => _record.RetriedOn; set => _record.RetriedOn = value; }

    /// <summary>Name of the route.</summary>
    public string? RouteName { get => _record.RouteName; set => _record.RouteName = value; }

    /// <summary>Transaction id that the request got here; null for none.</summary>
    public string? TransactionId { get => _record.TransactionId; set => _record.TransactionId = value; }

    /// <summary>Where the request counts besides; null for nowhere.</summary>
    public RouteStats? Route { get; set; }

    /// <summary>A new request of <paramref name="client"/> begins now.</summary>
    public void Begin(Http1ServerConnection client)
    {
        _record.Reset();
        Route = null;
        _fallback = null;
        _head = null;
        _shownPath = null;
        _stats = client.Side.Stats;
        _hasNewRequestId = false;
        _startedAt = client.ArrivedAt;
        _record.StartTime = context.Sink.WantsText ? context.Runtime.Time.GetUtcNow() - context.Since(_startedAt) : default;
        _record.IsInbound = client.Side.IsInbound;
        _record.DownstreamLocalAddress = client.LocalAddress;
        _record.DownstreamRemoteAddress = client.RemoteAddress;
    }

    /// <summary>Takes what the log shows of the head.</summary>
    public void Describe(RequestHead head)
    {
        _head = head;
        _record.Protocol = head.MinorVersion == 1 ? "HTTP/1.1" : "HTTP/1.0";
        if (!context.Sink.WantsText)
        {
            return;
        }

        _record.Method = Encoding.ASCII.GetString(head.Method);
        _record.Path = head.Path.IsEmpty ? null : Encoding.ASCII.GetString(head.Path);
        _record.Authority = Encoding.ASCII.GetString(head.Authority);
        _record.UserAgent = Text(head.Headers, KnownHeader.UserAgent);
        _record.ForwardedFor = Text(head.Headers, KnownHeader.ForwardedFor);
        _record.RequestId = Text(head.Headers, KnownHeader.RequestId);
    }

    /// <summary>Shows <paramref name="path"/>, which must not change, wherever the path is told: who knows the request's own could do what is not everybody's.</summary>
    public void ShowPath(byte[] path)
    {
        _shownPath = path;
        _record.Path = context.Sink.WantsText ? Encoding.ASCII.GetString(path) : null;
    }

    /// <summary>x-request-id of the request: the caller's, or ours.</summary>
    public ReadOnlySpan<byte> RequestId => _head is { Headers: { } headers } && headers.Find(KnownHeader.RequestId) is >= 0 and int at ? headers.Value(at) : NewRequestId();

    /// <summary>A new x-request-id in the form of a UUID; drawn once for every request without one.</summary>
    public ReadOnlySpan<byte> NewRequestId()
    {
        if (_hasNewRequestId)
        {
            return _newRequestId; // the request is sent again
        }

        if (_record.RequestId is not null)
        {
            return default;
        }

        Span<byte> random = stackalloc byte[16];
        context.Runtime.Random.NextBytes(random);
        random[6] = (byte)((random[6] & 0x0f) | 0x40);
        random[8] = (byte)((random[8] & 0x3f) | 0x80);
        new Guid(random, bigEndian: true).TryFormat(_newRequestId, out _);
        _hasNewRequestId = true;
        if (context.Sink.WantsText)
        {
            _record.RequestId = Encoding.ASCII.GetString(_newRequestId);
        }

        return _newRequestId;
    }

    /// <summary>A cluster was asked for a connection.</summary>
    public void SetUpstream(Cluster cluster, in RentResult rent)
    {
        _record.UpstreamCluster = cluster.Name;
        _record.Destination = rent.Endpoint?.Labels ?? cluster.Labels;
        _record.UpstreamHost = rent.Endpoint?.Address;
        _record.QueueTime = rent.QueueTime;
        _record.ConnectTime = rent.Connection is { IsReused: false } ? rent.QueueTime : null;
        _record.UpstreamLocalAddress = rent.Connection?.LocalAddress;
    }

    /// <summary>The response begins to leave.</summary>
    public void FirstByteOut(long at) => _record.TimeToFirstByte = context.Between(_startedAt, at);

    /// <summary>The upstream's answer went through.</summary>
    public void Answered(int status) => (_record.ResponseCode, _record.Details) = (status, "via_upstream");

    /// <summary>The proxy answered itself.</summary>
    public void Refused(in ProxyError error, int bodyBytes)
    {
        (_record.ResponseCode, _record.Details) = (error.SentStatus, error.Details);
        _fallback = error.StandIn is null ? _fallback : FallbackText.KindOf(error);
        AddFlag(error.Flag);
        if (error.Decision.Reason == DecisionReason.UnknownService)
        {
            _record.Destination = BlackHole;
        }

        DecisionVerdict verdict = error.StandIn is null ? DecisionVerdict.Refused : DecisionVerdict.Replaced;
        (_record.Decision, _record.TransportFailure) = (error.Decision with { Verdict = verdict }, error.TransportFailure);
        _record.BytesSent = bodyBytes;
        FirstByteOut(context.Now);
    }

    /// <summary>Another host gets the request, by a Fallback for <paramref name="error"/>.</summary>
    public void LedElsewhere(in ProxyError error)
    {
        AddFlag(error.Flag);
        (_record.Decision, _fallback) = (error.Decision with { Verdict = DecisionVerdict.Replaced }, "host");
    }

    /// <summary>A decision fell on the request: keeps it for those who ask. Its head must not be released yet.</summary>
    /// <param name="decision">What was decided.</param>
    /// <param name="cluster">Where the request was going; null for nowhere yet.</param>
    /// <param name="outcome">What had become of it.</param>
    /// <param name="attempts">Attempts begun.</param>
    /// <param name="error">The refusal; the default when there is none.</param>
    public void Decided(in DecisionRecord decision, Cluster? cluster, RequestOutcome outcome, int attempts, in ProxyError error)
    {
        _record.Remark(decision);
        bool isAnswered = decision.Verdict is DecisionVerdict.Refused or DecisionVerdict.Replaced;
        context.Decisions.Add(decision, new DecidedRequest
        {
            At = context.Runtime.Time.GetUtcNow(),
            RequestId = RequestId,
            Method = _head is null ? default : _head.Method,
            Authority = _head is null ? default : _head.Authority,
            Path = _shownPath ?? (_head is null ? default : _head.Path),
            IsInbound = _record.IsInbound,
            Cluster = cluster?.Name,
            Endpoint = _record.UpstreamHost,
            Status = error.Status,
            Flag = error.Flag,
            Outcome = LocalReply.Text(outcome),
            Attempts = attempts,
            Taken = context.Since(_startedAt),
            Breaker = error.Breaker,
            RetryAfterSeconds = error.RetryAfterSeconds,
            Fallback = isAnswered ? _fallback : null,
            Load = cluster?.Load ?? default,
        });
    }

    /// <summary>One more flag, in the order in which they are set; the first two are shown.</summary>
    public void AddFlag(ResponseFlag flag)
    {
        if (_record.Flag == ResponseFlag.None)
        {
            _record.Flag = flag;
        }
        else if (_record.SecondFlag == ResponseFlag.None && _record.Flag != flag)
        {
            _record.SecondFlag = flag;
        }
    }

    /// <summary>The client went away; <paramref name="status"/> is what it had been sent, 0 for nothing.</summary>
    public void ClientGone(int status = 0)
    {
        (_record.ResponseCode, _record.Details) = (status, "downstream_remote_disconnect");
        AddFlag(ResponseFlag.DC);
    }

    /// <summary>The answer broke off after its head.</summary>
    public void BrokenOff(ResponseFlag flag)
    {
        AddFlag(flag);
        _record.Details = flag switch
        {
            ResponseFlag.UPE => "upstream_reset_after_response_started{protocol_error}",
            ResponseFlag.SI => "stream_idle_timeout",
            ResponseFlag.UT => "response_timeout",
            _ => "upstream_reset_after_response_started{connection_termination}",
        };
    }

    /// <summary>A tunnel has ended.</summary>
    public void Tunnelled(int status, in RelayResult relay)
    {
        Answered(status);
        _record.BytesReceived = relay.BytesUp;
        _record.WireBytesReceived += relay.BytesUp;
        _record.BytesSent = relay.BytesDown;
        AddFlag(relay.Flag);
    }

    /// <summary>Why a tunnel was cut off whose upstream took no byte for too long; its flag is set already.</summary>
    public void Stuck(in ProxyError error) => (_record.Details, _record.Decision) = (error.Details, error.Decision);

    /// <summary>The request has ended: completes the record and hands it on.</summary>
    /// <param name="requestBody">What came of its body.</param>
    /// <param name="responseBody">What went of the answer's.</param>
    /// <param name="isToldElsewhere">Another exchange served it, and tells of it: here only the bytes of the connection count.</param>
    public void Finish(BodyCopier requestBody, BodyCopier responseBody, bool isToldElsewhere)
    {
        _record.BytesReceived += requestBody.PayloadBytes;
        _record.BytesSent += responseBody.PayloadBytes;
        _record.WireBytesReceived += requestBody.WireBytes;
        _record.WireBytesSent += responseBody.PayloadBytes == 0 ? _record.BytesSent : responseBody.WrittenBytes;
        _record.Duration = context.Since(_startedAt);
        if (_fallback is not null)
        {
            _record.Details += $"{{fallback_{_fallback}}}";
        }

        _stats.CxRxBytes.Add(_record.WireBytesReceived);
        _stats.CxTxBytes.Add(_record.WireBytesSent);
        if (isToldElsewhere)
        {
            return;
        }

        Route?.Add(_record);
        context.Sink.OnFinished(_record);
    }

    private static string? Text(HeaderBlock headers, KnownHeader kind)
    {
        int at = headers.Find(kind);
        return at < 0 ? null : Encoding.Latin1.GetString(headers.Value(at));
    }
}
