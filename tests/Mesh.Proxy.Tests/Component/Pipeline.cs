using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Http1;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>
/// The real pipeline from dispatcher to pools over memory, on a fake clock. One service, <c>a.test</c> on port 80, and a route <c>lost.test</c> whose cluster
/// is missing. Disposing it asserts that every connection ended, no gauge leaked and nothing unexpected happened.
/// </summary>
internal sealed class Pipeline : IAsyncDisposable
{
    public const string Name = "outbound|80||a.test";
    public const string OtherName = "outbound|80|other|a.test"; // where only routes lead
    public const string InboundName = "inbound|8080||";

    private readonly ConnectionDispatcher _dispatcher;
    private readonly List<Task> _served = [];
    private readonly List<MemoryConnection> _clients = [];

    public Pipeline(
        Func<ClusterConfig, ClusterConfig>? configure = null, int endpoints = 1, IRequestSink? sink = null, ConnectionLimits? limits = null,
        RetryConfig? retry = null, TimeSpan timeout = default, Random? random = null,
        params ImmutableArray<HttpRouteConfig> routes)
    {
        NoSynchronizationContext.Use();
        ProxyRuntime runtime = new(Time, random ?? new ScriptedRandom(), NullLoggerFactory.Instance);
        Clusters = new ClusterManager(runtime, Upstreams, static _ => { }, Stats, Dns);
        ClusterConfig config = new()
        {
            Name = Name,
            ServiceHost = "a.test",
            Port = 80,
            ConnectionPoolSource = "default/a#spec.trafficPolicy.connectionPool",
        };
        ImmutableArray<EndpointConfig> addresses = [.. Enumerable.Range(1, endpoints).Select(static i => new EndpointConfig($"10.0.0.{i}:80"))];
        config = configure?.Invoke(config) ?? config;
        Clusters.AddOrUpdate([(config, addresses), (config with { Name = InboundName, IsInbound = true, InboundRetry = RetryConfig.InboundDefault }, addresses), (config with { Name = OtherName }, addresses)]);
        Cluster = Clusters.Find(Name)!;
        RouteTable table = new(new RouteConfig([
            new VirtualHostConfig("a.test:80", 80, ["a.test", "*.wild.test", "10.9.0.7", "10.20.0.0/16"], Name) { Routes = routes.IsDefaultOrEmpty ? RoutesOf(retry, timeout) : routes },
            new VirtualHostConfig("lost.test:80", 80, ["lost.test"], "outbound|80||lost.test"),
            new VirtualHostConfig("tls.test:443", 443, ["tls.test"], OtherName) { IsTunnelOnly = true }]), Stats.Routes);
        Context = new ProxyContext
        {
            Runtime = runtime,
            Clusters = Clusters,
            Stats = Stats,
            Sink = sink ?? Sink,
            Limits = limits ?? ConnectionLimits.Default,
            Routes = () => table,
            OutboundPolicy = () => Policy,
            OwnAddresses = () => [new IPEndPoint(IPAddress.Loopback, 15_001), new IPEndPoint(IPAddress.Any, 15_006)],
        };
        Clusters.OwnAddresses = Context.OwnAddresses;
        _dispatcher = new ConnectionDispatcher(Context, Registry);
        Outbound = new ListenerSide(IsInbound: false, null, Stats.Outbound);
        Inbound = new ListenerSide(IsInbound: true, InboundName, Stats.Inbound);
        Tcp = new ListenerSide(IsInbound: false, Name, Stats.Outbound);
    }

    public FakeTimeProvider Time { get; } = new();

    public FakeDnsClient Dns { get; } = new();

    public MemoryConnector Upstreams { get; } = new();

    public ProxyStats Stats { get; } = new();

    public RecordingSink Sink { get; } = new();

    public ClusterManager Clusters { get; }

    public ProxyContext Context { get; }

    public ConnectionRegistry Registry { get; } = new();

    public ExchangePool Exchanges => _dispatcher.Exchanges;

    public ListenerSide Outbound { get; }

    public ListenerSide Inbound { get; }

    /// <summary>A TCP listener in front of the cluster.</summary>
    public ListenerSide Tcp { get; }

    public Cluster Cluster { get; }

    /// <summary>What becomes of calls for nobody.</summary>
    public OutboundTrafficPolicy Policy { get; set; }

    public Redirection Redirection => _dispatcher.Redirection;

    /// <summary>A client whose connection the kernel has redirected.</summary>
    public MemoryConnection ConnectRedirected(string dialled, ListenerSide? side = null, string from = "10.1.1.1")
    {
        IPEndPoint caller = new(IPAddress.Parse(from), 50_000);
        return Connect(side, from: caller, dialled: IPEndPoint.Parse(dialled));
    }

    /// <summary>A client connects.</summary>
    public MemoryConnection Connect(ListenerSide? side = null, long windowBytes = 0, IPEndPoint? from = null, IPEndPoint? dialled = null, IPEndPoint? local = null)
    {
        MemoryConnection client = new(windowBytes);
        client.Features.Set<IOriginalDestinationFeature>(new Dialled(dialled));
        client.RemoteEndPoint = from ?? client.RemoteEndPoint;
        client.LocalEndPoint = local ?? client.LocalEndPoint;
        _clients.Add(client);
        _served.Add(_dispatcher.RunAsync(client, side ?? Outbound));
        return client;
    }

    /// <summary>A client connects and sends.</summary>
    public async Task<MemoryConnection> SendAsync(string request, ListenerSide? side = null)
    {
        MemoryConnection client = Connect(side);
        await client.SendAsync(request);
        return client;
    }

    private sealed record Dialled(IPEndPoint? OriginalDestination) : IOriginalDestinationFeature;

    // With retries or a timeout, one route that everything matches.
    private static ImmutableArray<HttpRouteConfig> RoutesOf(RetryConfig? retry, TimeSpan timeout) => retry is null && timeout == TimeSpan.Zero ? []
        : [new HttpRouteConfig { Name = "all", Source = "default/a#spec.http[0]", Clusters = [new WeightedClusterConfig(Name)], Retry = retry, Timeout = timeout }];

    public async ValueTask DisposeAsync()
    {
        foreach (MemoryConnection client in _clients.Where(static c => !c.IsDisposed))
        {
            client.Reset();
        }

        await Task.WhenAll(_served).WaitAsync(TimeSpan.FromSeconds(10));
        Clusters.Dispose();
        Assert.Equal(0, Stats.UnexpectedExceptions.Value);
        Assert.Equal(0, Registry.Count);
        foreach (DownstreamStats side in (DownstreamStats[])[Stats.Outbound, Stats.Inbound])
        {
            Assert.Equal(0, side.CxActive.Value);
            Assert.Equal(0, side.RqActive.Value);
        }

        Assert.Equal(0, Cluster.Stats.RqRetryActive.Value);
        Assert.Equal(0, Context.RetryMemory.Used);
    }
}
