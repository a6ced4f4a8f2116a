using System.Buffers;
using System.Globalization;

namespace Mesh.Proxy.Http1;

/// <summary>
/// Writes the head that goes on: what concerns one connection only (RFC 9110, 7.6.1) is taken out, the rest passes byte for byte. Stateless, allocates nothing.
/// </summary>
internal static class HeadWriter
{
    /// <summary>Writes a request head for the upstream.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="head">What the client sent.</param>
    /// <param name="newRequestId">Value of x-request-id if the client sent none.</param>
    public static void WriteRequest(IBufferWriter<byte> output, RequestHead head, ReadOnlySpan<byte> newRequestId)
    {
        output.Write(head.Method);
        output.Write(" "u8);
        if (head.Path.IsEmpty || head.Path[0] == '?')
        {
            output.Write("/"u8);
        }

        output.Write(head.Path);
        output.Write(" HTTP/1.1\r\nhost: "u8);
        output.Write(head.Authority);
        output.Write("\r\n"u8);
        WriteFields(output, head.Headers, isRequest: true);
        if (head.Headers.Find(KnownHeader.ForwardedProto) < 0)
        {
            output.Write("x-forwarded-proto: http\r\n"u8);
        }

        if (head.Headers.Find(KnownHeader.RequestId) < 0)
        {
            output.Write("x-request-id: "u8);
            output.Write(newRequestId);
            output.Write("\r\n"u8);
        }

        if (head.Framing.Kind == BodyKind.Chunked)
        {
            output.Write("transfer-encoding: chunked\r\n"u8);
        }

        if (head.IsUpgrade)
        {
            WriteUpgrade(output, head.Headers);
        }

        output.Write("\r\n"u8);
    }

    /// <summary>Writes a response head for the client.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="head">What the upstream sent.</param>
    /// <param name="framing">How the body goes on the wire towards the client.</param>
    /// <param name="serviceMilliseconds">Value of x-envoy-upstream-service-time; negative for interim responses, which carry none.</param>
    /// <param name="connection">Connection field to write, or empty.</param>
    public static void WriteResponse(
        IBufferWriter<byte> output, ResponseHead head, BodyKind framing, long serviceMilliseconds, ReadOnlySpan<byte> connection)
    {
        output.Write("HTTP/1.1 "u8);
        WriteNumber(output, head.Status);
        output.Write(" "u8);
        output.Write(head.Reason);
        output.Write("\r\n"u8);
        WriteFields(output, head.Headers, isRequest: false);
        if (framing == BodyKind.Chunked)
        {
            output.Write("transfer-encoding: chunked\r\n"u8);
        }

        if (serviceMilliseconds >= 0)
        {
            output.Write("x-envoy-upstream-service-time: "u8);
            WriteNumber(output, serviceMilliseconds);
            output.Write("\r\n"u8);
        }

        if (head.Status == 101)
        {
            WriteUpgrade(output, head.Headers);
        }
        else if (!connection.IsEmpty)
        {
            output.Write("connection: "u8);
            output.Write(connection);
            output.Write("\r\n"u8);
        }

        output.Write("\r\n"u8);
    }

    private static void WriteFields(IBufferWriter<byte> output, HeaderBlock headers, bool isRequest)
    {
        bool hasConnection = headers.Find(KnownHeader.Connection) >= 0;
        for (int i = 0; i < headers.Count; i++)
        {
            if (!IsForOneConnection(headers, i, hasConnection) && !(isRequest && headers.Kind(i) == KnownHeader.Host))
            {
                WriteField(output, headers.Name(i), headers.Value(i));
            }
        }
    }

    private static bool IsForOneConnection(HeaderBlock headers, int index, bool hasConnection) => headers.Kind(index) switch
    {
        KnownHeader.Connection or KnownHeader.KeepAlive or KnownHeader.ProxyConnection or KnownHeader.TransferEncoding or KnownHeader.Upgrade => true,
        KnownHeader.Te => !KnownHeaders.Is(headers.Value(index), "trailers"u8), // gRPC and others need to see that
        KnownHeader.Host or KnownHeader.ContentLength or KnownHeader.RequestId or KnownHeader.ForwardedFor or KnownHeader.ForwardedProto =>
            false, // a client must not talk these away with Connection
        _ => hasConnection && headers.ConnectionLists(headers.Name(index)),
    };

    private static void WriteUpgrade(IBufferWriter<byte> output, HeaderBlock headers)
    {
        int upgrade = headers.Find(KnownHeader.Upgrade);
        if (upgrade >= 0)
        {
            output.Write("connection: upgrade\r\n"u8);
            WriteField(output, "upgrade"u8, headers.Value(upgrade));
        }
    }

    private static void WriteField(IBufferWriter<byte> output, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        int length = name.Length + value.Length + 4;
        Span<byte> line = output.GetSpan(length);
        name.CopyTo(line);
        ": "u8.CopyTo(line[name.Length..]);
        value.CopyTo(line[(name.Length + 2)..]);
        "\r\n"u8.CopyTo(line[(length - 2)..]);
        output.Advance(length);
    }

    private static void WriteNumber(IBufferWriter<byte> output, long number)
    {
        number.TryFormat(output.GetSpan(20), out int written, provider: CultureInfo.InvariantCulture);
        output.Advance(written);
    }
}
