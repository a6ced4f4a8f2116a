namespace Mesh.Proxy.Http1;

/// <summary>Headers that mean something to a proxy; all others pass unseen.</summary>
internal enum KnownHeader : byte
{
    Other,
    Host,
    Connection,
    KeepAlive,
    ProxyConnection,
    ContentLength,
    TransferEncoding,
    Te,
    Upgrade,
    UserAgent,
    RequestId,
    ForwardedFor,
    ForwardedProto,
    EnvoyOverloaded,
}

/// <summary>Recognises header names without copying them.</summary>
internal static class KnownHeaders
{
    /// <summary>The header of this name, in any case.</summary>
    public static KnownHeader Classify(ReadOnlySpan<byte> name) => name.Length switch
    {
        2 when Is(name, "te"u8) => KnownHeader.Te,
        4 when Is(name, "host"u8) => KnownHeader.Host,
        7 when Is(name, "upgrade"u8) => KnownHeader.Upgrade,
        10 when Is(name, "connection"u8) => KnownHeader.Connection,
        10 when Is(name, "keep-alive"u8) => KnownHeader.KeepAlive,
        10 when Is(name, "user-agent"u8) => KnownHeader.UserAgent,
        12 when Is(name, "x-request-id"u8) => KnownHeader.RequestId,
        14 when Is(name, "content-length"u8) => KnownHeader.ContentLength,
        15 when Is(name, "x-forwarded-for"u8) => KnownHeader.ForwardedFor,
        16 when Is(name, "proxy-connection"u8) => KnownHeader.ProxyConnection,
        17 when Is(name, "transfer-encoding"u8) => KnownHeader.TransferEncoding,
        17 when Is(name, "x-forwarded-proto"u8) => KnownHeader.ForwardedProto,
        18 when Is(name, "x-envoy-overloaded"u8) => KnownHeader.EnvoyOverloaded,
        _ => KnownHeader.Other,
    };

    /// <summary>Case-insensitive equality of ASCII bytes.</summary>
    public static bool Is(ReadOnlySpan<byte> name, ReadOnlySpan<byte> other) => System.Text.Ascii.EqualsIgnoreCase(name, other);
}
