using Mesh.Proxy.Http;

namespace Mesh.Proxy.Http1;

/// <summary>The head of one response, parsed in place. Reused; used by one connection.</summary>
internal sealed class ResponseHead(Http1Limits limits)
{
    private byte[] _bytes = [];
    private Range _reason;

    /// <summary>Header fields.</summary>
    public HeaderBlock Headers { get; } = new(limits);

    /// <summary>Bytes of the head as it came.</summary>
    public int Length { get; private set; }

    /// <summary>100 to 599.</summary>
    public int Status { get; private set; }

    /// <summary>0 or 1.</summary>
    public int MinorVersion { get; private set; }

    /// <summary>Reason phrase; may be empty.</summary>
    public ReadOnlySpan<byte> Reason => _bytes.AsSpan(_reason);

    /// <summary>Whether the upstream keeps the connection open.</summary>
    public bool KeepsAlive => (Headers.Options & ConnectionOptions.Close) == 0 &&
        (MinorVersion == 1 || (Headers.Options & ConnectionOptions.KeepAlive) != 0);

    /// <summary>An interim response: another head follows.</summary>
    public bool IsInterim => Status is >= 100 and < 200 and not 101;

    /// <summary>An instance's own sidecar refuses for its limits, which says nothing about the instance's health (adr 0011).</summary>
    public bool IsOverload => Status == 503 && Headers.Find(KnownHeader.EnvoyOverloaded) >= 0;

    /// <summary>Whether it ends with its head whatever its fields say, and may not even announce a length (RFC 9110, 8.6).</summary>
    public bool HasNoLength => Status is < 200 or 204;

    /// <summary>Parses <paramref name="length"/> bytes, the empty line included.</summary>
    public HeadError TryParse(byte[] bytes, int length)
    {
        _bytes = bytes;
        _reason = default;
        Length = length;
        ReadOnlySpan<byte> head = bytes.AsSpan(0, length);
        int lineEnd = head.IndexOf((byte)'\n');
        if (lineEnd < 13 || head[lineEnd - 1] != '\r')
        {
            return HeadError.BadStartLine;
        }

        ReadOnlySpan<byte> line = head[..(lineEnd - 1)];
        if (lineEnd >= limits.MaxStartLineBytes || !line.StartsWith("HTTP/1."u8) || line[7] is not ((byte)'0' or (byte)'1') || line[8] != ' ' ||
            line[9..12].ContainsAnyExceptInRange((byte)'0', (byte)'9') || (line.Length > 12 && line[12] != ' ') || FieldLine.IndexOfControl(line) >= 0)
        {
            return HeadError.BadStartLine;
        }

        MinorVersion = line[7] - '0';
        Status = ((line[9] - '0') * 100) + ((line[10] - '0') * 10) + (line[11] - '0');
        _reason = line.Length > 13 ? 13..line.Length : default;
        return Status is < 100 or > 599 ? HeadError.BadStartLine : Headers.TryParse(bytes, lineEnd + 1, length);
    }
}
