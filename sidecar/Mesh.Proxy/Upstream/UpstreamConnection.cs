using System.IO.Pipelines;

namespace Mesh.Proxy.Upstream;

/// <summary>One socket to an endpoint, rented for one stream at a time (HTTP/1.1, TCP).</summary>
public sealed class UpstreamConnection
{
    /// <summary>Bytes to and from the upstream. Only the renter may use it, between rent and release.</summary>
    public IDuplexPipe Transport => throw new NotImplementedException();

    /// <summary>The endpoint it leads to.</summary>
    public Endpoint Endpoint => throw new NotImplementedException();

    /// <summary>True when an earlier stream has used it: a failure before the first response byte may be a stale keep-alive.</summary>
    public bool IsReused => throw new NotImplementedException();

    /// <summary>True when no further request may follow: the request should carry <c>connection: close</c> semantics towards the pool.</summary>
    public bool IsDraining => throw new NotImplementedException();

    /// <summary>Local address, cached text.</summary>
    public string LocalAddress => throw new NotImplementedException();

    /// <summary>Fires when the socket is dead.</summary>
    public CancellationToken Closed => throw new NotImplementedException();

    /// <summary>Ends the stream: the connection goes back to the pool if <paramref name="reusable"/>, else it is closed. Exactly once.</summary>
    public void Release(bool reusable) => throw new NotImplementedException();

    /// <summary>Closes the socket at once; a pending read or write on it ends. Release(false) must still be called.</summary>
    public void Abort() => throw new NotImplementedException();
}
