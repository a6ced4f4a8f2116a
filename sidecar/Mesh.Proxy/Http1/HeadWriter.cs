using System.Buffers;
using Mesh.Proxy.Routing;

namespace Mesh.Proxy.Http1;

/// <summary>
/// Writes the head that goes on, anew from what was parsed: what concerns one connection only (RFC 9110, 7.6.1) is taken out, the other fields keep their names and
/// values. Stateless, allocates nothing.
/// </summary>
internal static class HeadWriter
{
    // More than all that is added to the fields: fixed texts, a request id, three numbers.
    private const int MaxAddedBytes = 384;

    /// <summary>Most bytes that <see cref="WriteRequest"/> writes.</summary>
    public static int MaxRequestLength(RequestHead head, RequestEdits? edits, int transaction = 0) =>
        head.Length + head.Headers.Count + MaxAddedBytes + transaction + (edits is null ? 0 : edits.Length + head.Path.Length); // one blank may be added to each field

    /// <summary>Writes a request head for the upstream. x-forwarded-for passes as it came: that is Istio's sidecar, whose use_remote_address is off.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="head">What the client sent.</param>
    /// <param name="newRequestId">Value of x-request-id if the client sent none.</param>
    /// <param name="attempt">Value of x-envoy-attempt-count, 1 for the first; 0 lets the client's pass, as Istio does in front of the application.</param>
    /// <param name="expectedMilliseconds">Value of x-envoy-expected-rq-timeout-ms; 0 lets the client's pass.</param>
    /// <param name="edits">Changes by its route; null for none.</param>
    /// <param name="transaction">Line with the transaction id, its end included; empty for none.</param>
    public static void WriteRequest(
        IBufferWriter<byte> output, RequestHead head, ReadOnlySpan<byte> newRequestId, int attempt, long expectedMilliseconds = 0, RequestEdits? edits = null,
        ReadOnlySpan<byte> transaction = default)
    {
        HeaderBlock headers = head.Headers;
        HeadBuffer buffer = new(output.GetSpan(MaxRequestLength(head, edits, transaction.Length)));
        buffer.Add(head.Method);
        buffer.Add(" "u8);
        AddTarget(ref buffer, head, edits?.Target);
        buffer.Add(" HTTP/1.1\r\nhost: "u8);
        buffer.Add(edits?.Authority is { } authority ? authority : head.Authority);
        buffer.Add("\r\n"u8);
        AddRequestFields(ref buffer, headers, attempt, expectedMilliseconds, edits);
        AddOwnFields(ref buffer, head, newRequestId, attempt, expectedMilliseconds, edits);
        buffer.Add(transaction);
        if (head.Framing.Kind == BodyKind.Chunked)
        {
            buffer.Add("transfer-encoding: chunked\r\n"u8);
        }

        if (head.IsUpgrade)
        {
            AddUpgrade(ref buffer, headers);
        }

        buffer.Add("\r\n"u8);
        output.Advance(buffer.Length);
    }

    /// <summary>Writes a response head for the client.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="head">What the upstream sent.</param>
    /// <param name="framing">How the body goes on the wire towards the client.</param>
    /// <param name="serviceMilliseconds">Value of x-envoy-upstream-service-time; negative for interim responses, which carry none.</param>
    /// <param name="connection">Connection field to write, or empty.</param>
    /// <param name="newCookie">Set-cookie field to write, or empty.</param>
    /// <param name="edits">Changes by its route; null for none.</param>
    public static void WriteResponse(
        IBufferWriter<byte> output, ResponseHead head, BodyKind framing, long serviceMilliseconds, ReadOnlySpan<byte> connection,
        ReadOnlySpan<byte> newCookie = default, HeaderEdits? edits = null)
    {
        HeadBuffer buffer = new(output.GetSpan(head.Length + head.Headers.Count + MaxAddedBytes + newCookie.Length + (edits?.Lines.Length ?? 0)));
        buffer.Add("HTTP/1.1 "u8);
        buffer.Add(head.Status);
        buffer.Add(" "u8);
        buffer.Add(head.Reason);
        buffer.Add("\r\n"u8);
        AddResponseFields(ref buffer, head, edits);
        if (framing == BodyKind.Chunked)
        {
            buffer.Add("transfer-encoding: chunked\r\n"u8);
        }

        if (serviceMilliseconds >= 0 && edits?.Drops("x-envoy-upstream-service-time"u8) != true)
        {
            buffer.Add("x-envoy-upstream-service-time: "u8);
            buffer.Add(serviceMilliseconds);
            buffer.Add("\r\n"u8);
        }

        if (!newCookie.IsEmpty)
        {
            buffer.AddField("set-cookie"u8, newCookie);
        }

        if (head.Status == 101)
        {
            AddUpgrade(ref buffer, head.Headers);
        }
        else if (!connection.IsEmpty)
        {
            buffer.AddField("connection"u8, connection);
        }

        buffer.Add("\r\n"u8);
        output.Advance(buffer.Length);
    }

    private static void AddTarget(ref HeadBuffer buffer, RequestHead head, byte[]? rewritten)
    {
        if (rewritten is not null)
        {
            buffer.Add(rewritten);
            return;
        }

        if (head.Path.IsEmpty)
        {
            buffer.Add(head.IsOptions ? "*"u8 : "/"u8); // RFC 9112, 3.2.4
        }
        else if (head.Path[0] == '?')
        {
            buffer.Add("/"u8);
        }

        buffer.Add(head.Path);
    }

    private static void AddOwnFields(
        ref HeadBuffer buffer, RequestHead head, ReadOnlySpan<byte> newRequestId, int attempt, long expectedMilliseconds, RequestEdits? edits)
    {
        if (head.Headers.Find(KnownHeader.ForwardedProto) < 0 && edits?.Drops("x-forwarded-proto"u8) != true)
        {
            buffer.Add("x-forwarded-proto: http\r\n"u8);
        }

        if (head.Headers.Find(KnownHeader.RequestId) < 0 && edits?.Drops("x-request-id"u8) != true)
        {
            buffer.AddField("x-request-id"u8, newRequestId);
        }

        if (attempt > 0 && edits?.Drops("x-envoy-attempt-count"u8) != true)
        {
            buffer.Add("x-envoy-attempt-count: "u8);
            buffer.Add(attempt);
            buffer.Add("\r\n"u8);
        }

        if (expectedMilliseconds > 0 && edits?.Drops("x-envoy-expected-rq-timeout-ms"u8) != true)
        {
            buffer.Add("x-envoy-expected-rq-timeout-ms: "u8);
            buffer.Add(expectedMilliseconds);
            buffer.Add("\r\n"u8);
        }

        if (edits?.Target is not null)
        {
            buffer.AddField("x-envoy-original-path"u8, head.Path);
        }

        if (edits?.Headers is { } changed)
        {
            buffer.Add(changed.Lines);
        }
    }

    private static void AddRequestFields(ref HeadBuffer buffer, HeaderBlock headers, int attempt, long expectedMilliseconds, RequestEdits? edits)
    {
        for (int i = 0; i < headers.Count; i++)
        {
            KnownHeader kind = headers.Kind(i);
            switch (kind)
            {
                case KnownHeader.Host or KnownHeader.EnvoyControl:
                case KnownHeader.EnvoyAttemptCount when attempt > 0:
                case KnownHeader.EnvoyExpectedTimeout when expectedMilliseconds > 0:
                case var _ when edits?.Drops(headers.Name(i)) == true:
                    break;
                case KnownHeader.Te when headers.Find(KnownHeader.Te) == i && headers.Lists(KnownHeader.Te, "trailers"u8):
                    buffer.Add("te: trailers\r\n"u8); // all of TE that goes beyond one connection; gRPC and others ask for it
                    break;
                default:
                    AddField(ref buffer, headers, i, kind);
                    break;
            }
        }
    }

    private static void AddResponseFields(ref HeadBuffer buffer, ResponseHead head, HeaderEdits? edits)
    {
        HeaderBlock headers = head.Headers;
        for (int i = 0; i < headers.Count; i++)
        {
            KnownHeader kind = headers.Kind(i);
            bool isReplaced = kind == KnownHeader.EnvoyUpstreamServiceTime || (kind == KnownHeader.ContentLength && head.HasNoLength);
            if (!isReplaced && edits?.Drops(headers.Name(i)) != true)
            {
                AddField(ref buffer, headers, i, kind);
            }
        }

        if (edits is not null)
        {
            buffer.Add(edits.Lines);
        }
    }

    private static void AddField(ref HeadBuffer buffer, HeaderBlock headers, int index, KnownHeader kind)
    {
        switch (kind)
        {
            case KnownHeader.Connection or KnownHeader.KeepAlive or KnownHeader.ProxyConnection or KnownHeader.NamedByConnection:
            case KnownHeader.TransferEncoding or KnownHeader.Te or KnownHeader.Upgrade:
                break;
            case KnownHeader.ContentLength:
                ReadOnlySpan<byte> digits = headers.Value(index).TrimStart((byte)'0'); // elsewhere a zero in front can mean octal
                buffer.AddField(headers.Name(index), digits.IsEmpty ? "0"u8 : digits);
                break;
            default:
                buffer.AddField(headers.Name(index), headers.Value(index));
                break;
        }
    }

    private static void AddUpgrade(ref HeadBuffer buffer, HeaderBlock headers)
    {
        int upgrade = headers.Find(KnownHeader.Upgrade);
        if (upgrade >= 0)
        {
            buffer.Add("connection: upgrade\r\n"u8);
            buffer.AddField("upgrade"u8, headers.Value(upgrade));
        }
    }
}
