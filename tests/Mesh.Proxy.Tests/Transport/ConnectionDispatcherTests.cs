using System.IO.Pipelines;
using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Transport;

/// <summary>Who may use the outbound listener, and what an exception that nobody foresaw does.</summary>
public sealed class ConnectionDispatcherTests : IRequestSink
{
    private readonly ProxyStats _stats = new();

    public bool WantsText => false;

    [Theory]
    [InlineData("10.1.2.3", false, 1)]
    [InlineData("127.0.0.1", false, 0)]
    [InlineData("::1", false, 0)]
    [InlineData("10.1.2.3", true, 0)]
    public async Task Outbound_RefusesWhoIsNotLocal(string remote, bool inbound, long refused)
    {
        await RunAsync(remote, inbound, static () => new RouteTable(new RouteConfig([])));
        Assert.Equal(refused, (inbound ? _stats.Inbound : _stats.Outbound).CxNotRedirected.Value);
        Assert.Equal(0, _stats.UnexpectedExceptions.Value);
    }

    [Fact]
    public async Task Bug_IsCountedAndEndsTheConnectionOnly()
    {
        ConnectionRegistry registry = await RunAsync("127.0.0.1", inbound: false, static () => throw new InvalidOperationException("a bug"));
        Assert.Equal(1, _stats.UnexpectedExceptions.Value);
        Assert.Equal(0, registry.Count);
        Assert.Equal(0, _stats.Outbound.CxActive.Value);
    }

    void IRequestSink.OnFinished(RequestRecord record)
    {
    }

    void IRequestSink.OnTcpOpened(RequestRecord record)
    {
    }

    private async Task<ConnectionRegistry> RunAsync(string remote, bool inbound, Func<RouteTable> routes)
    {
        ProxyRuntime runtime = new(new FakeTimeProvider(), new ScriptedRandom(), NullLoggerFactory.Instance);
        using ClusterManager clusters = new(runtime, new FakeConnector(), static _ => { }, _stats);
        ProxyContext context = new()
        {
            Runtime = runtime,
            Clusters = clusters,
            Stats = _stats,
            Sink = this,
            Routes = routes,
            OwnAddresses = static () => [],
        };
        ConnectionRegistry registry = new();
        Pipe input = new();
        Pipe output = new();
        await input.Writer.WriteAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray());
        await input.Writer.CompleteAsync();
        QuietConnection connection = new(new Duplex(input.Reader, output.Writer), new Duplex(output.Reader, input.Writer))
        {
            RemoteEndPoint = new IPEndPoint(IPAddress.Parse(remote), 5),
        };
        ListenerSide side = new(inbound, inbound ? "inbound|1||" : null, inbound ? _stats.Inbound : _stats.Outbound);
        await new ConnectionDispatcher(context, registry).RunAsync(connection, side).WaitAsync(TimeSpan.FromSeconds(10));
        return registry;
    }

    /// <summary>The base class aborts on another thread and trips over its own disposal.</summary>
    private sealed class QuietConnection(IDuplexPipe transport, IDuplexPipe application) : DefaultConnectionContext("1", transport, application)
    {
        public override void Abort(ConnectionAbortedException abortReason)
        {
        }
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
