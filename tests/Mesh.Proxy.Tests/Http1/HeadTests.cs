using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Heads as they must be read, and the ways to break or smuggle (RFC 9112) that must be refused.</summary>
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
    [InlineData("CONNECT h:443 HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT", "h:443", "")]
    public void Request_WellFormed_IsRead(string text, string method, string authority, string path)
    {
        Assert.Equal(HeadError.None, Request(text, out RequestHead head));
        Assert.Equal((method, authority, path), (Text(head.Method), Text(head.Authority), Text(head.Path)));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n\r\n", nameof(HeadError.BadHost))]
    [InlineData("GET http://h/ HTTP/1.1\r\n\r\n", nameof(HeadError.BadHost))]
    [InlineData("GET / HTTP/1.0\r\n\r\n", nameof(HeadError.BadHost))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", nameof(HeadError.BadHost))]
    [InlineData("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", nameof(HeadError.BadHost))]
    [InlineData("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", nameof(HeadError.BadHost))]
    [InlineData("GET / HTTP/1.1\r\nHost:\r\n\r\n", nameof(HeadError.BadHost))]
    [InlineData("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HeadError.BadHost))]
    [InlineData("GET x HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("GET /\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("GET /\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("GET / http/1.1\r\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("GET / HTTP/1.2\r\nHost: a\r\n\r\n", nameof(HeadError.UnsupportedVersion))]
    [InlineData("GET / HTTP/3.1\r\nHost: a\r\n\r\n", nameof(HeadError.UnsupportedVersion))]
    [InlineData("GET / HTTP/1.1\nHost: a\r\n\r\n", nameof(HeadError.BadStartLine))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", nameof(HeadError.BadHeader))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", nameof(HeadError.BadHeader))]
    [InlineData("GET / HTTP/1.1\r\nHost : a\r\n\r\n", nameof(HeadError.BadHeader))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", nameof(HeadError.BadHeader))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", nameof(HeadError.BadHeader))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", nameof(HeadError.BadHeader))]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", nameof(HeadError.BadHeader))]
    public void Request_Malformed_IsRefused(string text, string expected) => Assert.Equal(expected, Request(text, out _).ToString());

    [Theory]
    [InlineData("Content-Length: 5", nameof(HeadError.None), nameof(BodyKind.Length))]
    [InlineData("Content-Length: 0", nameof(HeadError.None), nameof(BodyKind.None))]
    [InlineData("X: y", nameof(HeadError.None), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: Chunked", nameof(HeadError.None), nameof(BodyKind.Chunked))]
    [InlineData("Content-Length: 5\r\nContent-Length: 5", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Content-Length: 5, 5", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Content-Length: +5", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Content-Length: -5", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Content-Length: 0x5", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Content-Length: 5 5", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Content-Length:", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Content-Length: 9999999999999999999", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Content-Length: 5\r\nTransfer-Encoding: chunked", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 5", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", nameof(HeadError.BadFraming), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: identity", nameof(HeadError.BadCoding), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: gzip, chunked", nameof(HeadError.BadCoding), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: chunked, chunked", nameof(HeadError.BadCoding), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: xchunked", nameof(HeadError.BadCoding), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding: \u000bchunked", nameof(HeadError.BadHeader), nameof(BodyKind.None))]
    [InlineData("Transfer-Encoding : chunked", nameof(HeadError.BadHeader), nameof(BodyKind.None))]
    public void RequestFraming_HasOneReadingOrNone(string fields, string error, string kind)
    {
        Assert.Equal(error, Request($"POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n", out RequestHead head).ToString());
        Assert.Equal(kind, head.Framing.Kind.ToString());
    }

    [Fact]
    public void RequestFraming_ChunksFromOldClient_AreRefused() =>
        Assert.Equal(HeadError.BadFraming, Request("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", out _));

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
    [InlineData("HTTP/1.1 20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 600 OK\r\n\r\n")]
    [InlineData("HTTP/1.1  200 OK\r\n\r\n")]
    [InlineData("HTTP/1.2 200 OK\r\n\r\n")]
    [InlineData("ICY 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 O\rK\r\n\r\n")]
    public void Response_Malformed_IsRefused(string text) => Assert.Equal(HeadError.BadStartLine, Response(text, out _));

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
    public void Upgrade_IsForOtherProtocolsThanHttp2(string protocol, bool expected)
    {
        Assert.Equal(HeadError.None, Request($"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n", out RequestHead head));
        Assert.Equal(expected, head.IsUpgrade);
    }

    [Fact]
    public void Parsers_OnMutatedHeads_NeverThrow()
    {
        Random random = new(20260101);
        byte[][] seeds =
        [
            "POST http://a.test:80/x?y HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\nConnection: close, x\r\nX: y\r\n\r\n"u8.ToArray(),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"u8.ToArray(),
        ];
        RequestHead request = new(Http1Limits.Default);
        ResponseHead response = new(Http1Limits.Default);
        for (int i = 0; i < 40_000; i++)
        {
            byte[] bytes = [.. seeds[i % 2]];
            for (int n = random.Next(1, 5); n > 0; n--)
            {
                bytes[random.Next(bytes.Length)] = random.Next(3) == 0 ? "\r\n :\0/,\t"u8[random.Next(8)] : (byte)random.Next(256);
            }

            int length = random.Next(4) == 0 ? random.Next(bytes.Length) : bytes.Length;
            if (request.TryParse(bytes, length) == HeadError.None)
            {
                Assert.False(request.Authority.IsEmpty || request.Method.IsEmpty);
                _ = (request.IsUpgrade, request.KeepsAlive, request.Path.Length);
            }

            if (response.TryParse(bytes, length) == HeadError.None)
            {
                Assert.InRange(response.Status, 100, 599);
                _ = MessageFraming.DecideResponse(response.Headers, response.MinorVersion, response.Status, false, out _);
            }
        }
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
