using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Compilation;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>
/// Rules from their text to the wire: YAML is read and compiled for one caller, the snapshot applied, and the real pipeline runs with it over memory, on a fake clock.
/// Upstreams answer with their own address unless the test plays them. Disposing it asserts that nothing is left over.
/// </summary>
internal sealed class RuleScene : IAsyncDisposable
{
    private readonly ConnectionDispatcher _dispatcher;
    private readonly SnapshotApplier _applier;
    private readonly SnapshotCompiler _compiler = new();
    private readonly ConnectionRegistry _registry = new();
    private readonly List<Task> _served = [];
    private readonly List<MemoryConnection> _clients = [];
    private readonly ProxyIdentity _self;
    private readonly ProxyContext _context;
    private readonly CancellationTokenSource _cutOff = new();

    private RuleScene(ProxyIdentity? self, Random? random)
    {
        _self = self ?? RuleTexts.Caller;
        ProxyRuntime runtime = new(Time, random ?? new ScriptedRandom(), NullLoggerFactory.Instance);
        Clusters = new ClusterManager(runtime, Upstreams, static _ => { }, Stats, Dns);
        _applier = new SnapshotApplier(Clusters, null, runtime, Stats);
        _context = new ProxyContext
        {
            Runtime = runtime,
            Clusters = Clusters,
            Stats = Stats,
            Sink = Sink,
            Routes = () => _applier.State.Routes,
            OutboundPolicy = () => _applier.State.Snapshot.OutboundPolicy,
            OwnAddresses = static () => [],
            CutOff = _cutOff.Token,
        };
        _dispatcher = new ConnectionDispatcher(_context, _registry);
    }

    public FakeTimeProvider Time { get; } = new();

    public FakeDnsClient Dns { get; } = new();

    public AnsweringUpstreams Upstreams { get; } = new();

    public ProxyStats Stats { get; } = new();

    public RecordingSink Sink { get; } = new();

    public ClusterManager Clusters { get; }

    public ProxySnapshot Snapshot => _applier.State.Snapshot;

    /// <summary>Applies <paramref name="rules"/> beside <see cref="RuleTexts.Services"/>.</summary>
    public static Task<RuleScene> StartAsync(params string[] rules) => StartWithAsync(null, null, [RuleTexts.Services, .. rules]);

    /// <summary>Applies these rules and no others, for this caller.</summary>
    public static Task<RuleScene> StartWithAsync(ProxyIdentity? self, Random? random, params string[] rules)
    {
        NoSynchronizationContext.Use(); // of the test itself: an async method would give it back
        return CreateAsync();

        async Task<RuleScene> CreateAsync()
        {
            RuleScene scene = new(self, random);
            await scene.ApplyAsync(rules);
            return scene;
        }
    }

    /// <summary>Puts these rules in the place of all others.</summary>
    public async Task ApplyAsync(params string[] rules)
    {
        ApplyResult applied = await _applier.ApplyAsync(_compiler.Compile(_self, RuleTexts.View(rules), "v").Snapshot);
        Assert.True(applied.IsAccepted, string.Join("; ", applied.Errors));
    }

    /// <summary>The cluster of a host, port and subset.</summary>
    public Cluster Cluster(string host = "a.test", int port = 80, string subset = "") => Clusters.Find($"outbound|{port}|{subset}|{host}")!;

    /// <summary>A client connects to the outbound port.</summary>
    public MemoryConnection Connect(IPEndPoint? from = null, long window = 0) => Connect(new ListenerSide(IsInbound: false, null, Stats.Outbound), from, window);

    /// <summary>A caller of the own application connects.</summary>
    public MemoryConnection ConnectInbound(IPEndPoint? from = null) => Connect(new ListenerSide(IsInbound: true, $"inbound|{_self.ServicePort}||", Stats.Inbound), from);

    /// <summary>Begins a drain.</summary>
    public void Drain()
    {
        _context.IsDraining = true;
        _registry.StopAll();
    }

    /// <summary>A drain has had its time.</summary>
    public void CutOff()
    {
        Drain();
        _cutOff.Cancel();
        _registry.AbortAll();
    }

    /// <summary>A client connects to the TCP listener of a service entry.</summary>
    public MemoryConnection ConnectTcp(int port, string address = "127.0.0.1")
    {
        ListenerConfig listener = Assert.Single(Snapshot.Listeners, l => (l.Address, l.Port) == (address, port));
        return Connect(new ListenerSide(IsInbound: false, listener.Cluster, Stats.Outbound) { Target = new TcpTarget(listener) });
    }

    /// <summary>A client connects and sends; who reads the answer is up to the test.</summary>
    public async Task<MemoryConnection> SendAsync(string path = "/", string host = "a.test", string headers = "", string method = "GET")
    {
        MemoryConnection client = Connect();
        await client.SendAsync($"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        return client;
    }

    /// <summary>One request, answered.</summary>
    public async Task<Answered> CallAsync(string path = "/", string host = "a.test", string headers = "", string method = "GET")
    {
        int before = Upstreams.Seen.Count;
        MemoryConnection client = await SendAsync(path, host, headers, method);
        return await ReadAsync(client, before);
    }

    /// <summary>The answer to a request that was sent before; what upstreams saw from <paramref name="since"/> on is its.</summary>
    public async Task<Answered> ReadAsync(MemoryConnection client, int since = 0)
    {
        string head = await client.ReadHeadAsync();
        string body = await client.ReadAsync(AnsweringUpstreams.LengthOf(head));
        return new Answered(head, body, [.. Upstreams.Seen.Skip(since)]);
    }

    /// <summary>The answer to a request that was sent before, however long it pauses in between: time goes on until it is there.</summary>
    public async Task<Answered> SettleAsync(MemoryConnection client, int since = 0)
    {
        Task<Answered> answer = ReadAsync(client, since);
        while (!answer.IsCompleted)
        {
            Time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.WhenAny(answer, Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System)); // pauses end on other threads
        }

        return await answer;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (MemoryConnection client in _clients.Where(static c => !c.IsDisposed))
        {
            client.Reset();
        }

        await Task.WhenAll(_served).WaitAsync(TimeSpan.FromSeconds(10));
        _applier.Dispose();
        Clusters.Dispose();
        _cutOff.Dispose();
        Assert.Equal(0, Stats.UnexpectedExceptions.Value);
        Assert.Equal((0, 0, 0), (_registry.Count, Stats.Outbound.CxActive.Value, Stats.Outbound.RqActive.Value));
    }

    private MemoryConnection Connect(ListenerSide side, IPEndPoint? from = null, long window = 0)
    {
        MemoryConnection client = new(window);
        client.RemoteEndPoint = from ?? client.RemoteEndPoint;
        _clients.Add(client);
        _served.Add(_dispatcher.RunAsync(client, side));
        return client;
    }
}

/// <summary>What came of a request.</summary>
/// <param name="Head">Head of the answer.</param>
/// <param name="Body">Its body.</param>
/// <param name="Attempts">Requests that upstreams saw for it.</param>
internal sealed record Answered(string Head, string Body, ImmutableArray<UpstreamRequest> Attempts)
{
    public int Status => int.Parse(Head.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The one request that an upstream saw.</summary>
    public UpstreamRequest Sent => Assert.Single(Attempts);

    /// <summary>Values of a field of the answer.</summary>
    public string[] this[string name] => UpstreamRequest.Values(Head, name);
}
