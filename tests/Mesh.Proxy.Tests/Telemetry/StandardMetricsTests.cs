using Mesh.Proxy.Telemetry;
using Xunit;

namespace Mesh.Proxy.Tests.Telemetry;

public sealed class StandardMetricsTests
{
    private const int Calls = 1000;
    private static readonly DestinationLabels Products = new("products.default.svc.cluster.local", "products", "default", "products", "default", "v1");
    private readonly StandardMetrics _metrics = new(new WorkloadLabels("orders", "default", "v2"), "0.1.0");

    [Fact]
    public void Request_AtTheSource_HasIstiosLabels()
    {
        _metrics.OnFinished(Record(503, ResponseFlag.UO));

        Assert.Contains(
            "istio_requests_total{reporter=\"source\",source_workload=\"orders\",source_workload_namespace=\"default\",source_principal=\"unknown\","
            + "source_app=\"orders\",source_version=\"v2\",source_cluster=\"unknown\",source_canonical_service=\"orders\",source_canonical_revision=\"v2\","
            + "destination_workload=\"products\",destination_workload_namespace=\"default\",destination_principal=\"unknown\",destination_app=\"products\","
            + "destination_version=\"v1\",destination_service=\"products.default.svc.cluster.local\",destination_service_name=\"products\","
            + "destination_service_namespace=\"default\",destination_cluster=\"unknown\",destination_canonical_service=\"products\","
            + "destination_canonical_revision=\"v1\",request_protocol=\"http\",response_flags=\"UO\",connection_security_policy=\"unknown\",response_code=\"503\"} 1\n",
            Text(), StringComparison.Ordinal);
    }

    [Fact]
    public void Request_AtTheDestination_KnowsItsOwnWorkloadOnly()
    {
        RequestRecord record = Record(200);
        record.IsInbound = true;
        record.Destination = null;
        _metrics.OnFinished(record);

        string line = Text().Split('\n').First(static l => l.StartsWith("istio_requests_total{", StringComparison.Ordinal));
        Assert.Contains("reporter=\"destination\",source_workload=\"unknown\"", line, StringComparison.Ordinal);
        Assert.Contains("destination_workload=\"orders\"", line, StringComparison.Ordinal);
        Assert.Contains("connection_security_policy=\"none\"", line, StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_OfTwoEndpointsOfOneWorkload_AreOneSeries()
    {
        _metrics.OnFinished(Record(200));
        RequestRecord other = Record(200);
        other.Destination = Products with { };
        _metrics.OnFinished(other);

        string line = Assert.Single(Text().Split('\n'), static l => l.StartsWith("istio_requests_total{", StringComparison.Ordinal));
        Assert.EndsWith(" 2", line, StringComparison.Ordinal);
    }

    [Fact]
    public void LocalReply_IsCountedByReason()
    {
        RequestRecord record = Record(503, ResponseFlag.UO);
        record.Decision = new DecisionRecord(DecisionReason.PendingOverflow);
        record.UpstreamCluster = "outbound|8080||products.default.svc.cluster.local";
        _metrics.OnFinished(record);

        Assert.Contains(
            "mesh_local_replies_total{reason=\"pending_overflow\",cluster_name=\"outbound|8080||products.default.svc.cluster.local\"} 1\n",
            Text(), StringComparison.Ordinal);
    }

    [Fact]
    public void TcpConnection_CountsOpenCloseAndBytes_NoRequest()
    {
        RequestRecord record = Record(0);
        record.IsTcp = true;
        _metrics.OnTcpOpened(record);
        record.Flag = ResponseFlag.UF;
        record.SecondFlag = ResponseFlag.URX;
        record.WireBytesSent = 7;
        _metrics.OnFinished(record);

        string text = Text();
        Assert.DoesNotContain("istio_requests_total", text, StringComparison.Ordinal);
        Assert.Matches("istio_tcp_connections_opened_total\\{.*request_protocol=\"tcp\",response_flags=\"-\".*\\} 1\n", text);
        Assert.Matches("istio_tcp_connections_closed_total\\{.*response_flags=\"UF,URX\".*\\} 1\n", text);
        Assert.Matches("istio_tcp_sent_bytes_total\\{.*response_flags=\"UF,URX\".*\\} 7\n", text);
    }

    [Fact]
    public void KnownLabels_AllocateNothing()
    {
        RequestRecord record = Record(503, ResponseFlag.UO);
        record.Decision = new DecisionRecord(DecisionReason.PendingOverflow);
        record.UpstreamCluster = "c";
        FinishOften(record); // the runtime's own first-call work is over after this

        long before = GC.GetAllocatedBytesForCurrentThread();
        FinishOften(record);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, Calls - 1); // less than a byte a call
    }

    [Fact]
    public void Build_IsNamed() => Assert.Contains("istio_build{component=\"proxy\",tag=\"0.1.0\"} 1\n", Text(), StringComparison.Ordinal);

    private void FinishOften(RequestRecord record)
    {
        for (int i = 0; i < Calls; i++)
        {
            _metrics.OnFinished(record);
        }
    }

    private static RequestRecord Record(int code, ResponseFlag flag = ResponseFlag.None) => new()
    {
        ResponseCode = code,
        Flag = flag,
        Destination = Products,
        Duration = TimeSpan.FromMilliseconds(3),
        WireBytesReceived = 100,
        WireBytesSent = 200,
    };

    private string Text() => PrometheusTextTests.Page(_metrics.Write);
}
