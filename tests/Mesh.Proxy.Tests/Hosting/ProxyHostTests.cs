using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Hosting;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Component;
using Mesh.Proxy.Transport;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>What only real sockets show: bound addresses, half-closes and resets, drains.</summary>
public abstract class ProxyHostTests(TransportKind transport)
{
    private const string Get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task Request_ThroughSockets_ReachesTheUpstreamAndComesBack()
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody");
        using SocketPeer upstream = await harness.AcceptAsync();

        Assert.EndsWith("\r\n\r\nbody", await upstream.ReadUntilAsync("body"), StringComparison.Ordinal);
        await upstream.SendAsync(Ok);
        Assert.EndsWith("\r\n\r\nok", await client.ReadUntilAsync("ok"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_OnATakenAddress_NamesIt()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        ProxyOptions options = new() { Outbound = (IPEndPoint)taken.LocalEndpoint };
        await using ProxyHost host = new(
            new ProxyRuntime(new FakeTimeProvider(), new ScriptedRandom(), NullLoggerFactory.Instance), options, new ProxyStats(), new RecordingSink(), static _ => { });

        IOException refusal = await Assert.ThrowsAsync<IOException>(() => host.StartAsync(CancellationToken.None));

        Assert.StartsWith($"cannot listen on {taken.LocalEndpoint}: ", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    [Fact]
    public async Task EarlyAnswer_ToALongUpload_IsNotLostInAReset()
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n");
        using SocketPeer upstream = await harness.AcceptAsync();
        await upstream.ReadUntilAsync("\r\n\r\n");
        await upstream.SendAsync("HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno");
        await harness.Sink.NextAsync();

        await client.SendAsync(new string('x', 2_000_000)); // the client has not looked yet

        Assert.EndsWith("\r\n\r\nno", await client.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.False(client.WasReset);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "HTTP/1.1 400 ")]
    [InlineData("POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 90000000\r\n\r\n", "HTTP/1.1 502 ")]
    public async Task Refusal_BeforeABodyThatNobodyReads_IsNotLostInAReset(string head, string answer)
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync(head);
        await harness.Sink.NextAsync();

        await client.SendAsync(new string('x', 2_000_000));

        Assert.StartsWith(answer, await client.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.False(client.WasReset);
    }

    [Fact]
    public async Task ClientThatNeverEnds_AfterAClose_IsCutOffInTheEnd()
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        using SocketPeer client = await harness.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
        await client.ReadToEndAsync();

        await Eventually.HoldsAsync(
            () =>
            {
                harness.Time.Advance(TimeSpan.FromSeconds(1)); // again: the wait for the client's end may begin only now
                return harness.Host.Connections == 0;
            },
            "the connection is gone");
    }

    [Fact]
    public async Task Drain_FinishesWhatIsInFlight_ClosesTheIdle_ServesTheNew_AndClosesItsListenersLast()
    {
        await using HostHarness harness = await HostHarness.StartAsync(time: TimeProvider.System, transport: transport);
        using SocketPeer idle = await harness.ConnectAsync();
        using SocketPeer silentInbound = await SocketPeer.ConnectAsync(harness.Host.Inbound!);
        using SocketPeer busy = await harness.ConnectAsync();
        await busy.SendAsync(Get);
        using SocketPeer upstream = await harness.AcceptAsync();
        await upstream.ReadUntilAsync("\r\n\r\n");
        await Eventually.HoldsAsync(() => harness.Host.Connections == 3, "three connections");

        Task drained = harness.Host.DrainAsync(TimeSpan.FromSeconds(60));

        Assert.Equal("", await idle.ReadToEndAsync());
        Assert.Equal("", await silentInbound.ReadToEndAsync());
        using SocketPeer late = await harness.ConnectAsync();
        await late.SendAsync(Get);
        using SocketPeer lateUpstream = await harness.AcceptAsync();
        await lateUpstream.ReadUntilAsync("\r\n\r\n");
        await lateUpstream.SendAsync(Ok);
        Assert.Contains("connection: close\r\n", await late.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.False(drained.IsCompleted);
        await upstream.SendAsync(Ok);
        Assert.Contains("connection: close\r\n", await busy.ReadToEndAsync(), StringComparison.Ordinal);
        busy.Dispose();
        await drained.WaitAsync(TimeSpan.FromSeconds(10));
        await Assert.ThrowsAsync<SocketException>(harness.ConnectAsync);
    }

    [Fact]
    public async Task Drain_ToldToEndAtOnce_CutsOff()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        using SocketPeer busy = await harness.ConnectAsync();
        await busy.SendAsync(Get);
        using SocketPeer upstream = await harness.AcceptAsync();
        await upstream.ReadUntilAsync("\r\n\r\n");
        using CancellationTokenSource atOnce = new();
        Task drained = harness.Host.DrainAsync(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(60), atOnce.Token);
        Assert.False(drained.IsCompleted);

        await atOnce.CancelAsync();

        await drained.WaitAsync(TimeSpan.FromSeconds(10));
        await busy.ReadToEndAsync();
        Assert.True(busy.WasReset);
    }

    [Fact]
    public async Task Drain_WithNobodyThere_StillAcceptsForTheShortestTime()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        Task drained = harness.Host.DrainAsync(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5));

        using (SocketPeer late = await harness.ConnectAsync())
        {
            Assert.False(drained.IsCompleted);
        }

        await Eventually.HoldsAsync(() => harness.Stats.Outbound.CxTotal.Value == 1 && harness.Host.Connections == 0, "it came and went");
        harness.Time.Advance(TimeSpan.FromSeconds(5));
        await drained.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Drain_PastItsLimit_CutsOff()
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        using SocketPeer busy = await harness.ConnectAsync();
        await busy.SendAsync(Get);
        using SocketPeer upstream = await harness.AcceptAsync();
        await upstream.ReadUntilAsync("\r\n\r\n");

        int armed = harness.Time.ArmedTimers;
        Task drained = harness.Host.DrainAsync(TimeSpan.FromSeconds(5));
        await Eventually.HoldsAsync(() => harness.Time.ArmedTimers > armed, "the drain waits");
        Assert.False(drained.IsCompleted);
        harness.Time.Advance(TimeSpan.FromSeconds(5));

        await drained.WaitAsync(TimeSpan.FromSeconds(10));
        await busy.ReadToEndAsync();
        Assert.True(busy.WasReset);
        Assert.Equal(ResponseFlag.DC, (await harness.Sink.NextAsync()).Flag);
    }

    [Fact]
    public async Task Drain_PastItsLimit_CutsOffARelayThatWaitsForItsUpstreamOnly()
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        using SocketPeer client = await SocketPeer.ConnectAsync(harness.Host.Inbound!);
        await client.SendAsync("*opaque");
        using SocketPeer upstream = await harness.AcceptAsync();
        client.EndSending();
        await upstream.ReadToEndAsync();

        await harness.Host.DrainAsync(TimeSpan.Zero);

        await upstream.ReadToEndAsync();
        await Eventually.HoldsAsync(() => harness.Host.Connections == 0, "the relay is gone");
    }

    [Fact]
    public async Task Target_ThatIsATcpListenerOfOurs_IsALoop()
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        int port = HostHarness.FreePort();
        await harness.ApplyAsync(null, HostHarness.TcpListenerOn(port));
        using SocketPeer client = await harness.ConnectAsync();

        await client.SendAsync($"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n");

        Assert.Contains("x-mesh-reason: loop; ", await client.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true)]
    [InlineData("*1\r\n$4\r\nPING\r\n", false)]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false)]
    [InlineData("SSH-2.0-client\r\n\r\n", false)]
    public async Task Inbound_TellsHttpFromTheRest(string first, bool isHttp)
    {
        await using HostHarness harness = await HostHarness.StartAsync(transport: transport);
        using SocketPeer client = await SocketPeer.ConnectAsync(harness.Host.Inbound!);
        await client.SendAsync(first);
        using SocketPeer upstream = await harness.AcceptAsync();

        string seen = await upstream.ReadUntilAsync(first[^4..]);

        Assert.Equal(isHttp, seen.Contains("x-forwarded-proto", StringComparison.Ordinal));
        Assert.Equal(isHttp, seen != first);
        client.Reset();
        Assert.Equal(!isHttp, (await harness.Sink.NextAsync()).IsTcp);
    }
}

/// <summary>On event loops.</summary>
public sealed class ProxyHostOnEpollTests() : ProxyHostTests(TransportKind.Epoll);

/// <summary>On Kestrel's sockets: the same behaviour.</summary>
public sealed class ProxyHostOnSocketsTests() : ProxyHostTests(TransportKind.Sockets);
