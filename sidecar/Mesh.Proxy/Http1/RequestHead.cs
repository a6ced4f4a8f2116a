using Mesh.Proxy.Routing;

namespace Mesh.Proxy.Http1;

/// <summary>The head of one request, parsed in place. Reused from request to request; used by one connection.</summary>
internal sealed class RequestHead
{
    /// <summary>Longest request target.</summary>
    public const int MaxTargetBytes = 8 * 1024;

    private byte[] _bytes = [];
    private Range _method;
    private Range _authority;
    private Range _path;
    private int _hostAt;

    /// <summary>Header fields.</summary>
    public HeaderBlock Headers { get; } = new();

    /// <summary>0 or 1.</summary>
    public int MinorVersion { get; private set; }

    /// <summary>How long the body is.</summary>
    public BodyFraming Framing { get; private set; }

    /// <summary>Method as sent.</summary>
    public ReadOnlySpan<byte> Method => _bytes.AsSpan(_method);

    /// <summary>Host and port the request is for: from the absolute-form target, else the Host field.</summary>
    public ReadOnlySpan<byte> Authority => _hostAt >= 0 ? Headers.Value(_hostAt) : _bytes.AsSpan(_authority);

    /// <summary>Path and query, <c>*</c> for OPTIONS; may lack its slash after an absolute-form target; empty for CONNECT.</summary>
    public ReadOnlySpan<byte> Path => _bytes.AsSpan(_path);

    /// <summary>HEAD: the response has no body.</summary>
    public bool IsHead => Method.SequenceEqual("HEAD"u8);

    /// <summary>CONNECT: asks for a tunnel.</summary>
    public bool IsConnect => Method.SequenceEqual("CONNECT"u8);

    /// <summary>Asks to change the protocol (WebSocket). An offer of HTTP/2 is passed over: behind it, many requests would look like one.</summary>
    public bool IsUpgrade => MinorVersion == 1 && Headers.Find(KnownHeader.Upgrade) is >= 0 and int at &&
        !KnownHeaders.Is(Headers.Value(at), "h2c"u8) && Headers.ConnectionLists("upgrade"u8);

    /// <summary>Whether the client wants to go on with this connection.</summary>
    public bool KeepsAlive => MinorVersion == 1 ? !Headers.ConnectionLists("close"u8) : Headers.ConnectionLists("keep-alive"u8);

    /// <summary>Parses <paramref name="length"/> bytes, the empty line included.</summary>
    public HeadError TryParse(byte[] bytes, int length)
    {
        _bytes = bytes;
        _method = _authority = _path = default;
        _hostAt = -1;
        MinorVersion = 1;
        Framing = default;
        ReadOnlySpan<byte> head = bytes.AsSpan(0, length);
        int lineEnd = head.IndexOf((byte)'\n');
        if (lineEnd < 1 || head[lineEnd - 1] != '\r')
        {
            return HeadError.BadStartLine;
        }

        HeadError error = ParseLine(head[..(lineEnd - 1)]);
        if (error != HeadError.None)
        {
            return error;
        }

        error = Headers.TryParse(bytes, lineEnd + 1, length);
        if (error != HeadError.None)
        {
            return error;
        }

        error = MessageFraming.DecideRequest(Headers, MinorVersion, out BodyFraming framing);
        Framing = framing;
        return error != HeadError.None ? error : CheckHost();
    }

    private HeadError ParseLine(ReadOnlySpan<byte> line)
    {
        int methodEnd = line.IndexOf((byte)' ');
        int targetEnd = line.LastIndexOf((byte)' ');
        if (methodEnd <= 0 || targetEnd <= methodEnd + 1 || !HeaderBlock.IsToken(line[..methodEnd]))
        {
            return line.Length > MaxTargetBytes ? HeadError.TargetTooLong : HeadError.BadStartLine;
        }

        ReadOnlySpan<byte> version = line[(targetEnd + 1)..];
        if (version.Length != 8 || !version.StartsWith("HTTP/"u8))
        {
            return HeadError.BadStartLine;
        }

        if (!version[5..7].SequenceEqual("1."u8) || version[7] is not ((byte)'0' or (byte)'1'))
        {
            return HeadError.UnsupportedVersion;
        }

        MinorVersion = version[7] - '0';
        _method = ..methodEnd;
        return ParseTarget(line[(methodEnd + 1)..targetEnd], methodEnd + 1);
    }

    private HeadError ParseTarget(ReadOnlySpan<byte> target, int at)
    {
        if (target.Length > MaxTargetBytes)
        {
            return HeadError.TargetTooLong;
        }

        if (target.ContainsAnyExceptInRange((byte)'!', (byte)'~') || target.Contains((byte)'#'))
        {
            return HeadError.BadStartLine;
        }

        if (IsConnect)
        {
            _authority = at..(at + target.Length);
            return HeadError.None;
        }

        if (target[0] == '/' || (target.SequenceEqual("*"u8) && Method.SequenceEqual("OPTIONS"u8)))
        {
            _path = at..(at + target.Length);
            return HeadError.None;
        }

        if (target.Length < 8 || !KnownHeaders.Is(target[..7], "http://"u8))
        {
            return HeadError.BadStartLine;
        }

        ReadOnlySpan<byte> rest = target[7..];
        int pathAt = rest.IndexOfAny((byte)'/', (byte)'?');
        int authorityEnd = pathAt < 0 ? rest.Length : pathAt;
        if (authorityEnd == 0)
        {
            return HeadError.BadStartLine; // no host: falling back to Host would hide that
        }

        _authority = (at + 7)..(at + 7 + authorityEnd);
        _path = (at + 7 + authorityEnd)..(at + target.Length);
        return HeadError.None;
    }

    private HeadError CheckHost()
    {
        int host = Headers.Find(KnownHeader.Host);
        if (host >= 0 && Headers.Find(KnownHeader.Host, host + 1) >= 0)
        {
            return HeadError.BadHost;
        }

        // The target in absolute form wins over Host (RFC 9112, 3.2.2).
        bool inTarget = _authority.End.Value > _authority.Start.Value;
        _hostAt = inTarget ? -1 : host;
        if (host < 0 && (MinorVersion == 1 || !inTarget))
        {
            return HeadError.BadHost;
        }

        // A tunnel has no default port (RFC 9110, 9.3.6).
        return HostPort.TryParse(Authority, out HostPort place) && (place.Port > 0 || !IsConnect) ? HeadError.None : HeadError.BadHost;
    }
}
