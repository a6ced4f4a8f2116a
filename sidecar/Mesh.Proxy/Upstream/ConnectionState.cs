namespace Mesh.Proxy.Upstream;

/// <summary>Life of one upstream connection. Draining is a mark on a busy or connecting one, not a state: it only decides what comes after.</summary>
internal enum ConnectionState
{
    /// <summary>Being made. Next: Busy, Ready, Closing.</summary>
    Connecting,

    /// <summary>Idle in the pool. Next: Busy, Closing.</summary>
    Ready,

    /// <summary>Carries a stream. Next: Busy (handed to the oldest waiter), Ready, Closing.</summary>
    Busy,

    /// <summary>Carries nothing any more but still counts until its socket is closed. Final.</summary>
    Closing,
}
