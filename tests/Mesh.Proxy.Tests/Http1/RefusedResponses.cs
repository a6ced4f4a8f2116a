using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>An answer of an upstream that must not reach a client.</summary>
/// <param name="Name">What is wrong with it.</param>
/// <param name="Raw">Bytes (Latin-1).</param>
/// <param name="IsBody">The head is in order, the chunked body is not: the client is cut off instead of getting 502.</param>
public sealed record RefusedResponse(string Name, string Raw, bool IsBody = false);

/// <summary>Every shape of an answer that is refused, once.</summary>
public static class RefusedResponses
{
    /// <summary>An answer that a shape tries to put before the next request's.</summary>
    public const string Hidden = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden";

    /// <summary>The table.</summary>
    public static IReadOnlyList<RefusedResponse> All { get; } = [.. StatusLines(), .. Fields(), .. Framing(), .. Bodies()];

    /// <summary>Names of shapes whose head is wrong.</summary>
    public static TheoryData<string> Heads => [.. All.Where(static r => !r.IsBody).Select(static r => r.Name)];

    /// <summary>Names of shapes whose body is wrong.</summary>
    public static TheoryData<string> BrokenBodies => [.. All.Where(static r => r.IsBody).Select(static r => r.Name)];

    /// <summary>The shape of this name.</summary>
    public static RefusedResponse Get(string name) => All.Single(r => r.Name == name);

    private static IEnumerable<RefusedResponse> StatusLines() =>
    [
        new("status with two digits", "HTTP/1.1 20 OK\r\n\r\n"),
        new("status with four digits", "HTTP/1.1 2000 OK\r\n\r\n"),
        new("status below 100", "HTTP/1.1 099 OK\r\n\r\n"),
        new("status above 599", "HTTP/1.1 600 OK\r\n\r\n"),
        new("status with a sign", "HTTP/1.1 +20 OK\r\n\r\n"),
        new("two blanks before the status", "HTTP/1.1  200 OK\r\n\r\n"),
        new("version HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n"),
        new("version HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"),
        new("version of another protocol", "ICY 200 OK\r\nX: yyyyyy\r\n\r\n"),
        new("no head at all", "hello there\r\n\r\n"),
        new("bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n"),
        new("NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n"),
        new("status line ends with a bare LF", "HTTP/1.1 200 OK\nX: y\r\n\r\n"),
        new("empty line in front", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        new("status line too long", $"HTTP/1.1 200 {new string('x', 8192)}\r\n\r\n"),
    ];

    private static IEnumerable<RefusedResponse> Fields() =>
    [
        Field("bare LF in a value", "X: a\nY: b"),
        Field("bare CR in a value", "X: a\rb"),
        Field("NUL in a value", "X: a\0b"),
        Field("control byte in a value", "X: a\u0001b"),
        Field("blank before a colon", "X : a"),
        Field("empty name", ": a"),
        Field("line without a colon", "nothing"),
        Field("folded line", "X: a\r\n b"),
        Field("blank before the first field", " X: a"),
        Field("too many fields", string.Join("\r\n", Enumerable.Repeat("a: b", 100))),
        Field("head too large", $"X: {new string('x', 61 * 1024)}"),
    ];

    private static IEnumerable<RefusedResponse> Framing() =>
    [
        Framed("content-length twice, equal", "Content-Length: 5\r\nContent-Length: 5"),
        Framed("content-length twice, unequal", "Content-Length: 5\r\nContent-Length: 0"),
        Framed("content-length as a list", "Content-Length: 5, 5"),
        Framed("content-length with plus", "Content-Length: +5"),
        Framed("content-length with minus", "Content-Length: -5"),
        Framed("content-length with a blank inside", "Content-Length: 5 0"),
        Framed("content-length empty", "Content-Length:"),
        Framed("content-length beyond 2^64", "Content-Length: 18446744073709551621"),
        Framed("content-length, then transfer-encoding", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        Framed("transfer-encoding, then content-length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        Framed("transfer-encoding gzip", "Transfer-Encoding: gzip"),
        Framed("transfer-encoding gzip, chunked", "Transfer-Encoding: gzip, chunked"),
        Framed("transfer-encoding with a trailing comma", "Transfer-Encoding: chunked,"),
        Framed("transfer-encoding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        Framed("transfer-encoding with a vertical tab", "Transfer-Encoding: \u000bchunked"),
        Framed("transfer-encoding with a blank before its colon", "Transfer-Encoding : chunked"),
        new("transfer-encoding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden),
        new("204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello" + Hidden),
        new("204 with chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden),
        new("100 with a body", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello" + Hidden),
        new("103 with chunks", "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden),
        new("101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + Hidden),
    ];

    private static IEnumerable<RefusedResponse> Bodies() =>
    [
        Chunks("chunk size that is no number", "xyz\r\n"),
        Chunks("chunk size with a blank behind", "3 \r\nabc\r\n"),
        Chunks("chunk size beyond 2^64", "10000000000000003\r\nabc\r\n"),
        Chunks("chunk size ends with a bare LF", "3\nabc\r\n"),
        Chunks("chunk extension too long", "3;" + new string('x', 1024) + "\r\nabc\r\n"),
        Chunks("chunk longer than its size", "3\r\nabcd\r\n"),
        Chunks("chunk ends with a bare LF", "3\r\nabc\n0\r\n\r\n"),
        Chunks("trailer content-length", "0\r\nContent-Length: 5\r\n\r\n"),
        Chunks("trailer folded", "0\r\nX: a\r\n b\r\n\r\n"),
        Chunks("trailers that are an answer", "0\r\n" + Hidden),
    ];

    private static RefusedResponse Field(string name, string field) => new(name, $"HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n{Hidden}");

    private static RefusedResponse Framed(string name, string fields) => new(name, $"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n0\r\n\r\n{Hidden}");

    private static RefusedResponse Chunks(string name, string body) =>
        new(name, $"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}{Hidden}", IsBody: true);
}
