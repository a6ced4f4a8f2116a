using System.IO.Pipelines;
using System.Net;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>Connects on event loops. Thread-safe.</summary>
internal sealed class EpollConnector(EventLoopGroup loops) : IUpstreamConnector
{
    /// <inheritdoc/>
    public async ValueTask<ConnectResult> ConnectAsync(
        EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken)
    {
        EventLoop home = loop as EventLoop ?? EventLoop.Current ?? loops.LeastLoaded();
        await home.SwitchTo();
        Connecting connecting = new(home);
        int error = await connecting.RunAsync((IPEndPoint)endPoint, keepalive, cancellationToken);
        if (error != 0)
        {
            return new ConnectResult(null, error < 0 ? "connect cancelled" : SystemErrors.Text(error));
        }

        EpollConnection connection = new(home, connecting.Descriptor, isAccepted: false, SocketAddresses.OfSocket(connecting.Descriptor), endPoint);
        return connection.TryStart() ? new ConnectResult(connection, null) : new ConnectResult(null, "the kernel watches no more descriptors");
    }
}
