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

    [Fact]
    public async Task Connect_InAClientsName_TakesAPortThatHadAConnectionAMomentAgo_AndNotOneThatHasOneNow()
    {
        using DataTransport transport = Start(TransportKind.Epoll);
        using TcpListener first = new(IPAddress.Loopback, 0), second = new(IPAddress.Loopback, 0);
        first.Start();
        second.Start();
        int port = FreePort(), other = FreePort();
        await ConnectAsync(first, port, stays: false);
        await ConnectAsync(second, port, stays: true);
        await ConnectAsync(second, other, stays: false, port, other);

        async Task ConnectAsync(TcpListener server, int expected, bool stays, params int[] ports)
        {
            Borrowed target = new((IPEndPoint)server.LocalEndpoint, ports.Length > 0 ? ports : [expected]);
            ConnectResult result = await transport.Connector.ConnectAsync(target, null, null, CancellationToken.None);
            Assert.Null(result.FailureText);
            Socket accepted = await server.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(10));
            Assert.Equal(expected, ((IPEndPoint)accepted.RemoteEndPoint!).Port);
            if (!stays)
            {
                await result.Connection!.DisposeAsync(); // who ends first keeps the port for a minute
                Assert.Equal(0, await accepted.ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(10)));
                accepted.Dispose();
            }
        }
    }

    [Fact]
    public void NextSource_IsNeverThePortThatTheClientCallsFrom()
    {
        IPEndPoint client = IPEndPoint.Parse("10.1.1.2:20000");
        BorrowedEndPoint place = new(IPAddress.Loopback, 80, client);
        Assert.DoesNotContain(client, Enumerable.Range(0, 30_000).Select(_ => place.NextSource())); // more than there are
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>In the name of this machine itself, which needs no capability, from the given ports, one after the other.</summary>
    private sealed class Borrowed(IPEndPoint place, int[] ports) : BorrowedEndPoint(place.Address, place.Port, new IPEndPoint(IPAddress.Loopback, 1))
    {
        private int _next;

        public override IPEndPoint NextSource() => new(Source, ports[_next++ % ports.Length]);
    }

    private static DataTransport Start(TransportKind kind) =>
        DataTransport.Start(kind, 1, NullLoggerFactory.Instance, new BackgroundWork(NullLogger.Instance, new StripedCounter()));
}
