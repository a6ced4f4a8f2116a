using System.Text;

namespace Mesh.Benchmarks.Http1;

/// <summary>Heads as the wire has them: what a load generator sends, and what a browser does.</summary>
internal static class Heads
{
    /// <summary>Three fields.</summary>
    public const string Short = "short";

    /// <summary>Fourteen fields.</summary>
    public const string Browser = "browser";

    /// <summary>A request head by name.</summary>
    public static byte[] Request(string name) => Encoding.ASCII.GetBytes(name == Short
        ? "GET /1024 HTTP/1.1\r\nHost: backend.test:8080\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n"
        : "GET /api/v1/products/42?verbose=true&locale=en HTTP/1.1\r\nHost: products.shop.example\r\nConnection: keep-alive\r\n"
            + "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
            + "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
            + "Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: http://products.shop.example/api/v1/products\r\n"
            + "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\nUpgrade-Insecure-Requests: 1\r\nCache-Control: max-age=0\r\n"
            + "x-request-id: 7b2c1f0e-5d3a-4c8e-9f10-223344556677\r\nx-forwarded-proto: http\r\nx-forwarded-for: 10.1.2.3\r\nPriority: u=0, i\r\n\r\n");

    /// <summary>A response head by name.</summary>
    public static byte[] Response(string name) => Encoding.ASCII.GetBytes(name == Short
        ? "HTTP/1.1 200 OK\r\nserver: backend\r\ncontent-type: text/plain\r\ncontent-length: 1024\r\n\r\n"
        : "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nServer: products\r\nContent-Type: application/json; charset=utf-8\r\n"
            + "Content-Length: 1024\r\nConnection: keep-alive\r\nETag: \"5f3c-61a\"\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n\r\n");
}
