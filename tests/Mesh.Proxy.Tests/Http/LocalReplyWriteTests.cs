using System.Buffers;
using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Xunit;

namespace Mesh.Proxy.Tests.Http;

public sealed class LocalReplyWriteTests
{
    private static readonly DateTimeOffset Now = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static readonly RentResult Overflow = new(
        RentStatus.Overflow, null, null,
        new DecisionRecord(DecisionReason.PendingOverflow, "default/a#spec.trafficPolicy.connectionPool", "http.http1MaxPendingRequests", 1, 2), null, TimeSpan.Zero);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Write_Overflow_SaysAll(bool isHead)
    {
        ArrayBufferWriter<byte> output = new();

        int body = LocalReply.Write(output, ProxyErrors.NoConnection(Overflow), RequestOutcome.NotSent, isInbound: false, isHead, closes: true, Now, "id-1"u8);

        const string Body = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
        Assert.Equal(isHead ? 0 : 81, body);
        Assert.Equal(
            "HTTP/1.1 503 Service Unavailable\r\nx-envoy-overloaded: true\r\nx-request-id: id-1\r\n" +
            "x-mesh-reason: pending_overflow; rule=default/a#spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests; limit=1; now=2; scope=sidecar\r\n" +
            "x-mesh-outcome: not-sent\r\ncontent-length: 81\r\ncontent-type: text/plain\r\ndate: Wed, 02 Jan 2030 03:04:05 GMT\r\nserver: envoy\r\n" +
            "connection: close\r\n\r\n" + (isHead ? "" : Body),
            Encoding.ASCII.GetString(output.WrittenSpan));
    }

    [Fact]
    public void Write_QuietTimeout_AnnouncesNoLength()
    {
        ArrayBufferWriter<byte> output = new();
        ProxyError error = ProxyErrors.RouteTimeout("default/a#spec.http[0]", TimeSpan.FromSeconds(5)).Quiet();

        LocalReply.Write(output, error, RequestOutcome.Unknown, isInbound: false, isHead: false, closes: false, Now);

        Assert.Equal(
            "HTTP/1.1 204 No Content\r\nx-mesh-reason: route_timeout; rule=default/a#spec.http[0].timeout; limit=5000; scope=sidecar\r\n" +
            "x-mesh-outcome: unknown\r\ndate: Wed, 02 Jan 2030 03:04:05 GMT\r\nserver: envoy\r\n\r\n",
            Encoding.ASCII.GetString(output.WrittenSpan));
    }

    [Fact]
    public void Write_LongRuleName_Fits()
    {
        ArrayBufferWriter<byte> output = new();
        RentResult rent = Overflow with { Decision = Overflow.Decision with { Rule = new string('r', 5000), Limit = long.MaxValue, Now = long.MaxValue } };
        LocalReply.Write(output, ProxyErrors.NoConnection(rent), RequestOutcome.Unknown, isInbound: true, isHead: false, closes: true, Now);
        Assert.EndsWith("reset reason: overflow", Encoding.ASCII.GetString(output.WrittenSpan), StringComparison.Ordinal);
    }

    [Fact]
    public void Write_Overflow_AllocatesNothing()
    {
        ArrayBufferWriter<byte> output = new(4096);
        Write();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            Write();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Write()
        {
            output.ResetWrittenCount();
            LocalReply.Write(output, ProxyErrors.NoConnection(Overflow), RequestOutcome.NotSent, isInbound: false, isHead: false, closes: false, Now);
        }
    }
}
