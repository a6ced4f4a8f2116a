using System.Net;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// Where to connect in the name of a client, from its address, which this machine does not have (IP_TRANSPARENT). Needs CAP_NET_ADMIN and the kernel's rules of TPROXY
/// mode, which lead the answers back. Not equal to the same place in another's name: connections are not shared between clients.
/// </summary>
/// <param name="address">Address to connect to.</param>
/// <param name="port">Port to connect to.</param>
/// <param name="source">Address of the client.</param>
internal sealed class BorrowedEndPoint(IPAddress address, int port, IPAddress source) : SourcedEndPoint(address, port, source)
{
    /// <summary>How many ports to try: one may be in use, or its last connection have ended a moment ago.</summary>
    public const int PortTries = 16;

    private const int FirstPort = 10_000;
    private const int EndOfPorts = 32_768; // here those begin that systems give to their own connections

    private static int _lastPort;

    /// <summary>
    /// Where the next connection may come from: a port that the client will hardly have. If it called the same address from that very port, the kernel could not tell its
    /// connection to us from ours to the application.
    /// </summary>
    public IPEndPoint NextSource() => new(Source, FirstPort + (int)((uint)Interlocked.Increment(ref _lastPort) % (EndOfPorts - FirstPort)));

    /// <inheritdoc/>
    public override bool Equals(object? comparand) => comparand is BorrowedEndPoint other && base.Equals(other) && Source.Equals(other.Source);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Source);
}
