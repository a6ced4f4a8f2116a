using System.Collections.Immutable;
using System.Net;
using System.Threading.Channels;
using Mesh.Proxy.Config;
using Mesh.Proxy.Hosting;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>What a test keeps of a record, which the proxy reuses.</summary>
internal sealed record Seen(
    int Status, ResponseFlag Flag, ResponseFlag Second, string? Details, DecisionReason Reason, long Received, long Sent, string? RequestId, bool IsTcp);

/// <summary>A real proxy on loopback with a scripted upstream. Its end asserts that nothing is left active and no exception was a surprise.</summary>
internal sealed class ProxyFixture : IRequestSink, IAsyncDisposable
{
    public const string Name = "outbound|80||a.test";
    private readonly Channel<Seen> _records = Channel.CreateUnbounded<Seen>();

    private ProxyFixture(TimeProvider time, bool inbound)
    {
        IPEndPoint any = new(IPAddress.Loopback, 0);
        Host = new ProxyHost(
            new ProxyRuntime(time, new Random(1), NullLoggerFactory.Instance),
            new ProxyOptions { Outbound = any, Inbound = inbound ? any : null, InboundCluster = Name }, Stats, this, static _ => { });
    }

    public ScriptedUpstream Upstream { get; } = new();

    public ProxyHost Host { get; }

    public ProxyStats Stats { get; } = new();

    public Cluster Cluster => Host.Clusters.Find(Name)!;

    public bool WantsText => true;

    public static ClusterConfig Config { get; } = new() { Name = Name, ServiceHost = "a.test", Port = 80 };

    public static async Task<ProxyFixture> StartAsync(
        ClusterConfig? config = null, TimeProvider? time = null, bool inbound = false, string[]? endpoints = null)
    {
        ProxyFixture fixture = new(time ?? TimeProvider.System, inbound);
        await fixture.Host.StartAsync(CancellationToken.None);
        await fixture.ApplyAsync(config ?? Config, endpoints ?? [fixture.Upstream.Address], []);
        return fixture;
    }

    public async Task ApplyAsync(ClusterConfig config, string[] endpoints, ImmutableArray<ListenerConfig> listeners)
    {
        ApplyResult result = await Host.Applier.ApplyAsync(ProxySnapshot.Empty with
        {
            Version = Guid.NewGuid().ToString(),
            Clusters = ImmutableDictionary<string, ClusterConfig>.Empty.Add(config.Name, config),
            Endpoints = ImmutableDictionary<string, ImmutableArray<EndpointConfig>>.Empty.Add(config.Name, [.. endpoints.Select(e => new EndpointConfig(e))]),
            Routes = new RouteConfig([new VirtualHostConfig("a.test:80", 80, ["a.test"], config.Name)]),
            Listeners = listeners,
            OutboundPolicy = OutboundTrafficPolicy.RegistryOnly,
        });
        Assert.True(result.IsAccepted, string.Join("; ", result.Errors));
    }

    public Task<RawPeer> ConnectAsync() => RawPeer.ConnectAsync(Host.Outbound!);

    public Task<RawPeer> ConnectTcpAsync() => RawPeer.ConnectAsync(new IPEndPoint(IPAddress.Loopback, Host.Listeners.Bound[0].Port));

    /// <summary>Sends one request and hands over both ends, the request head read.</summary>
    public async Task<(RawPeer Client, RawPeer Server, string Head)> ExchangeAsync(string request)
    {
        RawPeer client = await ConnectAsync();
        await client.SendAsync(request);
        RawPeer server = await Upstream.AcceptAsync();
        return (client, server, await server.ReadHeadAsync());
    }

    public async Task<Seen> RecordAsync() => await _records.Reader.ReadAsync().AsTask().WaitAsync(RawPeer.Patience);

    public void OnFinished(RequestRecord record) => _records.Writer.TryWrite(new Seen(
        record.ResponseCode, record.Flag, record.SecondFlag, record.Details, record.Decision.Reason, record.BytesReceived, record.BytesSent,
        record.RequestId, record.IsTcp));

    public void OnTcpOpened(RequestRecord record)
    {
    }

    public async ValueTask DisposeAsync()
    {
        Cluster? cluster = Host.Clusters.Find(Name);
        await Host.DisposeAsync();
        Upstream.Dispose();
        await Eventually.HoldsAsync(() => Host.Connections == 0 && Stats.Outbound.CxActive.Value == 0, "all connections have ended");
        Assert.Equal(0, Stats.Outbound.RqActive.Value);
        Assert.Equal(0, Stats.Inbound.RqActive.Value);
        Assert.Equal(0, cluster?.Stats.RqActive.Value ?? 0);
        Assert.Equal(0, Stats.UnexpectedExceptions.Value);
    }
}
