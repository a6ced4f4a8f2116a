using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Heads as they must be read, RFC 9110 and 9112; what must be refused is in <see cref="RefusedRequests"/>.</summary>
public sealed class HeadTests
{
    private static HeadError Request(string text, out RequestHead head)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        head = new RequestHead(Http1Limits.Default);
        return head.TryParse(bytes, bytes.Length);
    }

    private static HeadError Response(string text, out ResponseHead head)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        head = new ResponseHead(Http1Limits.Default);
        return head.TryParse(bytes, bytes.Length);
    }

    [Theory]
    [InlineData("GET /a?b HTTP/1.1\r\nHost: h:8\r\n\r\n", "GET", "h:8", "/a?b")]
    [InlineData("GET http://h/a HTTP/1.1\r\nHost: other\r\n\r\n", "GET", "h", "/a")]
    [InlineData("GET HTTP://h?q HTTP/1.1\r\nHost: other\r\n\r\n", "GET", "h", "?q")]
    [InlineData("GET http://h HTTP/1.0\r\n\r\n", "GET", "h", "")]
    [InlineData("OPTIONS * HTTP/1.1\r\nhost:\th \r\n\r\n", "OPTIONS", "h", "*")]
    [InlineData("GET http://h/a/../b?c HTTP/1.1\r\nHost: other\r\n\r\n", "GET", "h", "/b?c")]
    [InlineData("GET /a/%2e%2e/%62//?c=%zz HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "h", "/b//?c=%zz")]
    [InlineData("CONNECT h:443 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT", "h:443", "")]
    public void Request_WellFormed_IsRead(string text, string method, string authority, string path)
    {
        Assert.Equal(HeadError.None, Request(text, out RequestHead head));
        Assert.Equal((method, authority, path), (Text(head.Method), Text(head.Authority), Text(head.Path)));
    }

    [Theory]
    [InlineData("Content-Length: 5", nameof(HeadError.None), nameof(BodyKind.Length))]
    [InlineData("Content-Length: 0", nameof(HeadError.None), nameof(BodyKind.None))]
    [InlineData("X: y", nameof(HeadError.None), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: Chunked", nameof(HeadError.None), nameof(BodyKind.Chunked))]
    [InlineData("Transfer-Encoding:\tchunked \t", nameof(HeadError.None), nameof(BodyKind.Chunked))]
    [InlineData("Content-Length:  00012", nameof(HeadError.None), nameof(BodyKind.Length))]
    [InlineData("Content-Length: 999999999999999999", nameof(HeadError.None), nameof(BodyKind.Length))]
    public void RequestFraming_InOrder_IsRead(string fields, string error, string kind)
    {
        Assert.Equal(error, Request($"POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n", out RequestHead head).ToString());
        Assert.Equal(kind, head.Framing.Kind.ToString());
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", false, nameof(BodyKind.Length))]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", true, nameof(BodyKind.None))]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, nameof(BodyKind.Chunked))]
    [InlineData("HTTP/1.1 200\r\n\r\n", false, nameof(BodyKind.UntilClose))]
    [InlineData("HTTP/1.0 200 OK\r\n\r\n", false, nameof(BodyKind.UntilClose))]
    [InlineData("HTTP/1.1 204 \r\ncontent-length: 0\r\n\r\n", false, nameof(BodyKind.None))]
    [InlineData("HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n", false, nameof(BodyKind.None))]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n", false, nameof(BodyKind.None))]
    public void ResponseFraming_FollowsStatusAndMethod(string text, bool isHead, string kind)
    {
        Assert.Equal(HeadError.None, Response(text, out ResponseHead head));
        Assert.Equal(HeadError.None, MessageFraming.DecideResponse(head.Headers, head.MinorVersion, head.Status, isHead, out BodyFraming framing));
        Assert.Equal(kind, framing.Kind.ToString());
    }

    [Theory]
    [InlineData("HTTP/1.1\r\nConnection: close", false)]
    [InlineData("HTTP/1.1\r\nConnection: a, CLOSE", false)]
    [InlineData("HTTP/1.1\r\nX: y", true)]
    [InlineData("HTTP/1.0\r\nX: y", false)]
    [InlineData("HTTP/1.0\r\nConnection: keep-alive", true)]
    public void KeepAlive_FollowsVersionAndField(string rest, bool expected)
    {
        Assert.Equal(HeadError.None, Request($"GET / {rest}\r\nHost: a\r\n\r\n", out RequestHead head));
        Assert.Equal(expected, head.KeepsAlive);
    }

    [Theory]
    [InlineData("websocket", true)]
    [InlineData("h2c", false)]
    [InlineData("websocket, h2c", false)]
    [InlineData("websocket\r\nUpgrade: H2C", false)]
    public void Upgrade_IsForOtherProtocolsThanHttp2(string protocol, bool expected)
    {
        Assert.Equal(HeadError.None, Request($"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n", out RequestHead head));
        Assert.Equal(expected, head.IsUpgrade);
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
