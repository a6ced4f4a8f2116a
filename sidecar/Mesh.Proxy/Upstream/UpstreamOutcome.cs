namespace Mesh.Proxy.Upstream;

/// <summary>What happened to an attempt, for outlier detection (semantics 3.1).</summary>
public enum UpstreamOutcome
{
    /// <summary>Response headers arrived; the code says the rest.</summary>
    Response,

    /// <summary>Connecting failed.</summary>
    ConnectFailure,

    /// <summary>Connecting took longer than allowed.</summary>
    ConnectTimeout,

    /// <summary>The connection died before or after the headers, or the upstream broke the protocol.</summary>
    Reset,

    /// <summary>A request deadline passed while waiting for headers.</summary>
    Timeout,

    /// <summary>TCP: the connection was made and is in use.</summary>
    TcpConnected,
}
