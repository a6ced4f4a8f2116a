using System.Buffers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Routing;

namespace Mesh.Proxy.Http1;

/// <summary>The head of one request, parsed in place; its path is normalized in the same bytes. Reused from request to request; used by one connection.</summary>
internal sealed class RequestHead(Http1Limits limits)
{
    private byte[] _bytes = [];
    private Range _method;
    private Range _authority;
    private Range _path;
    private int _hostAt;
    private int _fieldsAt;

    /// <summary>Header fields.</summary>
    public HeaderBlock Headers { get; } = new(limits);

    /// <summary>Bytes of the head as it came.</summary>
    public int Length { get; private set; }

    /// <summary>0 or 1.</summary>
    public int MinorVersion { get; private set; }

    /// <summary>How long the body is.</summary>
    public BodyFraming Framing { get; private set; }

    /// <summary>Method as sent.</summary>
    public ReadOnlySpan<byte> Method => _bytes.AsSpan(_method);

    /// <summary>Host and port the request is for: from the absolute-form target, else the Host field.</summary>
    public ReadOnlySpan<byte> Authority => _hostAt >= 0 ? Headers.Value(_hostAt) : _bytes.AsSpan(_authority);

    /// <summary>Normalized path with its query, <c>*</c> for OPTIONS; may lack its slash after an absolute-form target; empty for CONNECT.</summary>
    public ReadOnlySpan<byte> Path => _bytes.AsSpan(_path);

    /// <summary>HEAD: the response has no body.</summary>
    public bool IsHead => Method.SequenceEqual("HEAD"u8);

    /// <summary>CONNECT: asks for a tunnel.</summary>
    public bool IsConnect => Method.SequenceEqual("CONNECT"u8);

    /// <summary>OPTIONS.</summary>
    public bool IsOptions => Method.SequenceEqual("OPTIONS"u8);

    /// <summary>
    /// Asks to change the protocol (WebSocket). An offer that has HTTP/2 in it is passed over: behind it, many requests would look like one.
    /// </summary>
    public bool IsUpgrade => MinorVersion == 1 && (Headers.Options & ConnectionOptions.Upgrade) != 0 &&
        Headers.Find(KnownHeader.Upgrade) >= 0 && !Headers.Lists(KnownHeader.Upgrade, "h2c"u8);

    /// <summary>Whether the client wants to go on with this connection.</summary>
    public bool KeepsAlive => (Headers.Options & ConnectionOptions.Close) == 0 &&
        (MinorVersion == 1 || (Headers.Options & ConnectionOptions.KeepAlive) != 0);

    /// <summary>Parses <paramref name="length"/> bytes, the empty line included.</summary>
    public HeadError TryParse(byte[] bytes, int length)
    {
        _bytes = bytes;
        _method = _authority = _path = default;
        _hostAt = -1;
        Length = length;
        MinorVersion = 1;
        Framing = default;
        Span<byte> head = bytes.AsSpan(0, length);
        int lineEnd = head.IndexOf((byte)'\n');
        if (lineEnd < 1 || head[lineEnd - 1] != '\r')
        {
            return HeadError.BadStartLine;
        }

        HeadError error = lineEnd >= limits.MaxStartLineBytes ? HeadError.TargetTooLong : ParseLine(head[..(lineEnd - 1)]);
        if (error != HeadError.None)
        {
            return error;
        }

        _fieldsAt = lineEnd + 1;
        error = Headers.TryParse(bytes, _fieldsAt, length);
        if (error != HeadError.None)
        {
            return error;
        }

        error = MessageFraming.DecideRequest(Headers, MinorVersion, IsConnect, out BodyFraming framing);
        Framing = framing;
        return error != HeadError.None ? error : CheckHost();
    }

    /// <summary>Writes the head once more, as the client sent it but for its path, which is normalized, and for an id.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="newRequestId">Value of x-request-id if the client sent none.</param>
    /// <param name="closes">Its connection is to end with the answer.</param>
    public void CopyTo(IBufferWriter<byte> output, ReadOnlySpan<byte> newRequestId, bool closes)
    {
        output.Write(Method);
        output.Write(_hostAt >= 0 ? " "u8 : " http://"u8);
        output.Write(_hostAt >= 0 ? default : Authority);
        output.Write(Path);
        output.Write(MinorVersion == 1 ? " HTTP/1.1\r\n"u8 : " HTTP/1.0\r\n"u8);
        output.Write(_bytes.AsSpan(_fieldsAt..(Length - 2)));
        if (Headers.Find(KnownHeader.RequestId) < 0)
        {
            output.Write("x-request-id: "u8);
            output.Write(newRequestId);
            output.Write("\r\n"u8);
        }

        output.Write(closes ? "connection: close\r\n\r\n"u8 : "\r\n"u8);
    }

    private HeadError ParseLine(Span<byte> line)
    {
        int methodEnd = line.IndexOf((byte)' ');
        int targetEnd = line.LastIndexOf((byte)' ');
        if (methodEnd <= 0 || targetEnd <= methodEnd + 1 || !FieldLine.IsToken(line[..methodEnd]))
        {
            return HeadError.BadStartLine;
        }

        ReadOnlySpan<byte> version = line[(targetEnd + 1)..];
        if (version.Length != 8 || !version.StartsWith("HTTP/"u8) || version[6] != '.' ||
            !char.IsAsciiDigit((char)version[5]) || !char.IsAsciiDigit((char)version[7]))
        {
            return HeadError.BadStartLine;
        }

        if (version[5] != '1' || version[7] is not ((byte)'0' or (byte)'1'))
        {
            return HeadError.UnsupportedVersion;
        }

        MinorVersion = version[7] - '0';
        _method = ..methodEnd;
        return ParseTarget(line[(methodEnd + 1)..targetEnd], methodEnd + 1);
    }

    private HeadError ParseTarget(Span<byte> target, int at)
    {
        if (target.ContainsAnyExceptInRange((byte)'!', (byte)'~') || target.Contains((byte)'#'))
        {
            return HeadError.BadStartLine;
        }

        if (IsConnect)
        {
            _authority = at..(at + target.Length);
            return HeadError.None;
        }

        if (target[0] == '/')
        {
            return TakePath(target, at);
        }

        if (target.SequenceEqual("*"u8) && IsOptions)
        {
            _path = at..(at + 1);
            return HeadError.None;
        }

        if (target.Length < 8 || !KnownHeaders.Is(target[..7], "http://"u8))
        {
            return HeadError.BadStartLine;
        }

        int pathAt = target[7..].IndexOfAny((byte)'/', (byte)'?');
        int authorityEnd = pathAt < 0 ? target.Length : pathAt + 7;
        if (authorityEnd == 7)
        {
            return HeadError.BadStartLine; // no host: falling back to Host would hide that
        }

        _authority = (at + 7)..(at + authorityEnd);
        return TakePath(target[authorityEnd..], at + authorityEnd);
    }

    private HeadError TakePath(Span<byte> path, int at)
    {
        int length = path.StartsWith("/"u8) ? PathNormalizer.Normalize(path) : path.Length;
        _path = at..(at + Math.Max(length, 0));
        return length < 0 ? HeadError.BadPath : HeadError.None;
    }

    private HeadError CheckHost()
    {
        int host = Headers.Find(KnownHeader.Host);
        if (host >= 0 && Headers.Find(KnownHeader.Host, host + 1) >= 0)
        {
            return HeadError.BadHost;
        }

        // The target in absolute form wins over Host (RFC 9112, 3.2.2), which must be well-formed all the same (3.2).
        bool inTarget = _authority.End.Value > _authority.Start.Value;
        _hostAt = inTarget ? -1 : host;
        if ((host < 0 && (MinorVersion == 1 || !inTarget)) || (inTarget && host >= 0 && !HostPort.TryParse(Headers.Value(host), out _)))
        {
            return HeadError.BadHost;
        }

        // A tunnel has no default port (RFC 9110, 9.3.6).
        return HostPort.TryParse(Authority, out HostPort place) && (place.Port > 0 || !IsConnect) ? HeadError.None : HeadError.BadHost;
    }
}
