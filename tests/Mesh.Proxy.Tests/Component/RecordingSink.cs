using System.Threading.Channels;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Tests.Component;

/// <summary>What a test looks at of a <see cref="RequestRecord"/>, copied, as the owner reuses the record.</summary>
internal sealed record Finished(
    int Code, ResponseFlag Flag, ResponseFlag SecondFlag, string? Details, DecisionRecord Decision, string? TransportFailure,
    long BytesReceived, long BytesSent, long WireBytesReceived, long WireBytesSent, string? Method, string? Path, string? Authority,
    string? RequestId, string? UpstreamHost, string? Cluster, string? RouteName, bool IsTcp, bool IsInbound, TimeSpan? ServiceTime, int Attempts,
    RetryConditions RetriedOn, string? RequestedServerName, string? LocalAddress, DestinationLabels? Destination, DecisionRecord Waited, DecisionRecord Shadow)
{
    public string? TransactionId { get; init; }
}

/// <summary>Keeps the records of finished requests in order.</summary>
internal sealed class RecordingSink(bool wantsText = true) : IRequestSink
{
    private readonly Channel<Finished> _finished = Channel.CreateUnbounded<Finished>();

    public bool WantsText => wantsText;

    /// <summary>TCP connections opened.</summary>
    public int TcpOpened { get; private set; }

    /// <summary>Records not taken yet.</summary>
    public int Waiting => _finished.Reader.Count;

    public async Task<Finished> NextAsync() => await _finished.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));

    public void OnFinished(RequestRecord record) => _finished.Writer.TryWrite(new Finished(
        record.ResponseCode, record.Flag, record.SecondFlag, record.Details, record.Decision, record.TransportFailure, record.BytesReceived,
        record.BytesSent, record.WireBytesReceived, record.WireBytesSent, record.Method, record.Path, record.Authority, record.RequestId,
        record.UpstreamHost, record.UpstreamCluster, record.RouteName, record.IsTcp, record.IsInbound, record.UpstreamServiceTime,
        record.Attempts, record.RetriedOn, record.RequestedServerName, record.DownstreamLocalAddress, record.Destination, record.Waited, record.Shadow)
    { TransactionId = record.TransactionId });

    public void OnTcpOpened(RequestRecord record) => TcpOpened++;
}
