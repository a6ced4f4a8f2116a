using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Transport;

/// <summary>What needs real sockets of both transports, but no rule of the kernel; redirected ones are in <c>tests/tools/check-passthrough.sh</c>.</summary>
public sealed class OriginalDestinationSocketTests
{
    [Theory]
    [InlineData(TransportKind.Sockets, "127.0.0.1", "127.0.0.1")]
    [InlineData(TransportKind.Epoll, "127.0.0.1", "127.0.0.1")]
    [InlineData(TransportKind.Sockets, "::", "127.0.0.1")]
    [InlineData(TransportKind.Epoll, "::", "127.0.0.1")]
    [InlineData(TransportKind.Sockets, "::", "::1")]
    [InlineData(TransportKind.Epoll, "::", "::1")]
    public async Task OfAConnectionThatNobodyRedirected_IsNone(TransportKind kind, string bound, string called)
    {
        using DataTransport transport = Start(kind);
        IConnectionListener listener = await transport.Listeners.BindAsync(new IPEndPoint(IPAddress.Parse(bound), 0));
        using Socket client = new(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(new IPEndPoint(IPAddress.Parse(called), ((IPEndPoint)listener.EndPoint).Port)).WaitAsync(TimeSpan.FromSeconds(10));
        ConnectionContext accepted = (await listener.AcceptAsync())!;
        Assert.Null(OriginalDestination.Of(accepted));
        await accepted.DisposeAsync();
        Assert.Null(OriginalDestination.Of(accepted)); // asked too late
        await listener.DisposeAsync();
    }

    [Theory]
    [InlineData(TransportKind.Sockets, "127.0.0.6", "127.0.0.6")]
    [InlineData(TransportKind.Epoll, "127.0.0.6", "127.0.0.6")]
    [InlineData(TransportKind.Sockets, "203.0.113.6", "127.0.0.1")] // not an address of this machine
    [InlineData(TransportKind.Epoll, "203.0.113.6", "127.0.0.1")]
    public async Task Connect_ComesFromTheSource_WhereThatIsPossible(TransportKind kind, string source, string expected)
    {
        using DataTransport transport = Start(kind);
        using TcpListener server = new(IPAddress.Loopback, 0);
        server.Start();
        SourcedEndPoint target = new(IPAddress.Loopback, ((IPEndPoint)server.LocalEndpoint).Port, IPAddress.Parse(source));
        ConnectResult result = await transport.Connector.ConnectAsync(target, null, null, CancellationToken.None);
        using Socket accepted = await server.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(expected, ((IPEndPoint)accepted.RemoteEndPoint!).Address.ToString());
        await result.Connection!.DisposeAsync();
    }

    private static DataTransport Start(TransportKind kind) =>
        DataTransport.Start(kind, 1, NullLoggerFactory.Instance, new BackgroundWork(NullLogger.Instance, new StripedCounter()));
}
