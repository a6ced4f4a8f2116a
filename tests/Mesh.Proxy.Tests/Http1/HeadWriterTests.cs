using System.Buffers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Heads as they go on.</summary>
public sealed class HeadWriterTests
{
    private const string Added = "x-forwarded-proto: http\r\nx-request-id: new-id\r\nx-envoy-attempt-count: 1\r\n";

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\nhost: h\r\n" + Added)]
    [InlineData("GET http://H:8/a/./b HTTP/1.0\r\nHost: other\r\n", "GET /a/b HTTP/1.1\r\nhost: H:8\r\n" + Added)]
    [InlineData("GET http://h?q HTTP/1.1\r\nHost: h\r\n", "GET /?q HTTP/1.1\r\nhost: h\r\n" + Added)]
    [InlineData("GET http://h HTTP/1.1\r\nHost: h\r\n", "GET / HTTP/1.1\r\nhost: h\r\n" + Added)]
    [InlineData("OPTIONS http://h HTTP/1.1\r\nHost: h\r\n", "OPTIONS * HTTP/1.1\r\nhost: h\r\n" + Added)]
    [InlineData("OPTIONS * HTTP/1.1\r\nHost: h\r\n", "OPTIONS * HTTP/1.1\r\nhost: h\r\n" + Added)]
    public void Request_InEveryForm_GoesOnInOriginForm(string head, string expected) => Assert.Equal(expected + "\r\n", Request(head, 1));

    [Theory]
    [InlineData("Keep-Alive: 5\r\nProxy-Connection: x\r\nConnection: close", "")]
    [InlineData("Connection: , X-Gone ,keep-alive\r\nX-Gone: 1\r\nx-gone: 2\r\nX-Stays: 1", "X-Stays: 1\r\n")]
    [InlineData("Connection: x-request-id, host, content-length, x-forwarded-for\r\nX-Forwarded-For: 1", "X-Forwarded-For: 1\r\n")]
    [InlineData("TE: gzip;q=0.5, Trailers\r\nTE: trailers", "te: trailers\r\n")]
    [InlineData("TE: gzip", "")]
    [InlineData("Upgrade: websocket", "")]
    [InlineData("Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x", "")]
    [InlineData("Content-Length: 0012", "Content-Length: 12\r\n")]
    [InlineData("Content-Length: 000", "Content-Length: 0\r\n")]
    [InlineData("X-Odd:\t a \t b \t", "X-Odd: a \t b\r\n")]
    [InlineData("x-envoy-retry-on: 5xx\r\nX-Envoy-Upstream-Rq-Timeout-Ms: 1\r\nx-envoy-max-retries: 9\r\nx-envoy-other: 1", "x-envoy-other: 1\r\n")]
    public void Request_FieldsOfOneConnectionAndOfTheProxy_AreTakenOut(string fields, string expected) =>
        Assert.Equal($"GET / HTTP/1.1\r\nhost: h\r\n{expected}{Added}\r\n", Request($"GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n", 1));

    [Fact]
    public void Request_WithIdAndProto_KeepsThem() => Assert.Equal(
        "GET / HTTP/1.1\r\nhost: h\r\nX-Forwarded-Proto: https\r\nX-Request-Id: mine\r\n\r\n",
        Request("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\nX-Request-Id: mine\r\nX-Envoy-Attempt-Count: 7\r\n", 2).Replace("x-envoy-attempt-count: 2\r\n", "", StringComparison.Ordinal));

    [Fact]
    public void Request_InFrontOfTheApplication_KeepsTheCallersAttempt() =>
        Assert.Contains("X-Envoy-Attempt-Count: 3\r\n", Request("GET / HTTP/1.1\r\nHost: h\r\nX-Envoy-Attempt-Count: 3\r\n", 0), StringComparison.Ordinal);

    [Fact]
    public void Request_ChunkedOrUpgrade_SaysSoAnew()
    {
        Assert.EndsWith("transfer-encoding: chunked\r\n\r\n", Request("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n", 1), StringComparison.Ordinal);
        Assert.EndsWith("connection: upgrade\r\nupgrade: websocket\r\n\r\n", Request("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", 1), StringComparison.Ordinal);
    }

    [Fact]
    public void Request_OfTheLargestSize_FitsIntoItsSpan()
    {
        string fields = string.Concat(Enumerable.Repeat($"x:{new string('v', 590)}\r\n", 99));
        Assert.Equal(99, Request($"GET / HTTP/1.1\r\nHost:h\r\n{fields}", 1).Split("x: ").Length - 1);
    }

    [Theory]
    [InlineData("204 No Content\r\nContent-Length: 0\r\nX: 1", "204 No Content\r\nX: 1\r\n")]
    [InlineData("200 OK\r\nContent-Length: 010\r\nx-envoy-upstream-service-time: 99\r\nKeep-Alive: 1", "200 OK\r\nContent-Length: 10\r\n")]
    [InlineData("200\r\nConnection: x\r\nX: 1\r\nContent-Length: 0", "200 \r\nContent-Length: 0\r\n")]
    [InlineData("304 Not Modified\r\nContent-Length: 5", "304 Not Modified\r\nContent-Length: 5\r\n")]
    public void Response_IsWrittenAnew(string head, string expected)
    {
        ResponseHead parsed = new(Http1Limits.Default);
        byte[] bytes = Wire.Bytes($"HTTP/1.1 {head}\r\n\r\n");
        Assert.Equal(HeadError.None, parsed.TryParse(bytes, bytes.Length));
        ArrayBufferWriter<byte> output = new();
        HeadWriter.WriteResponse(output, parsed, BodyKind.None, 7, "close"u8);
        Assert.Equal($"HTTP/1.1 {expected}x-envoy-upstream-service-time: 7\r\nconnection: close\r\n\r\n", Wire.Text(output.WrittenSpan));
    }

    private static string Request(string head, int attempt)
    {
        RequestHead parsed = new(Http1Limits.Default);
        byte[] bytes = Wire.Bytes(head + "\r\n");
        Assert.Equal(HeadError.None, parsed.TryParse(bytes, bytes.Length));
        ArrayBufferWriter<byte> output = new();
        HeadWriter.WriteRequest(output, parsed, "new-id"u8, attempt);
        return Wire.Text(output.WrittenSpan);
    }
}
