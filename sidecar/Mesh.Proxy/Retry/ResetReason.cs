namespace Mesh.Proxy.Retry;

/// <summary>Why an attempt got no answer (semantics 5.3). What retry conditions go by.</summary>
internal enum ResetReason : byte
{
    /// <summary>A limit of this sidecar refused it.</summary>
    Overflow,

    /// <summary>The connection was refused, or died while it was made.</summary>
    ConnectFailure,

    /// <summary>The connection was not made in time.</summary>
    ConnectTimeout,

    /// <summary>The upstream closed or reset the connection.</summary>
    ConnectionTermination,

    /// <summary>The answer breaks HTTP.</summary>
    ProtocolError,

    /// <summary>This side gave the attempt up: its time was over, or the upstream took no bytes.</summary>
    LocalReset,

    /// <summary>HTTP/2: the upstream refused the stream before it looked at it.</summary>
    RefusedStream,
}
