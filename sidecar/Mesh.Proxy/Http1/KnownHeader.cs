using System.Text;

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
    EnvoyAttemptCount,
    EnvoyUpstreamServiceTime,
    EnvoyExpectedTimeout,

    /// <summary>A wish of the caller about retries and timeouts (semantics 4.1, 5.1): read by the proxy it reaches, never passed on.</summary>
    EnvoyControl,

    /// <summary>Listed in Connection: meant for this connection only, whatever it is.</summary>
    NamedByConnection,
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
        >= 16 when Is(name[..8], "x-envoy-"u8) => ClassifyEnvoy(name[8..]),
        _ => KnownHeader.Other,
    };

    /// <summary>Whether Connection can take a field of this kind out. Not those that are written anew anyway, or that a client must not talk away.</summary>
    public static bool MayBeNamedByConnection(KnownHeader kind) => kind is KnownHeader.Other or KnownHeader.UserAgent;

    /// <summary>Case-insensitive equality of ASCII bytes.</summary>
    public static bool Is(ReadOnlySpan<byte> name, ReadOnlySpan<byte> other) => Ascii.EqualsIgnoreCase(name, other);

    private static KnownHeader ClassifyEnvoy(ReadOnlySpan<byte> name) => name.Length switch
    {
        8 when Is(name, "retry-on"u8) => KnownHeader.EnvoyControl,
        10 when Is(name, "overloaded"u8) => KnownHeader.EnvoyOverloaded,
        11 when Is(name, "max-retries"u8) => KnownHeader.EnvoyControl,
        13 when Is(name, "attempt-count"u8) => KnownHeader.EnvoyAttemptCount,
        13 when Is(name, "retry-grpc-on"u8) => KnownHeader.EnvoyControl,
        21 when Is(name, "upstream-service-time"u8) => KnownHeader.EnvoyUpstreamServiceTime,
        22 when Is(name, "expected-rq-timeout-ms"u8) => KnownHeader.EnvoyExpectedTimeout,
        22 when Is(name, "upstream-rq-timeout-ms"u8) => KnownHeader.EnvoyControl,
        22 when Is(name, "retriable-status-codes"u8) => KnownHeader.EnvoyControl,
        22 when Is(name, "retriable-header-names"u8) => KnownHeader.EnvoyControl,
        24 when Is(name, "hedge-on-per-try-timeout"u8) => KnownHeader.EnvoyControl,
        30 when Is(name, "upstream-rq-per-try-timeout-ms"u8) => KnownHeader.EnvoyControl,
        32 when Is(name, "upstream-rq-timeout-alt-response"u8) => KnownHeader.EnvoyControl,
        _ => KnownHeader.Other,
    };
}
