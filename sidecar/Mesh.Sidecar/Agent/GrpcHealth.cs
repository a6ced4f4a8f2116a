using System.Net;
using System.Text;

namespace Mesh.Sidecar.Agent;

/// <summary>The one question of gRPC's health checking protocol, written by hand: a string in, an enumeration out.</summary>
internal static class GrpcHealth
{
    /// <summary>Path of the method.</summary>
    public const string Path = "/grpc.health.v1.Health/Check";

    private const int Head = 5; // not compressed, four bytes of length
    private const byte ServiceField = 0x0A; // field 1, a string
    private const byte StatusField = 0x08; // field 1, a number
    private const byte Serving = 1;

    /// <summary>200 when the server says that it serves, else 500.</summary>
    public static async Task<(int Status, string Text)> AskAsync(HttpMessageInvoker http, Uri url, string service, CancellationToken cancel)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, url) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Content = new ByteArrayContent(Question(service));
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        using HttpResponseMessage answer = await http.SendAsync(request, cancel);
        byte[] body = await answer.Content.ReadAsByteArrayAsync(cancel);
        return body is [_, _, _, _, _, StatusField, Serving, ..] ? (200, "") : (500, "the application's health service does not say SERVING\n");
    }

    /// <summary>The message of the question: nothing at all when the whole server is meant.</summary>
    internal static byte[] Question(string service)
    {
        byte[] name = Encoding.UTF8.GetBytes(service);
        byte[] message = name.Length is > 0 and < 128 ? [ServiceField, (byte)name.Length, .. name] : [];
        return [.. new byte[Head - 1], (byte)message.Length, .. message];
    }
}
