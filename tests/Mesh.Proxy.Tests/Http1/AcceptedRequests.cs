using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>A request that is unusual and legal.</summary>
/// <param name="Name">What is unusual.</param>
/// <param name="Raw">Bytes (Latin-1).</param>
/// <param name="Line">Request line that the upstream sees, once.</param>
/// <param name="Body">Payload that the upstream sees.</param>
public sealed record AcceptedRequest(string Name, string Raw, string Line, string Body = "");

/// <summary>The other side of <see cref="RefusedRequests"/>: shapes that look odd, are by the book, and must reach the upstream as one request.</summary>
public static class AcceptedRequests
{
    private const string Head = "Host: a.test\r\n";

    /// <summary>The table.</summary>
    public static IReadOnlyList<AcceptedRequest> All { get; } =
    [
        new("absolute form, a differing host ignored", "GET http://a.test/x HTTP/1.1\r\nHost: b.test\r\n\r\n", "GET /x HTTP/1.1"),
        new("absolute form without a path", $"GET http://a.test HTTP/1.1\r\n{Head}\r\n", "GET / HTTP/1.1"),
        new("absolute form with a query only", $"GET http://a.test?q HTTP/1.1\r\n{Head}\r\n", "GET /?q HTTP/1.1"),
        new("absolute form in HTTP/1.0", "GET http://a.test/x HTTP/1.0\r\n\r\n", "GET /x HTTP/1.1"),
        new("HTTP/1.0", $"GET /x HTTP/1.0\r\n{Head}\r\n", "GET /x HTTP/1.1"),
        new("empty lines in front", $"\r\n\r\nGET /x HTTP/1.1\r\n{Head}\r\n", "GET /x HTTP/1.1"),
        new("transfer-encoding in capitals", $"POST /x HTTP/1.1\r\n{Head}Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "POST /x HTTP/1.1", "abc"),
        new("transfer-encoding with blanks around", $"POST /x HTTP/1.1\r\n{Head}Transfer-Encoding: \t chunked \t\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "POST /x HTTP/1.1", "abc"),
        new("chunk extensions", $"POST /x HTTP/1.1\r\n{Head}Transfer-Encoding: chunked\r\n\r\n3;a=\"b;c\"\r\nabc\r\n0;d\r\n\r\n", "POST /x HTTP/1.1", "abc"),
        new("chunk sizes with zeros in front", $"POST /x HTTP/1.1\r\n{Head}Transfer-Encoding: chunked\r\n\r\n0003\r\nabc\r\n000\r\n\r\n", "POST /x HTTP/1.1", "abc"),
        new("trailers", $"POST /x HTTP/1.1\r\n{Head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", "POST /x HTTP/1.1", "abc"),
        new("a request inside a chunk", $"POST /x HTTP/1.1\r\n{Head}Transfer-Encoding: chunked\r\n\r\n2c\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n\r\n0\r\n\r\n", "POST /x HTTP/1.1", "GET /hidden HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n"),
        new("a request as a body", $"POST /x HTTP/1.1\r\n{Head}Content-Length: 38\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n", "POST /x HTTP/1.1", RefusedRequests.Hidden),
        new("content-length with zeros in front", $"POST /x HTTP/1.1\r\n{Head}Content-Length: 0003\r\n\r\nabc", "POST /x HTTP/1.1", "abc"),
        new("GET with a body", $"GET /x HTTP/1.1\r\n{Head}Content-Length: 3\r\n\r\nabc", "GET /x HTTP/1.1", "abc"),
        new("dot segments", $"GET /a/./b/../c HTTP/1.1\r\n{Head}\r\n", "GET /a/c HTTP/1.1"),
        new("dot segments, encoded", $"GET /a/%2e/b/%2E./c HTTP/1.1\r\n{Head}\r\n", "GET /a/c HTTP/1.1"),
        new("backslashes", $"GET /a\\b\\..\\c HTTP/1.1\r\n{Head}\r\n", "GET /a/c HTTP/1.1"),
        new("encoded letters", $"GET /%61%62c HTTP/1.1\r\n{Head}\r\n", "GET /abc HTTP/1.1"),
        new("two slashes and an encoded one", $"GET /a//b%2Fc HTTP/1.1\r\n{Head}\r\n", "GET /a//b%2Fc HTTP/1.1"),
        new("dots in the query", $"GET /a?b=/../c HTTP/1.1\r\n{Head}\r\n", "GET /a?b=/../c HTTP/1.1"),
        new("fields for one connection", $"GET /x HTTP/1.1\r\n{Head}Connection: keep-alive, X-A\r\nX-A: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\r\n", "GET /x HTTP/1.1"),
        new("an offer of HTTP/2", $"GET /x HTTP/1.1\r\n{Head}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", "GET /x HTTP/1.1"),
        new("value with bytes that are not ASCII", $"GET /x HTTP/1.1\r\n{Head}X: \u00e9\tb\r\n\r\n", "GET /x HTTP/1.1"),
    ];

    /// <summary>Names.</summary>
    public static TheoryData<string> Names => [.. All.Select(static r => r.Name)];

    /// <summary>The shape of this name.</summary>
    public static AcceptedRequest Get(string name) => All.Single(r => r.Name == name);
}
