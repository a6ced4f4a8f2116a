using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// Where to connect in the name of a client, from its address, which this machine does not have (IP_TRANSPARENT). Needs CAP_NET_ADMIN and the kernel's rules of TPROXY
/// mode, which lead the answers back. Equal to the same place in anybody's name: it is one endpoint, whose connections are each of one client.
/// </summary>
/// <param name="address">Address to connect to.</param>
/// <param name="port">Port to connect to.</param>
/// <param name="client">The client, with the port it calls from.</param>
internal class BorrowedEndPoint(IPAddress address, int port, IPEndPoint client) : SourcedEndPoint(address, port, client.Address)
{
    /// <summary>How many ports to try: one may be in use, or its last connection have ended a moment ago.</summary>
    public const int PortTries = 16;

    /// <summary>Mark of the packets of such a connection, by which the kernel's rules know it.</summary>
    public const int Mark = 1337;

    private const int FirstPort = 10_000;
    private const int EndOfPorts = 32_768; // here those begin that systems give to their own connections

    private int _lastPort = client.Port; // differs from connection to connection of a client, and so do the ports made of it
    private ClientAddresses? _client;

    /// <summary>By whom connections to this place are told apart: all that the client makes are one another's equals, whatever port it calls from.</summary>
    public ClientAddresses Client => _client ??= new ClientAddresses(new IPEndPoint(Source, 0), this);

    /// <summary>
    /// Where the next connection may come from: a port that the client will hardly have. If it called the same address from that very port, the kernel could not tell its
    /// connection to us from ours to the application.
    /// </summary>
    public virtual IPEndPoint NextSource()
    {
        int port = NextPort();
        return new IPEndPoint(Source, port == client.Port ? NextPort() : port); // some systems give their own connections any port
    }

    /// <summary>Lets <paramref name="socket"/> come from an address that this machine does not have, before it is bound.</summary>
    /// <exception cref="SocketException">The process lacks CAP_NET_ADMIN.</exception>
    public static void Allow(Socket socket)
    {
        const int SolSocket = 1, SoMark = 36;
        TransparentEndPoint.Allow(socket);
        socket.SetRawSocketOption(SolSocket, SoMark, BitConverter.GetBytes(Mark));
    }

    private int NextPort() => FirstPort + (int)((uint)Interlocked.Increment(ref _lastPort) % (EndOfPorts - FirstPort));
}
