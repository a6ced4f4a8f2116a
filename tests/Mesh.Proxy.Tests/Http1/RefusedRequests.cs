using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>A request that must not go on.</summary>
/// <param name="Name">What is wrong with it.</param>
/// <param name="Raw">Bytes (Latin-1). Many hide a second request behind or in the first.</param>
/// <param name="Status">Status of the refusal.</param>
/// <param name="Details">Its response code details.</param>
/// <param name="IsBody">The head is in order, the chunked body is not.</param>
public sealed record RefusedRequest(string Name, string Raw, int Status, string Details, bool IsBody = false);

/// <summary>Every shape that is refused, once: parsers, the pipeline in memory, and a sidecar before foreign upstreams are all held to this table.</summary>
public static class RefusedRequests
{
    /// <summary>The host that all of them are for.</summary>
    public const string Host = "a.test";

    /// <summary>What a shape tries to bring past the proxy.</summary>
    public const string Hidden = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";

    private const string Line = "http1.codec_error";
    private const string Field = "http1.invalid_header";
    private const string Framing = "http1.content_length_and_chunked_not_allowed";
    private const string Coding = "http1.invalid_transfer_encoding";
    private const string HostField = "missing_host_header";
    private const string Path = "path_normalization_failed";

    /// <summary>The table.</summary>
    public static IReadOnlyList<RefusedRequest> All { get; } =
        [.. ContentLengths(), .. TransferEncodings(), .. Lines(), .. Hosts(), .. RequestLines(), .. Paths(), .. Limits(), .. Bodies()];

    /// <summary>Names of shapes whose head is wrong.</summary>
    public static TheoryData<string> Heads => [.. All.Where(static r => !r.IsBody).Select(static r => r.Name)];

    /// <summary>Names of shapes whose body is wrong.</summary>
    public static TheoryData<string> BrokenBodies => [.. All.Where(static r => r.IsBody).Select(static r => r.Name)];

    /// <summary>The shape of this name.</summary>
    public static RefusedRequest Get(string name) => All.Single(r => r.Name == name);

    private static IEnumerable<RefusedRequest> ContentLengths() =>
    [
        Post("content-length twice, equal", "Content-Length: 5\r\nContent-Length: 5", Framing),
        Post("content-length twice, unequal", "Content-Length: 5\r\nContent-Length: 6", Framing),
        Post("content-length as an equal list", "Content-Length: 5, 5", Framing),
        Post("content-length as an unequal list", "Content-Length: 5,0", Framing),
        Post("content-length with plus", "Content-Length: +5", Framing),
        Post("content-length with minus", "Content-Length: -5", Framing),
        Post("content-length with a blank inside", "Content-Length: 5 0", Framing),
        Post("content-length with a tab inside", "Content-Length: 5\t0", Framing),
        Post("content-length in hexadecimal", "Content-Length: 0x5", Framing),
        Post("content-length with a fraction", "Content-Length: 5.0", Framing),
        Post("content-length quoted", "Content-Length: \"5\"", Framing),
        Post("content-length empty", "Content-Length:", Framing),
        Post("content-length with a digit that is not ASCII", "Content-Length: \u00b2", Framing),
        Post("content-length beyond 2^63", "Content-Length: 9223372036854775813", Framing),
        Post("content-length beyond 2^64", "Content-Length: 18446744073709551621", Framing),
        Post("content-length, then transfer-encoding", "Content-Length: 5\r\nTransfer-Encoding: chunked", Framing),
        Post("transfer-encoding, then content-length", "Transfer-Encoding: chunked\r\nContent-Length: 5", Framing),
        Post("content-length with a folded value", "Content-Length:\r\n 5", Field),
    ];

    private static IEnumerable<RefusedRequest> TransferEncodings() =>
    [
        Post("transfer-encoding identity", "Transfer-Encoding: identity", Coding),
        Post("transfer-encoding gzip", "Transfer-Encoding: gzip", Coding),
        Post("transfer-encoding gzip, chunked", "Transfer-Encoding: gzip, chunked", Coding),
        Post("transfer-encoding chunked, gzip", "Transfer-Encoding: chunked, gzip", Coding),
        Post("transfer-encoding chunked, identity", "Transfer-Encoding: chunked, identity", Coding),
        Post("transfer-encoding chunked, chunked", "Transfer-Encoding: chunked, chunked", Coding),
        Post("transfer-encoding with a trailing comma", "Transfer-Encoding: chunked,", Coding),
        Post("transfer-encoding with a leading comma", "Transfer-Encoding: ,chunked", Coding),
        Post("transfer-encoding with a parameter", "Transfer-Encoding: chunked;q=1", Coding),
        Post("transfer-encoding quoted", "Transfer-Encoding: \"chunked\"", Coding),
        Post("transfer-encoding xchunked", "Transfer-Encoding: xchunked", Coding),
        Post("transfer-encoding chunkedx", "Transfer-Encoding: chunkedx", Coding),
        Post("transfer-encoding with a blank inside", "Transfer-Encoding: chun ked", Coding),
        Post("transfer-encoding with a no-break space", "Transfer-Encoding: \u00a0chunked", Coding),
        Post("transfer-encoding empty", "Transfer-Encoding:", Coding),
        Post("transfer-encoding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Framing),
        Post("transfer-encoding twice, one identity", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", Framing),
        Post("transfer-encoding with a vertical tab", "Transfer-Encoding: \u000bchunked", Field),
        Post("transfer-encoding with a form feed", "Transfer-Encoding: chunked\u000c", Field),
        Post("transfer-encoding with a NUL", "Transfer-Encoding: chunked\0", Field),
        Post("transfer-encoding folded", "Transfer-Encoding:\r\n chunked", Field),
        Post("transfer-encoding with a blank before its colon", "Transfer-Encoding : chunked", Field),
        Post("transfer-encoding with a tab before its colon", "Transfer-Encoding\t: chunked", Field),
        Post("transfer-encoding behind a bare CR", "X: y\rTransfer-Encoding: chunked", Field),
        Post("transfer-encoding behind a bare LF", "X: y\nTransfer-Encoding: chunked", Field),
        new("transfer-encoding in HTTP/1.0", $"POST / HTTP/1.0\r\nHost: {Host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{Hidden}", 400, Framing),
    ];

    private static IEnumerable<RefusedRequest> Lines() =>
    [
        Raw("every line ends with a bare LF", $"GET / HTTP/1.1\nHost: {Host}\n\n", Line),
        Raw("request line ends with a bare LF", $"GET / HTTP/1.1\nHost: {Host}\r\n\r\n", Line),
        Raw("head ends with a bare LF", $"GET / HTTP/1.1\r\nHost: {Host}\r\n\n", Field),
        Raw("bare LF in a value", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: a\nY: b\r\n\r\n", Field),
        Raw("bare CR in a value", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: a\rb\r\n\r\n", Field),
        Raw("CR before CR LF", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: a\r\r\n\r\n", Field),
        Raw("bare CR in a name", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX\rY: a\r\n\r\n", Field),
        Raw("bare CR in the request line", $"GET / HTTP/1.1\rHost: x\r\nHost: {Host}\r\n\r\n", Line),
        Raw("NUL in a value", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: a\0b\r\n\r\n", Field),
        Raw("NUL in a name", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX\0: a\r\n\r\n", Field),
        Raw("control byte in a value", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: a\u0001b\r\n\r\n", Field),
        Raw("DEL in a value", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: a\u007fb\r\n\r\n", Field),
        Raw("name that is not ASCII", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX\u00e9: a\r\n\r\n", Field),
        Raw("blank before a colon", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX : a\r\n\r\n", Field),
        Raw("blank inside a name", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX Y: a\r\n\r\n", Field),
        Raw("empty name", $"GET / HTTP/1.1\r\nHost: {Host}\r\n: a\r\n\r\n", Field),
        Raw("line without a colon", $"GET / HTTP/1.1\r\nHost: {Host}\r\nnothing\r\n\r\n", Field),
        Raw("line folded with a blank", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: a\r\n b\r\n\r\n", Field),
        Raw("line folded with a tab", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: a\r\n\tb\r\n\r\n", Field),
        Raw("blank before the first field", $"GET / HTTP/1.1\r\n Host: {Host}\r\n\r\n", Field),
    ];

    private static IEnumerable<RefusedRequest> Hosts() =>
    [
        Raw("host missing", "GET / HTTP/1.1\r\nX: y\r\n\r\n", HostField),
        Raw("host missing in HTTP/1.0", "GET / HTTP/1.0\r\nX: y\r\n\r\n", HostField),
        Raw("host missing beside absolute form", $"GET http://{Host}/ HTTP/1.1\r\nX: y\r\n\r\n", HostField),
        Raw("host twice, equal", $"GET / HTTP/1.1\r\nHost: {Host}\r\nHost: {Host}\r\n\r\n", HostField),
        Raw("host twice, different", $"GET / HTTP/1.1\r\nHost: {Host}\r\nhost: b.test\r\n\r\n", HostField),
        Raw("host twice beside absolute form", $"GET http://{Host}/ HTTP/1.1\r\nHost: {Host}\r\nHost: b.test\r\n\r\n", HostField),
        Raw("host empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", HostField),
        Raw("host with a blank", $"GET / HTTP/1.1\r\nHost: {Host} b.test\r\n\r\n", HostField),
        Raw("host as a list", $"GET / HTTP/1.1\r\nHost: {Host},b.test\r\n\r\n", HostField),
        Raw("host with user information", $"GET / HTTP/1.1\r\nHost: b.test@{Host}\r\n\r\n", HostField),
        Raw("host with a path", $"GET / HTTP/1.1\r\nHost: {Host}/x\r\n\r\n", HostField),
        Raw("host with a bad port", $"GET / HTTP/1.1\r\nHost: {Host}:8x\r\n\r\n", HostField),
        Raw("host with port 0", $"GET / HTTP/1.1\r\nHost: {Host}:0\r\n\r\n", HostField),
        Raw("bad host beside absolute form", $"GET http://{Host}/ HTTP/1.1\r\nHost: b test\r\n\r\n", HostField),
        Raw("user information in absolute form", $"GET http://b.test@{Host}/ HTTP/1.1\r\nHost: {Host}\r\n\r\n", HostField),
        Raw("absolute form without a host", $"GET http:///x HTTP/1.1\r\nHost: {Host}\r\n\r\n", Line),
        Raw("CONNECT without a port", $"CONNECT {Host} HTTP/1.1\r\nHost: {Host}\r\n\r\n", HostField),
        Raw("CONNECT with a path", $"CONNECT /x HTTP/1.1\r\nHost: {Host}\r\n\r\n", HostField),
        Raw("CONNECT with a body", $"CONNECT {Host}:80 HTTP/1.1\r\nHost: {Host}:80\r\nContent-Length: 5\r\n\r\nhello", Framing),
        Raw("CONNECT with chunks", $"CONNECT {Host}:80 HTTP/1.1\r\nHost: {Host}:80\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Framing),
    ];

    private static IEnumerable<RefusedRequest> RequestLines() =>
    [
        Start("no version (HTTP/0.9)", "GET /"),
        Start("two blanks", "GET  / HTTP/1.1"),
        Start("blank in front", " GET / HTTP/1.1"),
        Start("blank behind", "GET / HTTP/1.1 "),
        Start("tabs for blanks", "GET\t/\tHTTP/1.1"),
        Start("blank in the target", "GET /a b HTTP/1.1"),
        Start("version in lower case", "GET / http/1.1"),
        Start("version without a minor", "GET / HTTP/1"),
        Start("version with letters", "GET / HTTP/1.x"),
        Start("version with two digits", "GET / HTTP/1.01"),
        Start("version of another protocol", "GET / ICAP/1.1"),
        Start("method that is no token", "G(T / HTTP/1.1"),
        Start("no method", "/ HTTP/1.1"),
        Start("target without a slash", "GET x HTTP/1.1"),
        Start("asterisk for GET", "GET * HTTP/1.1"),
        Start("fragment in the target", "GET /a#b HTTP/1.1"),
        Start("control byte in the target", "GET /a\u0001 HTTP/1.1"),
        Start("NUL in the target", "GET /a\0 HTTP/1.1"),
        Start("target that is not ASCII", "GET /\u00e9 HTTP/1.1"),
        Start("other scheme in absolute form", $"GET ftp://{Host}/ HTTP/1.1"),
        Version("HTTP/2.0"),
        Version("HTTP/1.2"),
        Version("HTTP/0.9"),
        Version("HTTP/3.0"),
    ];

    private static IEnumerable<RefusedRequest> Paths() =>
    [
        Start("path that leaves the root", "GET /.. HTTP/1.1", Path),
        Start("path that leaves the root later", "GET /a/../../b HTTP/1.1", Path),
        Start("path that leaves the root, encoded", "GET /%2e%2E/b HTTP/1.1", Path),
        Start("path that leaves the root, backslashes", "GET /a\\..\\..\\b HTTP/1.1", Path),
        Start("path that leaves the root in absolute form", $"GET http://{Host}/../b HTTP/1.1", Path),
        Start("broken escape", "GET /%zz HTTP/1.1", Path),
        Start("cut escape", "GET /%4 HTTP/1.1", Path),
        Start("escape in two layers", "GET /%%32e HTTP/1.1", Path),
        Start("encoded NUL", "GET /a%00b HTTP/1.1", Path),
    ];

    private static IEnumerable<RefusedRequest> Limits() =>
    [
        Start("request line too long", $"GET /{new string('x', 8192)} HTTP/1.1", "http1.target_too_long", 414),
        new("request line without an end", "GET /" + new string('x', 9000), 414, "http1.target_too_long"),
        new("too many fields", $"GET / HTTP/1.1\r\nHost: {Host}\r\n{string.Concat(Enumerable.Repeat("a: b\r\n", 100))}\r\n", 431, "http1.too_many_headers"),
        new("head too large", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: {new string('x', 61 * 1024)}\r\n\r\n", 431, "http1.headers_too_large"),
        new("head too large without an end", $"GET / HTTP/1.1\r\nHost: {Host}\r\nX: {new string('x', 61 * 1024)}", 431, "http1.headers_too_large"),
        Raw("connection names too many", $"GET / HTTP/1.1\r\nHost: {Host}\r\nConnection: {string.Join(',', Enumerable.Repeat("x", 33))}\r\n\r\n", Field),
    ];

    private static IEnumerable<RefusedRequest> Bodies() =>
    [
        Chunks("chunk without a size", "\r\nabc\r\n"),
        Chunks("chunk size that is no number", "xyz\r\n"),
        Chunks("chunk size with a sign", "+3\r\nabc\r\n"),
        Chunks("chunk size with minus", "-1\r\nabc\r\n"),
        Chunks("chunk size with 0x", "0x3\r\nabc\r\n"),
        Chunks("chunk size with a blank in front", " 3\r\nabc\r\n"),
        Chunks("chunk size with a blank behind", "3 \r\nabc\r\n"),
        Chunks("chunk size with a tab behind", "3\t\r\nabc\r\n"),
        Chunks("chunk size with a blank before its extension", "3 ;a\r\nabc\r\n"),
        Chunks("chunk size with an underscore", "3_0\r\nabc\r\n"),
        Chunks("chunk size beyond 2^64", "10000000000000003\r\nabc\r\n"),
        Chunks("chunk size with endless zeros", new string('0', 17) + "3\r\nabc\r\n"),
        Chunks("chunk size ends with a bare LF", "3\nabc\r\n"),
        Chunks("chunk size ends with a bare CR", "3\rabc\r\n"),
        Chunks("chunk extension ends with a bare LF", "3;a\nabc\r\n"),
        Chunks("chunk extension with a bare CR", "3;a\rb\r\nabc\r\n"),
        Chunks("chunk extension with a NUL", "3;a\0\r\nabc\r\n"),
        Chunks("chunk extension too long", "3;" + new string('x', 1024) + "\r\nabc\r\n"),
        Chunks("chunk extension without an end", "3;" + new string('x', 2000)),
        Chunks("chunk longer than its size", "3\r\nabcd\r\n"),
        Chunks("chunk ends with a bare LF", "3\r\nabc\n0\r\n\r\n"),
        Chunks("chunk ends with a bare CR", "3\r\nabc\r0\r\n\r\n"),
        Chunks("chunk without an end", "3\r\nabc0\r\n\r\n"),
        Chunks("last chunk, then a bare LF", "0\r\n\n"),
        Chunks("trailer content-length", "0\r\nContent-Length: 5\r\n\r\n"),
        Chunks("trailer transfer-encoding", "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Chunks("trailer host", "0\r\nHost: b.test\r\n\r\n"),
        Chunks("trailer connection", "0\r\nConnection: close\r\n\r\n"),
        Chunks("trailer upgrade", "0\r\nUpgrade: h2c\r\n\r\n"),
        Chunks("trailer x-forwarded-for", "0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"),
        Chunks("trailer ends with a bare LF", "0\r\nX: a\n\r\n"),
        Chunks("trailer with a bare CR", "0\r\nX: a\rb\r\n\r\n"),
        Chunks("trailer with a NUL", "0\r\nX: \0\r\n\r\n"),
        Chunks("trailer folded", "0\r\nX: a\r\n b\r\n\r\n"),
        Chunks("trailer with a blank before its colon", "0\r\nX : a\r\n\r\n"),
        Chunks("trailer without a colon", "0\r\nnothing\r\n\r\n"),
        Chunks("trailers that are a request", "0\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        Chunks("trailers too many", "0\r\n" + string.Concat(Enumerable.Repeat("a: b\r\n", 101)) + "\r\n"),
        Chunks("trailers too long", $"0\r\nX: {new string('x', 17_000)}\r\n\r\n"),
    ];

    private static RefusedRequest Raw(string name, string raw, string details) => new(name, raw + Hidden, 400, details);

    private static RefusedRequest Post(string name, string fields, string details) =>
        new(name, $"POST / HTTP/1.1\r\nHost: {Host}\r\n{fields}\r\n\r\n0\r\n\r\n{Hidden}", 400, details);

    private static RefusedRequest Start(string name, string line, string details = Line, int status = 400) =>
        new(name, $"{line}\r\nHost: {Host}\r\n\r\n{Hidden}", status, details);

    private static RefusedRequest Version(string version) => Start("version " + version, $"GET / {version}", "http1.unsupported_version", 505);

    private static RefusedRequest Chunks(string name, string body) =>
        new(name, $"POST / HTTP/1.1\r\nHost: {Host}\r\nTransfer-Encoding: chunked\r\n\r\n{body}{Hidden}", 400, Line, IsBody: true);
}
