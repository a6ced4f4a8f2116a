using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Telemetry;

/// <summary>
/// All that is known of one finished request or TCP connection; access log and standard metrics read it. Filled by the exchange,
/// valid only during <see cref="IRequestSink.OnFinished"/>: the owner reuses it.
/// </summary>
public sealed class RequestRecord
{
    /// <summary>True on the inbound side (reporter=destination).</summary>
    public bool IsInbound { get; set; }

    /// <summary>True for a TCP connection: no method, path, code.</summary>
    public bool IsTcp { get; set; }

    /// <summary>Wall-clock start.</summary>
    public DateTimeOffset StartTime { get; set; }

    /// <summary>Method, or null.</summary>
    public string? Method { get; set; }

    /// <summary>Request target path with query, or null.</summary>
    public string? Path { get; set; }

    /// <summary><c>HTTP/1.1</c> or <c>HTTP/1.0</c>.</summary>
    public string? Protocol { get; set; }

    /// <summary>Status sent downstream; 0 when none.</summary>
    public int ResponseCode { get; set; }

    /// <summary>First flag set.</summary>
    public ResponseFlag Flag { get; set; }

    /// <summary>Second flag set (URX, UF).</summary>
    public ResponseFlag SecondFlag { get; set; }

    /// <summary>Envoy's response code details (<c>via_upstream</c>), or null.</summary>
    public string? Details { get; set; }

    /// <summary>Failure text of the upstream transport, or null.</summary>
    public string? TransportFailure { get; set; }

    /// <summary>The refusal, or what a Fallback stood in for; unset when the upstream's answer went through.</summary>
    public DecisionRecord Decision { get; set; }

    /// <summary>The first wait for a token or a place after which it went on; unset without one.</summary>
    public DecisionRecord Waited { get; set; }

    /// <summary>The first thing that a rule in shadow mode would have done to it; unset without one. Nothing came of it.</summary>
    public DecisionRecord Shadow { get; set; }

    /// <summary>Times that it was sent or was to be sent, retries included; 0 when it never came so far.</summary>
    public int Attempts { get; set; }

    /// <summary>Conditions that led to retries.</summary>
    public RetryConditions RetriedOn { get; set; }

    /// <summary>Request body bytes.</summary>
    public long BytesReceived { get; set; }

    /// <summary>Response body bytes.</summary>
    public long BytesSent { get; set; }

    /// <summary>Request bytes on the wire, head included.</summary>
    public long WireBytesReceived { get; set; }

    /// <summary>Response bytes on the wire, head included.</summary>
    public long WireBytesSent { get; set; }

    /// <summary>First byte in to last byte out.</summary>
    public TimeSpan Duration { get; set; }

    /// <summary>Request sent to response head received; null when no upstream answered.</summary>
    public TimeSpan? UpstreamServiceTime { get; set; }

    /// <summary>Time spent connecting on behalf of this request; null when none.</summary>
    public TimeSpan? ConnectTime { get; set; }

    /// <summary>Time waiting for a connection; null when none.</summary>
    public TimeSpan? QueueTime { get; set; }

    /// <summary>First byte in to first byte of the response; null when none.</summary>
    public TimeSpan? TimeToFirstByte { get; set; }

    /// <summary>x-forwarded-for, or null.</summary>
    public string? ForwardedFor { get; set; }

    /// <summary>user-agent, or null.</summary>
    public string? UserAgent { get; set; }

    /// <summary>x-request-id, or null.</summary>
    public string? RequestId { get; set; }

    /// <summary>Transaction id that the sidecar gave the request; null when it gave none.</summary>
    public string? TransactionId { get; set; }

    /// <summary>Host as the client sent it, or null.</summary>
    public string? Authority { get; set; }

    /// <summary>Address of the last upstream tried, or null.</summary>
    public string? UpstreamHost { get; set; }

    /// <summary>Cluster name, or null.</summary>
    public string? UpstreamCluster { get; set; }

    /// <summary>Local address of the upstream connection, or null.</summary>
    public string? UpstreamLocalAddress { get; set; }

    /// <summary>Local address of the downstream connection.</summary>
    public string? DownstreamLocalAddress { get; set; }

    /// <summary>Remote address of the downstream connection.</summary>
    public string? DownstreamRemoteAddress { get; set; }

    /// <summary>Server that the client asked for by TLS that was passed on as it is, in lower case; null when it named none, or spoke no TLS.</summary>
    public string? RequestedServerName { get; set; }

    /// <summary>Route name (<c>fqdn:port</c>, <c>default</c> inbound), or null.</summary>
    public string? RouteName { get; set; }

    /// <summary>Destination labels for the metrics; null when no cluster was chosen.</summary>
    public DestinationLabels? Destination { get; set; }

    /// <summary>Keeps a wait, or what a rule in shadow mode would have done; of each the first.</summary>
    public void Remark(in DecisionRecord decision)
    {
        if (decision.Verdict == DecisionVerdict.Waited && !Waited.IsSet)
        {
            Waited = decision;
        }
        else if (decision.Verdict == DecisionVerdict.Shadow && !Shadow.IsSet)
        {
            Shadow = decision;
        }
    }

    /// <summary>Back to the state of a new object.</summary>
    public void Reset()
    {
        IsInbound = IsTcp = false;
        StartTime = default;
        Method = Path = Protocol = Details = TransportFailure = ForwardedFor = UserAgent = RequestId = TransactionId = Authority = null;
        UpstreamHost = UpstreamCluster = UpstreamLocalAddress = DownstreamLocalAddress = DownstreamRemoteAddress = RequestedServerName = RouteName = null;
        ResponseCode = Attempts = 0;
        RetriedOn = RetryConditions.None;
        Flag = SecondFlag = ResponseFlag.None;
        Decision = Waited = Shadow = default;
        BytesReceived = BytesSent = WireBytesReceived = WireBytesSent = 0;
        Duration = default;
        UpstreamServiceTime = ConnectTime = QueueTime = TimeToFirstByte = null;
        Destination = null;
    }
}

/// <summary>Destination side of the metric labels: service from the cluster, workload from the endpoint. One object per endpoint, compared by reference.</summary>
/// <param name="Service">Service host.</param>
/// <param name="ServiceName">Service name.</param>
/// <param name="ServiceNamespace">Service namespace.</param>
/// <param name="Workload">Workload.</param>
/// <param name="WorkloadNamespace">Namespace of the workload.</param>
/// <param name="Version">Version of the workload.</param>
public sealed record DestinationLabels(
    string Service, string ServiceName, string ServiceNamespace, string Workload, string WorkloadNamespace, string Version);

/// <summary>Receives every finished request. Called on the request path: must not block, throw or keep the record.</summary>
public interface IRequestSink
{
    /// <summary>True when the textual fields (method, path, user agent, request id, …) are wanted; otherwise the exchange leaves them null.</summary>
    bool WantsText { get; }

    /// <summary>The request has ended.</summary>
    void OnFinished(RequestRecord record);

    /// <summary>A TCP connection was opened (its record comes at the end).</summary>
    void OnTcpOpened(RequestRecord record);
}
