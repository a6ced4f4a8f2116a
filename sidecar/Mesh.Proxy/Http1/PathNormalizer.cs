using System.Buffers;

namespace Mesh.Proxy.Http1;

/// <summary>
/// Brings the path of a request into the one form that rules and upstreams should see, as Istio's default for sidecars: <c>\</c> becomes <c>/</c>, percent-encoded
/// unreserved characters are decoded, dot segments are resolved (RFC 3986, 5.2.4 and 6.2.2); <c>//</c> and <c>%2F</c> stay, and so does the query.
/// Stricter than Envoy where a second reader could find another path: a broken escape, an encoded NUL and a path that leaves the root are refused.
/// The result normalizes to itself. Pure.
/// </summary>
internal static class PathNormalizer
{
    private static readonly SearchValues<byte> Suspicious = SearchValues.Create("%\\.?"u8);

    private static readonly SearchValues<byte> Unreserved = SearchValues.Create(
        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    /// <summary>Normalizes a target that begins with <c>/</c> in place; returns its new length, never more than before, or -1 when it must be refused.</summary>
    public static int Normalize(Span<byte> target)
    {
        int at = IndexOfWork(target);
        if (at < 0)
        {
            return target.Length;
        }

        int queryAt = target.IndexOf((byte)'?');
        int pathEnd = queryAt < 0 ? target.Length : queryAt;
        int length = Decode(target[..pathEnd], at);
        length = length < 0 ? -1 : RemoveDotSegments(target[..length]);
        if (length < 0)
        {
            return -1;
        }

        target[pathEnd..].CopyTo(target[length..]);
        return length + target.Length - pathEnd;
    }

    // Nearly every path needs nothing, and this finds out in one pass.
    private static int IndexOfWork(ReadOnlySpan<byte> target)
    {
        int at = 0;
        while (true)
        {
            int next = target[at..].IndexOfAny(Suspicious);
            if (next < 0)
            {
                return -1;
            }

            at += next;
            switch (target[at])
            {
                case (byte)'?':
                    return -1;
                case (byte)'.' when at == 0 || target[at - 1] != '/':
                    at++;
                    break;
                default:
                    return at;
            }
        }
    }

    private static int Decode(Span<byte> path, int from)
    {
        int write = from;
        for (int read = from; read < path.Length; read++)
        {
            byte b = path[read];
            if (b == '%')
            {
                int value = read + 2 < path.Length ? (HexDigit.Value(path[read + 1]) << 4) | HexDigit.Value(path[read + 2]) : -1;
                if (value <= 0)
                {
                    return -1;
                }

                if (!Unreserved.Contains((byte)value))
                {
                    path.Slice(read, 3).CopyTo(path[write..]);
                    (read, write) = (read + 2, write + 3);
                    continue;
                }

                (b, read) = ((byte)value, read + 2);
            }

            path[write++] = b == '\\' ? (byte)'/' : b;
        }

        return write;
    }

    private static int RemoveDotSegments(Span<byte> path)
    {
        int write = 0;
        int read = 0;
        while (read < path.Length)
        {
            int slash = path[(read + 1)..].IndexOf((byte)'/');
            int end = slash < 0 ? path.Length : read + 1 + slash;
            ReadOnlySpan<byte> segment = path[(read + 1)..end];
            bool isUp = segment.SequenceEqual(".."u8);
            if (isUp && write == 0)
            {
                return -1;
            }

            if (isUp || segment.SequenceEqual("."u8))
            {
                write = isUp ? path[..write].LastIndexOf((byte)'/') : write;
                if (end == path.Length)
                {
                    path[write++] = (byte)'/';
                }
            }
            else
            {
                path[read..end].CopyTo(path[write..]);
                write += end - read;
            }

            read = end;
        }

        return write;
    }
}
