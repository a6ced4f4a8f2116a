namespace Mesh.Proxy.Http;

/// <summary>
/// Limits of time and number for the connections of clients, all listeners together. Zero is off, everywhere. Names and defaults are Envoy's where it has
/// them. Immutable.
/// </summary>
public sealed record ConnectionLimits
{
    /// <summary>The limits when nobody sets others.</summary>
    public static ConnectionLimits Default { get; } = new();

    /// <summary>
    /// Longest time from the first byte of a head to its last; then 408. Envoy recommends 60 s at the edge and has none elsewhere; programs write a head at
    /// once, so that nobody honest comes near it, and a client that sends a byte now and then holds a connection for a minute, not for ever.
    /// </summary>
    public TimeSpan RequestHeaders { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Longest silence inside a request, in both directions together; then 408 while the request is incomplete, 504 while the answer has not begun, else both
    /// connections are cut off. Envoy's stream_idle_timeout.
    /// </summary>
    public TimeSpan StreamIdle { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Longest silence between requests; then the connection is closed. Envoy's idle_timeout.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Requests that one connection carries; the answer to the last says <c>connection: close</c>.</summary>
    public int MaxRequestsPerConnection { get; init; }

    /// <summary>Connections at the same time; one more is closed without a byte.</summary>
    public int MaxConnections { get; init; }
}
