using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Config;
using Mesh.Proxy.Hosting;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Component;
using Mesh.Proxy.Transport;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>A whole proxy on loopback in front of one upstream that the test plays. The clock is fake unless told otherwise.</summary>
internal sealed class HostHarness : IAsyncDisposable
{
    public const string Name = "outbound|80||a.test";
    public const string TcpName = "outbound|81||a.test";
    public const string InboundName = "inbound|8080||";

    private readonly TcpListener _upstream = new(IPAddress.Loopback, 0);

    private HostHarness(TimeProvider? time, TransportKind transport, InterceptionMode interception)
    {
        NoSynchronizationContext.Use();
        _upstream.Start();
        ProxyOptions options = new()
        {
            Outbound = new IPEndPoint(IPAddress.Loopback, 0),
            Inbound = new IPEndPoint(IPAddress.Loopback, 0),
            InboundCluster = InboundName,
            Transport = transport,
            Concurrency = 2,
            Interception = interception,
        };
        Host = new ProxyHost(new ProxyRuntime(time ?? Time, new ScriptedRandom(), Log), options, Stats, Sink, static _ => { });
    }

    public RecordingLoggerFactory Log { get; } = new();

    public FakeTimeProvider Time { get; } = new();

    public ProxyStats Stats { get; } = new();

    public RecordingSink Sink { get; } = new();

    public ProxyHost Host { get; }

    public static async Task<HostHarness> StartAsync(
        Func<ClusterConfig, ClusterConfig>? configure = null, TimeProvider? time = null, TransportKind transport = TransportKind.Auto,
        InterceptionMode interception = InterceptionMode.None)
    {
        HostHarness harness = new(time, transport, interception);
        await harness.Host.StartAsync(CancellationToken.None);
        ApplyResult applied = await harness.ApplyAsync(configure);
        Assert.Empty(applied.ListenerProblems);
        return harness;
    }

    /// <summary>Puts the one service in force, with these TCP listeners (<c>address:port|cluster</c>).</summary>
    public async Task<ApplyResult> ApplyAsync(Func<ClusterConfig, ClusterConfig>? configure, params ListenerConfig[] listeners)
    {
        ClusterConfig http = new() { Name = Name, ServiceHost = "a.test", Port = 80 };
        http = configure?.Invoke(http) ?? http;
        ImmutableArray<EndpointConfig> endpoints = [new EndpointConfig(_upstream.LocalEndpoint.ToString()!)];
        ClusterConfig[] clusters =
        [
            http,
            http with { Name = TcpName, Protocol = ClusterProtocol.Tcp },
            http with { Name = InboundName, IsInbound = true },
        ];
        ApplyResult result = await Host.Applier.ApplyAsync(new ProxySnapshot(
            "v", clusters.ToImmutableDictionary(static c => c.Name), clusters.ToImmutableDictionary(static c => c.Name, _ => endpoints),
            new RouteConfig([new VirtualHostConfig("a.test:80", 80, ["a.test"], Name)]), [.. listeners])
        {
            OutboundPolicy = OutboundTrafficPolicy.RegistryOnly,
        });
        Assert.True(result.IsAccepted, string.Join("; ", result.Errors));
        return result;
    }

    public static ListenerConfig TcpListenerOn(int port, string cluster = TcpName, string address = "127.0.0.1") =>
        new($"{address}_{port}", address, port, cluster, "ServiceEntry/default/a");

    /// <summary>Puts the service in force with a TCP listener; its port.</summary>
    public async Task<int> ListenTcpAsync(Func<ClusterConfig, ClusterConfig> configure)
    {
        while (true)
        {
            int port = FreePort();
            if ((await ApplyAsync(configure, TcpListenerOn(port))).ListenerProblems.Count == 0)
            {
                return port; // else another test has got it in between
            }
        }
    }

    public static int FreePort()
    {
        using TcpListener probe = new(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    public Task<SocketPeer> ConnectAsync() => SocketPeer.ConnectAsync(Host.Outbound!);

    /// <summary>The next connection to the upstream, as it is.</summary>
    public Task<Socket> AcceptSocketAsync() => _upstream.AcceptSocketAsync();

    public async Task<SocketPeer> AcceptAsync() => new(await _upstream.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(10)));

    /// <summary>Nobody has connected to the upstream and waits.</summary>
    public bool HasNoVisitor => !_upstream.Pending();

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        _upstream.Dispose();
        Assert.True(Log.Warnings.Count == 0, string.Join("\n", Log.Warnings));
        Assert.Equal(0, Stats.UnexpectedExceptions.Value);
        Assert.Equal(0, Host.Connections);
    }
}
