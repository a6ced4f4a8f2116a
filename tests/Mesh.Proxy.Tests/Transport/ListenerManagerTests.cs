using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Config;
using Mesh.Proxy.Tests.Hosting;
using Mesh.Proxy.Transport;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Transport;

public sealed class ListenerManagerTests
{
    [Fact]
    public async Task Update_AddressThatIsTaken_IsAProblemAndTheRestGoesOn()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        int takenPort = ((IPEndPoint)taken.LocalEndpoint).Port;
        int freePort = HostHarness.FreePort();

        ApplyResult result = await harness.ApplyAsync(null, HostHarness.TcpListenerOn(takenPort), HostHarness.TcpListenerOn(freePort));

        (ListenerConfig listener, string problem) = Assert.Single(result.ListenerProblems);
        Assert.Equal(takenPort, listener.Port);
        Assert.StartsWith($"cannot listen on 127.0.0.1:{takenPort}: ", problem, StringComparison.Ordinal);
        Assert.Equal([freePort], harness.Host.Listeners.Bound.Select(static l => l.Port));
        using SocketPeer client = await ConnectAsync(freePort);
    }

    [Theory]
    [InlineData("no address", "'no address' is no IP address")]
    [InlineData("203.0.113.77", "cannot listen on 203.0.113.77:")]
    public async Task Update_AddressThatCannotBe_IsAProblem(string address, string problem)
    {
        await using HostHarness harness = await HostHarness.StartAsync();

        ApplyResult result = await harness.ApplyAsync(null, HostHarness.TcpListenerOn(HostHarness.FreePort(), address: address));

        Assert.StartsWith(problem, Assert.Single(result.ListenerProblems).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Update_Block_IsDialledThroughRedirectsOnly_AndBoundNowhere()
    {
        await using HostHarness harness = await HostHarness.StartAsync();

        ApplyResult result = await harness.ApplyAsync(null, HostHarness.TcpListenerOn(3306, address: "10.0.0.0/8"));

        Assert.Empty(result.ListenerProblems);
        Assert.Empty(harness.Host.Listeners.Bound);
    }

    [Fact]
    public async Task Update_WhereEverythingIsRedirected_NothingIsBound()
    {
        await using HostHarness harness = await HostHarness.StartAsync(interception: InterceptionMode.Redirect);

        ApplyResult result = await harness.ApplyAsync(null, HostHarness.TcpListenerOn(3306, address: "203.0.113.77"));

        Assert.Empty(result.ListenerProblems);
        Assert.Empty(harness.Host.Listeners.Bound);
    }

    [Fact]
    public async Task Update_AddressOfAServiceElsewhere_IsNoProblem()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        int port = HostHarness.FreePort();

        ApplyResult result = await harness.ApplyAsync(
            null, HostHarness.TcpListenerOn(port, address: "203.0.113.77") with { Source = "" }, HostHarness.TcpListenerOn(port) with { Source = "" });

        Assert.Empty(result.ListenerProblems);
        Assert.Equal("127.0.0.1", Assert.Single(harness.Host.Listeners.Bound).Address);
    }

    [Fact]
    public async Task Update_OneAddressTwice_FirstHasIt()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        int port = HostHarness.FreePort();

        ApplyResult result = await harness.ApplyAsync(
            null, HostHarness.TcpListenerOn(port), HostHarness.TcpListenerOn(port, HostHarness.Name));

        Assert.StartsWith($"127.0.0.1:{port} is taken by ", Assert.Single(result.ListenerProblems).Problem, StringComparison.Ordinal);
        Assert.Equal(HostHarness.TcpName, Assert.Single(harness.Host.Listeners.Bound).Cluster);
    }

    [Fact]
    public async Task Update_ListenerLeaves_StopsAcceptingAndKeepsItsConnections()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        int port = HostHarness.FreePort();
        await harness.ApplyAsync(null, HostHarness.TcpListenerOn(port));
        using SocketPeer client = await ConnectAsync(port);
        using SocketPeer upstream = await harness.AcceptAsync();

        await harness.ApplyAsync(null);

        Assert.Empty(harness.Host.Listeners.Bound);
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(port));
        await client.SendAsync("still here");
        await upstream.ReadUntilAsync("still here");
    }

    [Fact]
    public async Task Update_ListenerStays_ItsSocketIsNotTouched()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        int port = HostHarness.FreePort();
        await harness.ApplyAsync(null, HostHarness.TcpListenerOn(port));
        using SocketPeer client = await ConnectAsync(port);
        using SocketPeer upstream = await harness.AcceptAsync();

        Assert.Empty((await harness.ApplyAsync(null, HostHarness.TcpListenerOn(port), HostHarness.TcpListenerOn(HostHarness.FreePort()))).ListenerProblems);

        await client.SendAsync("same");
        await upstream.ReadUntilAsync("same");
    }

    [Fact]
    public async Task Update_OtherClusterForAnAddress_TakesEffectForNewConnections()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        int port = HostHarness.FreePort();
        await harness.ApplyAsync(null, HostHarness.TcpListenerOn(port));
        using SocketPeer old = await ConnectAsync(port);
        using SocketPeer upstream = await harness.AcceptAsync();

        ApplyResult result = await harness.ApplyAsync(null, HostHarness.TcpListenerOn(port, HostHarness.Name));

        Assert.Empty(result.ListenerProblems);
        using SocketPeer client = await ConnectAsync(port);
        using SocketPeer next = await harness.AcceptAsync();
        client.Reset();
        Assert.Equal(HostHarness.Name, (await harness.Sink.NextAsync()).Cluster);
        await old.SendAsync("goes on");
        await upstream.ReadUntilAsync("goes on");
    }

    [Fact]
    public async Task Update_RouteToAnotherCluster_TakesEffectWithoutBindingAgain()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        ListenerConfig listener = HostHarness.TcpListenerOn(HostHarness.FreePort());
        await harness.ApplyAsync(null, listener);

        await harness.ApplyAsync(null, listener with { Routes = [new ConnectionRouteConfig { Clusters = [new WeightedClusterConfig(HostHarness.Name)] }] });

        using SocketPeer client = await ConnectAsync(listener.Port);
        using SocketPeer upstream = await harness.AcceptAsync();
        client.Reset();
        Assert.Equal(HostHarness.Name, (await harness.Sink.NextAsync()).Cluster);
    }

    [Fact]
    public async Task Update_RouteToAClusterThatDoesNotExist_EndsConnectionsAsNc()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        ListenerConfig listener = HostHarness.TcpListenerOn(HostHarness.FreePort()) with { Routes = [new ConnectionRouteConfig { Clusters = [new WeightedClusterConfig("outbound|1|v9|a")] }] };

        Assert.Empty((await harness.ApplyAsync(null, listener)).ListenerProblems);

        using SocketPeer client = await ConnectAsync(listener.Port);
        Assert.Equal("outbound|1|v9|a", (await harness.Sink.NextAsync()).Cluster);
        Assert.True(harness.HasNoVisitor);
    }

    [Fact]
    public async Task Update_AfterADrain_BindsNothing()
    {
        await using HostHarness harness = await HostHarness.StartAsync();
        await harness.Host.DrainAsync(TimeSpan.Zero);
        int port = HostHarness.FreePort();

        await harness.ApplyAsync(null, HostHarness.TcpListenerOn(port));

        Assert.Empty(harness.Host.Listeners.Bound);
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(port));
    }

    private static Task<SocketPeer> ConnectAsync(int port) => SocketPeer.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
}
